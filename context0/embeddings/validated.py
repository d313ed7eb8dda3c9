"""Refuses vectors that would spoil a store; brings the others to unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from context0.embeddings.wrapper import Wrapper
from context0.errors import EmbeddingInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.embeddings.protocol import Embedder, FloatMatrix

# Of squared norms: what float32 rounding leaves, and between which bounds float32 squares are exact enough.
_UNIT_TOLERANCE: Final = 2e-6
_SMALLEST_SQUARE: Final = 1e-24
_LARGEST_SQUARE: Final = 1e24


class Validated(Wrapper):
    """Checks count, dimension (constant from the first valid answer on), finiteness and norm of every vector."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(embedder)
        self._dimension = embedder.dimension

    @property
    def dimension(self) -> int | None:
        return self._dimension

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return the vectors, checked, at unit length; about 4 us for one.

        Raises EmbeddingInvalid naming what is wrong: short list, wrong dimension, NaN, infinity, zero.
        """
        answer = await self._embedder.embed(texts)
        if not texts:
            return answer
        rows = _float32(answer)
        self._check_shape(rows, len(texts))
        unit = self._unit(rows)
        self._dimension = rows.shape[1]
        return unit

    def _check_shape(self, rows: FloatMatrix, count: int) -> None:
        if rows.ndim != 2:
            raise EmbeddingInvalid(f"{self.model} answered with an array of {rows.ndim} axes where 2 are expected")
        if len(rows) != count:
            raise EmbeddingInvalid(f"{self.model} answered with {len(rows)} vectors for {count} texts")
        if rows.shape[1] == 0 or self._dimension not in (None, rows.shape[1]):
            raise EmbeddingInvalid(
                f"{self.model} answered with the wrong dimension {rows.shape[1]} where {self._dimension or 'any'} is"
                " expected; if the model was changed on purpose, restart and run `context0 reindex`"
            )

    def _unit(self, rows: FloatMatrix) -> FloatMatrix:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            squares = np.vecdot(rows, rows)
        # NaN and infinity in a row show in its square; every comparison with NaN is False.
        low, high = np.minimum.reduce(squares), np.maximum.reduce(squares)
        if low >= 1 - _UNIT_TOLERANCE and high <= 1 + _UNIT_TOLERANCE:
            return rows
        if low >= _SMALLEST_SQUARE and high <= _LARGEST_SQUARE:
            unit: FloatMatrix = rows / np.sqrt(squares)[:, np.newaxis]
            return unit
        return self._unit_of_extremes(rows)

    def _unit_of_extremes(self, rows: FloatMatrix) -> FloatMatrix:
        """Squares that float32 cannot hold: name the fault, or divide in float64."""
        for fault, at in (
            ("contains NaN", np.isnan(rows).any(axis=1)),
            ("contains an infinity", np.isinf(rows).any(axis=1)),
            ("is zero", ~rows.any(axis=1)),
        ):
            if at.any():
                raise EmbeddingInvalid(f"{self.model}: vector {int(at.argmax())} of {len(rows)} {fault}")
        exact = rows.astype(np.float64)
        unit: FloatMatrix = (exact / np.sqrt(np.vecdot(exact, exact))[:, np.newaxis]).astype(np.float32)
        return unit


def _float32(answer: FloatMatrix) -> FloatMatrix:
    """Return `answer` as promised by its type, which a new provider may not have kept."""
    if answer.dtype == np.float32 and answer.flags.c_contiguous:
        return answer
    with np.errstate(over="ignore"):  # beyond float32: an infinity, which is refused later
        return np.ascontiguousarray(answer, dtype=np.float32)
