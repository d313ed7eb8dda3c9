"""The vector store over a Pinecone index: one namespace per owner."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from stores.blocking import in_thread
from stores.errors import Unavailable
from stores.pinecone.connection import PineconeConnection, connect
from stores.pinecone.errors import unknown_namespace_is_fine
from stores.pinecone.options import PineconeOptions
from stores.pinecone.wire import (
    MAX_DELETE_IDS,
    MAX_FILTER_VALUES,
    MAX_TOP_K,
    MEMORY_ID_FIELD,
    Batch,
    checked,
    chunks,
    cuts_through_tie,
    keys_of,
    namespace_of,
    ranked,
    short_floats,
    to_batches,
)
from stores.records import FloatVector, Hit, MemoryId, Point, Scope

if TYPE_CHECKING:
    from pinecone import AsyncIndex

__all__ = ["PineconeOptions", "PineconeVectors"]

# Asked for beyond the limit, so that a short tie at the cut is seen whole in the same round trip.
_TIE_MARGIN: Final = 16


class PineconeVectors:
    """A VectorStore in the dense cosine index named `index`, which must exist.

    Pinecone is eventually consistent: a query, a count or an erasure may not see what was written a moment ago, and a
    point may come back for a moment after it was deleted. It is never the truth; the document store filters its hits.
    Every call raises Unavailable, or Timeout when the deadline of the options passed, and is repeated until then.
    """

    name = "pinecone"
    derived = False

    def __init__(self, index: str, *, options: PineconeOptions) -> None:
        self._index_name = index
        self._options = options
        self._connection: PineconeConnection | None = None
        self._opening = asyncio.Lock()

    @classmethod
    def from_url(cls, url: str, *, options: PineconeOptions) -> "PineconeVectors":
        """Return the store of "pinecone://index-name", or of "pinecone://index-name?host=http://127.0.0.1:5080"."""
        parts = urlsplit(url)
        host = parse_qs(parts.query).get("host", [options.host])[0]
        if parts.scheme != "pinecone" or not parts.netloc:
            raise ValueError("a Pinecone URL is pinecone://index-name, with ?host=… for an index at a known address")
        return cls(parts.netloc, options=replace(options, host=host))

    async def open(self) -> None:
        """Find the index and its dimension, in one round trip. Raises Unavailable, and Incompatible for other kinds."""
        async with self._opening:
            if self._connection is None:
                self._connection = await connect(self._index_name, self._options)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        """Insert or replace `points`; of an id that is there twice, the last one.

        One request per batch, several at once. A failure may leave some of the batches written: put them again.
        """
        connection = self._opened()
        if not points:
            return
        batches = await in_thread(to_batches, points, dimension=connection.dimension, options=self._options)
        namespace = namespace_of(scope)
        await connection.send_all(
            [partial(_upsert, batch, namespace) for batch in batches],
            lane=connection.writes,
            doing=f"writing {len(points)} vectors",
        )

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        """Remove the points, 1,000 a request; unknown ids are fine."""
        connection = self._opened()
        namespace = namespace_of(scope)
        await connection.send_all(
            [partial(_delete, keys, namespace) for keys in chunks(keys_of(ids), max_count=MAX_DELETE_IDS)],
            lane=connection.writes,
            doing=f"deleting {len(ids)} vectors",
        )

    async def query(
        self, vector: FloatVector, *, scope: Scope, limit: int, among: Collection[MemoryId] | None = None
    ) -> list[Hit]:
        """Return the nearest points. One round trip, a second one when the cut runs through a long tie.

        Of more than 10,000 `among`, each 10,000 are a query of their own, all at once.
        """
        connection = self._opened()
        values = short_floats(checked(vector, connection.dimension))
        filters: list[Mapping[str, Any] | None] = [None]
        if among is not None:
            parts = chunks(keys_of(among), max_count=MAX_FILTER_VALUES)
            filters = [{MEMORY_ID_FIELD: {"$in": part}} for part in parts]
        namespace = namespace_of(scope)
        answers = await connection.send_all(
            [partial(_nearest, values, namespace, limit, where) for where in filters],
            lane=connection.reads,
            doing="searching",
        )
        hits = (hit for answer in answers for hit in answer)
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]

    async def erase(self, scope: Scope) -> int:
        """Remove the owner's namespace with all that is in it. Two round trips; the count may lag behind."""
        connection = self._opened()
        before = await self.count(scope)
        await connection.send(
            partial(_delete_namespace, namespace_of(scope)), lane=connection.writes, doing="erasing an owner"
        )
        return before

    async def count(self, scope: Scope) -> int:
        """Return how many points the owner has, as far as Pinecone has counted. One round trip."""
        connection = self._opened()
        return await connection.send(
            partial(_count, namespace_of(scope)), lane=connection.reads, doing="counting vectors"
        )

    def _opened(self) -> PineconeConnection:
        if self._connection is None:
            raise Unavailable(f"the Pinecone index {self._index_name!r} is not open")
        return self._connection


async def _upsert(batch: Batch, namespace: str, index: "AsyncIndex") -> None:
    records: list[dict[str, Any]] = []
    for part in batch.parts():  # not in a thread: encoding holds the GIL, and several of them stall the loop for longer
        records += part.records()
        await asyncio.sleep(0)
    await index.upsert(vectors=records, namespace=namespace)


async def _delete(keys: Sequence[str], namespace: str, index: "AsyncIndex") -> None:
    with unknown_namespace_is_fine():
        await index.delete(ids=keys, namespace=namespace)


async def _delete_namespace(namespace: str, index: "AsyncIndex") -> None:
    # Not delete_all: that leaves the empty namespace, whose name counts against the plan and tells of the owner.
    with unknown_namespace_is_fine():
        await index.delete_namespace(name=namespace)


async def _count(namespace: str, index: "AsyncIndex") -> int:
    # Not describe_index_stats: that answers with every namespace of the index, about 10 MB for 100,000 owners.
    with unknown_namespace_is_fine():
        return (await index.describe_namespace(name=namespace)).record_count
    return 0


async def _nearest(
    values: Sequence[float], namespace: str, limit: int, where: Mapping[str, Any] | None, index: "AsyncIndex"
) -> list[Hit]:
    """Return the best `limit` hits, and what came with them: the whole tie, if one runs through the cut."""
    for top_k in (min(limit + _TIE_MARGIN, MAX_TOP_K), MAX_TOP_K):
        answer = await index.query(vector=values, top_k=top_k, namespace=namespace, filter=where)
        hits = ranked((match.id, match.score) for match in answer.matches)
        if len(hits) < top_k or not cuts_through_tie(hits, limit=limit):
            break
    return hits
