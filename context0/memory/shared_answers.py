"""Searches that another process has made: for one that would have to read the owner's memories first."""

import math
from collections.abc import Sequence
from typing import Any, Final

import orjson

from context0.cache.keys import Field, digest
from context0.cache.owner_tokens import OwnerTokens
from context0.cache.shared import SharedCache
from context0.clock import Clock, to_ms
from context0.memory.answers import Answer
from context0.memory.results import FoundMemory, SearchResult
from stores.protocols import DocumentStore
from stores.records import MemoryId, Scope

_VERSION: Final = 1
"""Raised whenever the same memories would be ranked otherwise."""


class SharedAnswers:
    """Keeps who was found, with which scores, in the shared cache; what they say is read from the documents.

    So no text of a memory lies in the shared cache, and one that was deleted or changed meanwhile makes the answer
    worthless. It was made under the owner's word (`OwnerTokens`), which changes with every write of any process.
    """

    def __init__(
        self,
        shared: SharedCache,
        tokens: OwnerTokens,
        documents: DocumentStore,
        *,
        clock: Clock,
        ttl_s: float,
        model: str,
    ) -> None:
        """model: of the embeddings; with another one the same question is answered otherwise."""
        self._shared = shared
        self.tokens = tokens
        self._documents = documents
        self._clock = clock
        self._ttl_s = ttl_s
        self._model = model

    async def find(self, scope: Scope, fields: Sequence[Field]) -> Answer | None:
        """Return the answer, or None where none can be given now. Three round trips. Raises StoreError."""
        token = await self.tokens.current(scope.owner)
        if token is None:
            return None
        (value,) = await self._shared.get_many([self._name(scope, token, fields)])
        now = self._clock.now()
        if value is None:
            return None
        told = orjson.loads(value)
        if to_ms(now) >= told["until_ms"]:
            return None
        ids = [MemoryId(one["id"]) for one in told["items"]]
        memories = await self._documents.get_many(ids, scope=scope, now=now) if ids else []
        if [(one.id, one.version) for one in memories] != [(one["id"], one["version"]) for one in told["items"]]:
            return None
        items = tuple(
            FoundMemory(memory=memory, score=one["score"], arms=one["arms"], same=tuple(one["same"]))
            for memory, one in zip(memories, told["items"], strict=True)
        )
        last = None if told["last"] is None else (float(told["last"][0]), MemoryId(told["last"][1]))
        return Answer(result=SearchResult(items=items, relevance=told["relevance"]), last=last)

    async def put(
        self, scope: Scope, token: bytes, fields: Sequence[Field], answer: Answer, *, until_ms: float
    ) -> None:
        """Keep the answer if that can be done now. token: from before the first read. One round trip.

        until_ms: when the answer changes by itself, since a memory expires or is over.
        """
        told: dict[str, Any] = {
            "items": [
                {
                    "id": one.memory.id,
                    "version": one.memory.version,
                    "score": one.score,
                    "arms": dict(one.arms),
                    "same": one.same,
                }
                for one in answer.result.items
            ],
            "relevance": answer.result.relevance,
            "last": answer.last,
            "until_ms": until_ms if math.isfinite(until_ms) else 2**53,
        }
        await self._shared.put_many(
            [(self._name(scope, token, fields), orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY))],
            ttl_s=self._ttl_s,
        )

    def _name(self, scope: Scope, token: bytes, fields: Sequence[Field]) -> bytes:
        return digest("answer", _VERSION, self._model, scope.owner, token, *fields)
