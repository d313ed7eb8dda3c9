"""The caches of an engine's answers, put together from its parts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from context0.cache.owner_tokens import OwnerTokens
from context0.memory.answers import Answer, memories_of_search, shareable, shareable_page
from context0.memory.parts import EngineParts
from context0.memory.result_cache import Indexes, Kind, ResultCache, ResultLimits
from context0.memory.shared_answers import SharedAnswers
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import Memory, Page, Scope

_SETTLING_S: Final = 10.0
"""A hosted index may show what it was given only so much later."""


IndexOf = Callable[[Scope], Awaitable[OwnerIndex | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCaches:
    """searches, lists: one whose size is 0 is off. tokens: the owners' words, where answers are shared."""

    searches: ResultCache[Answer]
    lists: ResultCache[Page[Memory]]
    tokens: OwnerTokens | None

    def moved(self, scope: Scope) -> None:
        """Take note of a change of the owner's memories."""
        self.searches.moved(scope)
        self.lists.moved(scope)

    def renew(self, scope: Scope) -> None:
        """Give no answer again that was found before now."""
        self.searches.renew(scope)
        self.lists.renew(scope)

    def forget(self, scope: Scope) -> None:
        """Drop all of the owner, who is being erased."""
        self.searches.forget(scope)
        self.lists.forget(scope)

    async def aclose(self) -> None:
        await self.searches.aclose()
        await self.lists.aclose()


def build_answer_caches(parts: EngineParts, indexes: OwnerCache[OwnerIndex], load: IndexOf) -> AnswerCaches:
    """Return the caches of an engine. load: reads an owner's memories if need be.

    A list is not worth reading all of an owner's memories, nor looking for changes of them: it is one round trip.
    """

    async def fresh(scope: Scope) -> OwnerIndex | None:
        return indexes.fresh(scope)

    def is_held(scope: Scope) -> bool:
        return indexes.held(scope) is not None

    limits, shared = parts.limits, _shared_answers(parts)
    searches = ResultCache(
        Indexes(fresh=indexes.fresh, load=load, is_held=is_held),
        parts.documents,
        Kind(memories_of=memories_of_search, shareable=shareable, keeps=lambda answer: not answer.result.degraded),
        ResultLimits(
            max_bytes=limits.search_cache_bytes,
            ttl_s=limits.search_cache_ttl_s,
            staleness_s=limits.owner_index_staleness_s,
            settling_s=0.0 if parts.vectors.derived else _SETTLING_S,
        ),
        clock=parts.clock,
        shared=shared,
    )
    lists = ResultCache(
        Indexes(fresh=indexes.fresh, load=fresh, is_held=is_held),
        parts.documents,
        Kind(memories_of=lambda page: page.items, shareable=shareable_page),
        ResultLimits(
            max_bytes=limits.list_cache_bytes,
            ttl_s=limits.list_cache_ttl_s,
            staleness_s=limits.owner_index_staleness_s,
        ),
        clock=parts.clock,
    )
    parts.recorder.watch_cache("searches", lambda: searches.cache.statistics().reading())
    parts.recorder.watch_cache("lists", lambda: lists.cache.statistics().reading())
    return AnswerCaches(searches=searches, lists=lists, tokens=None if shared is None else shared.tokens)


def _shared_answers(parts: EngineParts) -> SharedAnswers | None:
    if parts.shared is None:
        return None
    limits = parts.limits
    return SharedAnswers(
        parts.shared,
        OwnerTokens(parts.shared, staleness_s=limits.owner_index_staleness_s),
        parts.documents,
        clock=parts.clock,
        ttl_s=limits.search_cache_ttl_s,
        model=parts.embedder.model,
    )
