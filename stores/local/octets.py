"""Vectors whose numbers are of one byte each: near enough to tell which few of them are worth reading in full."""

from typing import Final

import numpy as np
import numpy.typing as npt

from stores.records import FloatMatrix, FloatVector

_MOST: Final = 127
_WORD: Final = 4

Bytes = npt.NDArray[np.int8]
Rows = npt.NDArray[np.int64]


def octets_width(dimension: int) -> int:
    """Return the bytes of one vector: whole words of four."""
    return -(-dimension // _WORD) * _WORD


def octets_of(vectors: FloatMatrix) -> tuple[Bytes, FloatVector]:
    """Return int8, shape (rows, `octets_width`), and by what each row is to be multiplied: float32, shape (rows,)."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    scales: FloatVector = np.where(largest > 0, largest / _MOST, 1).astype(np.float32)
    numbers = np.zeros((len(vectors), octets_width(vectors.shape[1])), np.int8)
    numbers[:, : vectors.shape[1]] = np.rint(vectors / scales[:, None])
    return numbers, scales


class Octets:
    """What `octets_of` gives of many vectors. Does not change."""

    def __init__(self, numbers: Bytes, scales: FloatVector) -> None:
        self._numbers = numbers
        self._scales = scales

    def nearest(self, rows: Rows, vector: FloatVector, count: int) -> Rows:
        """Return those of the rows, `count` at most, whose product with the vector is the largest, in any order."""
        if len(rows) <= count:
            return rows
        padded = np.zeros(self._numbers.shape[1], np.float32)
        padded[: len(vector)] = vector
        scores = (self._numbers.take(rows, axis=0).astype(np.float32) @ padded) * self._scales[rows]
        return rows[np.argpartition(scores, -count)[-count:]]
