"""Reads the vectors out of an embeddings answer, in the order of the request; trusts nothing in it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np

from context0.errors import EmbeddingInvalid

if TYPE_CHECKING:
    from context0.embeddings.protocol import FloatMatrix, FloatVector


def ordered_vectors(answer: object, count: int, model: str) -> FloatMatrix:
    """Return shape (count, dimension), row i being the vector whose `index` is i.

    Raises EmbeddingInvalid: no list, too few or too many vectors, an index missing, twice or out of range, a vector
    that is not numbers, vectors of different lengths. NaN and zero pass; `Validated` refuses them.
    """
    items = getattr(answer, "data", None)
    if not isinstance(items, list):
        raise EmbeddingInvalid(f"{model}: the answer holds no list of vectors")
    if len(items) != count:
        raise EmbeddingInvalid(f"{model}: the answer holds {len(items)} vectors for {count} texts")
    rows: dict[int, FloatVector] = {}
    for item in items:
        index = getattr(item, "index", None)
        if not isinstance(index, int) or not 0 <= index < count or index in rows:
            raise EmbeddingInvalid(f"{model}: the answer numbers its vectors wrongly; each index must occur once")
        rows[index] = _vector(getattr(item, "embedding", None), index, model)
    lengths = {row.shape[0] for row in rows.values()}
    if len(lengths) != 1:
        raise EmbeddingInvalid(f"{model}: the answer mixes vectors of wrong dimension: {sorted(lengths)}")
    return np.stack([rows[index] for index in range(count)])


def _vector(embedding: object, index: int, model: str) -> FloatVector:
    """Read one vector: base64 of little-endian float32, or a list of numbers."""
    try:
        if isinstance(embedding, str):
            return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
        with np.errstate(over="ignore"):  # beyond float32: an infinity, which `Validated` refuses
            vector = np.asarray(embedding, dtype=np.float32)
    except (TypeError, ValueError) as exc:
        raise EmbeddingInvalid(f"{model}: vector {index} of the answer is not a list of numbers") from exc
    if vector.ndim != 1:
        raise EmbeddingInvalid(f"{model}: vector {index} of the answer is not a list of numbers")
    return vector
