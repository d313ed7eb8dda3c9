"""How owners, ids, vectors and matches are written for Pinecone, within its limits: pure functions."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

import numpy as np
import orjson

from stores.errors import DimensionMismatch, InvalidVector, StoreError
from stores.pinecone.options import MAX_BATCH_BYTES, PineconeOptions
from stores.records import FloatMatrix, FloatVector, Hit, MemoryId, Point, Scope

MAX_TOP_K: Final = 10_000
MAX_DELETE_IDS: Final = 1_000
MAX_FILTER_VALUES: Final = 10_000
MAX_KEY_LENGTH: Final = 512
MEMORY_ID_FIELD: Final = "memory_id"

# A finite float32 in its shortest decimal, with its comma: "-0.000012345678," or "-12345679000000000.0,".
_MAX_FLOAT_BYTES: Final = 20
# {"id":"","values":[],"metadata":{"memory_id":""}}, and the key twice in it.
_RECORD_BYTES: Final = 64
_FLOATS_PER_PART: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one upsert carries. matrix: one row per key."""

    keys: tuple[str, ...]
    matrix: FloatMatrix

    def parts(self) -> Iterator["Batch"]:
        """Cut the batch into pieces that `records` encodes in about 0.3 ms each."""
        rows = max(1, _FLOATS_PER_PART // self.matrix.shape[1])
        for start in range(0, len(self.keys), rows):
            yield Batch(keys=self.keys[start : start + rows], matrix=self.matrix[start : start + rows])

    def records(self) -> list[dict[str, Any]]:
        """Return the records as the driver takes them."""
        return [
            {"id": key, "values": values, "metadata": {MEMORY_ID_FIELD: key}}
            for key, values in zip(self.keys, short_floats(self.matrix), strict=True)
        ]


def namespace_of(scope: Scope) -> str:
    """Return the owner's namespace: any text becomes 66 ASCII characters, which no other owner shares."""
    return "u-" + hashlib.sha256(scope.owner.encode("utf-8", "surrogatepass")).hexdigest()


def key_of(memory_id: MemoryId) -> str:
    """Return the record id of a memory: Pinecone takes ASCII only, so the rest is percent-encoded. UUIDs stay."""
    return quote(memory_id, safe="", errors="surrogatepass")


def memory_id_of(key: str) -> MemoryId:
    """Return the memory id of a record: the inverse of `key_of`."""
    return MemoryId(unquote(key, errors="surrogatepass"))


def keys_of(ids: Collection[MemoryId]) -> list[str]:
    """Return the record ids among `ids` that Pinecone can hold, each once, sorted; others cannot have been stored."""
    return sorted(key for key in {key_of(memory_id) for memory_id in ids} if 1 <= len(key) <= MAX_KEY_LENGTH)


def checked(vector: FloatVector, dimension: int) -> FloatVector:
    """Return `vector` as float32. Raises InvalidVector, DimensionMismatch."""
    with np.errstate(over="ignore"):
        array = np.asarray(vector, dtype=np.float32)
    if array.ndim != 1 or not np.isfinite(array).all() or not array.any():
        raise InvalidVector("a vector is a row of finite numbers, not all zero; look at what the embedder returned")
    if array.shape[0] != dimension:
        raise DimensionMismatch(dimension, array.shape[0])
    return array


def short_floats(array: FloatVector | FloatMatrix) -> list[Any]:
    """Return the numbers as Python floats that print in the shortest decimals which read back as the same float32.

    They take 13 bytes in JSON where `tolist` takes 21: those print every digit of the float64.
    """
    floats: list[Any] = orjson.loads(orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY))
    return floats


def to_batches(points: Sequence[Point], *, dimension: int, options: PineconeOptions) -> list[Batch]:
    """Return `points` in batches within the limits, the last one of each id.

    Raises DimensionMismatch, InvalidVector, and StoreError for an id of more than 512 characters when encoded.
    """
    latest = {point.id: point for point in points}
    keys = tuple(key_of(memory_id) for memory_id in latest)
    for key in keys:
        if not 1 <= len(key) <= MAX_KEY_LENGTH:
            raise StoreError(f"Pinecone holds ids of 1..{MAX_KEY_LENGTH} encoded characters, this has {len(key)}")
    matrix = np.stack([checked(point.vector, dimension) for point in latest.values()])
    sizes = [2 * len(key) + dimension * _MAX_FLOAT_BYTES + _RECORD_BYTES for key in keys]
    return [
        Batch(keys=keys[span], matrix=matrix[span])
        for span in spans(sizes, max_count=options.max_batch_records, max_bytes=options.max_batch_bytes)
    ]


def spans(sizes: Sequence[int], *, max_count: int, max_bytes: int = MAX_BATCH_BYTES) -> Iterator[slice]:
    """Cut a sequence, in order, into the fewest spans within both limits; a piece that is too large stands alone."""
    start = held = 0
    for position, size in enumerate(sizes):
        if position > start and (position - start == max_count or held + size > max_bytes):
            yield slice(start, position)
            start, held = position, 0
        held += size
    if sizes:
        yield slice(start, len(sizes))


def chunks(keys: Sequence[str], *, max_count: int) -> list[Sequence[str]]:
    """Return `keys` in pieces that one request can carry."""
    return [keys[span] for span in spans([len(key) + 3 for key in keys], max_count=max_count)]


def ranked(matches: Iterable[tuple[str, float]]) -> list[Hit]:
    """Return matches as hits, best first, equal scores by ascending id; scores are cut to [-1, 1]."""
    hits = [Hit(memory_id_of(key), min(1.0, max(-1.0, score))) for key, score in matches]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))


def cuts_through_tie(hits: Sequence[Hit], *, limit: int) -> bool:
    """Return whether everything after `limit` scores the same as the last hit before it, so that more may follow."""
    return len(hits) > limit and hits[-1].score == hits[limit - 1].score
