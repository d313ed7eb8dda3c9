"""The signs of many vectors, one bit a number: which of a million may be near is told in some milliseconds.

How many signs of two vectors differ grows with the angle between them (Charikar, "Similarity estimation techniques from
rounding algorithms", 2002).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from stores.records import FloatMatrix, FloatVector

_WORD_BITS: Final = 64
_BLOCK_ROWS: Final = 1 << 17
_BY_HALF: Final = 24
"""Of so many rows one is left by the first half of its signs."""
_SAMPLED_EVERY: Final = 61
_MOST_IN_A_BYTE: Final = 255
_SCATTERED: Final = 8
"""Up to one row in so many, reading just those is faster than reading all."""

Bits = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Distances = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def width_of(dimension: int) -> int:
    """Return the bytes of the signs of one vector: whole words."""
    return -(-dimension // _WORD_BITS) * _WORD_BITS // 8


def signs_of(vectors: FloatMatrix) -> Bits:
    """Return the signs: uint8, shape (rows, `width_of` the dimension)."""
    bits = np.zeros((len(vectors), width_of(vectors.shape[1])), np.uint8)
    packed = np.packbits(vectors > 0, axis=1)
    bits[:, : packed.shape[1]] = packed
    return bits


class Signs:
    """The signs of rows, in memory: 32 bytes a row of 256 numbers. Does not change."""

    def __init__(self, bits: Bits) -> None:
        """bits: as `signs_of` gives them."""
        self._planes: Words = np.ascontiguousarray(bits.view("<u8").T)

    def __len__(self) -> int:
        return int(self._planes.shape[1])

    @property
    def nbytes(self) -> int:
        return self._planes.nbytes

    def near(self, vector: FloatVector, count: int, allowed: Mask, allowed_count: int) -> Rows:
        """Return half to twice `count` of the allowed rows, likely the nearest; all where there are no more.

        On one core some 3 ms for a million rows of 256 numbers; less where few are allowed.
        """
        if allowed_count <= count:
            return np.flatnonzero(allowed)
        question: Words = signs_of(vector[None, :]).view("<u8")[0]
        if allowed_count * _SCATTERED <= len(self):
            rows = np.flatnonzero(allowed)
            return rows[_smallest(_differing(self._planes, question, rows), count)]
        rows = self._near_of_all(question, count, allowed, allowed_count)
        return rows[allowed[rows]]

    def _near_of_all(self, question: Words, wanted: int, allowed: Mask, allowed_count: int) -> Rows:
        """Return about `wanted` allowed rows by all signs, of those that the first half leaves."""
        half = len(question) // 2
        if allowed_count <= wanted * _BY_HALF or not half:
            half = len(question)
        differing = _differing(self._planes[:half], question[:half])
        if allowed_count < len(self):
            differing[~allowed] = np.iinfo(differing.dtype).max
        if half == len(question):
            return _smallest(differing, wanted)
        rows = _smallest(differing, allowed_count // _BY_HALF)
        rest = _differing(self._planes[half:], question[half:], rows)
        return rows[_smallest(differing[rows].astype(np.uint16) + rest, wanted)]


def _differing(planes: Words, question: Words, rows: Rows | None = None) -> Distances:
    """Return how many signs of these rows, or of all, are not the question's: shape (rows,)."""
    count = planes.shape[1] if rows is None else len(rows)
    few = len(planes) * _WORD_BITS <= _MOST_IN_A_BYTE
    differing: Distances = np.zeros(count, np.uint8) if few else np.zeros(count, np.uint16)
    words, octets = np.empty(min(count, _BLOCK_ROWS), np.uint64), np.empty(min(count, _BLOCK_ROWS), np.uint8)
    for start in range(0, count, _BLOCK_ROWS):
        block, end = differing[start : start + _BLOCK_ROWS], min(start + _BLOCK_ROWS, count)
        mine, bits = words[: len(block)], octets[: len(block)]
        for plane, word in zip(planes, question, strict=True):
            part = plane[start:end] if rows is None else plane.take(rows[start:end])
            np.bitwise_count(np.bitwise_xor(part, word, out=mine), out=bits)
            np.add(block, bits, out=block)
    return differing


def _smallest(distances: Distances, count: int) -> Rows:
    """Return half to twice `count` places that have the smallest distances, all where there are no more."""
    if len(distances) <= count:
        return np.arange(len(distances))
    if len(distances) <= count * _SCATTERED:
        return np.argpartition(distances, count)[:count]
    sample = distances[::_SAMPLED_EVERY]
    limit = int(np.partition(sample, count // _SAMPLED_EVERY)[count // _SAMPLED_EVERY])
    while np.count_nonzero(distances < limit) < count // 2:
        limit += 1
    places = np.flatnonzero(distances < limit)
    if len(places) > 2 * count:  # many at the same distance, or a sample that deceives
        places = places[np.argpartition(distances[places], count)[:count]]
    return places
