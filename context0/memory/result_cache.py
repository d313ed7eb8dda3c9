"""Answers that are given again while nothing has changed that they are made of: searches, and first pages of lists."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar
from weakref import ref

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache, TTLCache

from context0.cache.bounded import BoundedCache
from context0.cache.generations import Generations
from context0.cache.keys import Field, digest
from context0.cache.loading import LoadingCache
from context0.cache.owner_tokens import OwnerTokens
from context0.cache.single_flight import SingleFlight
from context0.cache.sizes import deep_bytes
from context0.clock import Clock, to_ms
from stores.blocking import in_thread_if
from stores.owner.owner_index import NEVER, OwnerIndex, Snapshot
from stores.protocols import DocumentStore
from stores.records import Memory, MemoryId, Scope

A = TypeVar("A")

_OWNERS: Final = 100_000
_INLINE_MEMORIES: Final = 100
"""Up to so many memories are copied and measured in less than about two milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultLimits:
    """max_bytes: 0 switches it off. staleness_s: how long an answer is given again without a look at the documents.

    settling_s: nothing is kept for so long after a change: while an index that is told of it may be behind.
    """

    max_bytes: int
    ttl_s: float
    staleness_s: float = 1.0
    settling_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[A]):
    """What is to be known of one kind of answer. shareable: makes of it what many can be given."""

    memories_of: Callable[[A], Sequence[Memory]]
    shareable: Callable[[A], A]
    keeps: Callable[[A], bool] = lambda _: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """fresh: the owner's index if that costs nothing; load: in any case; None for an owner who has none.

    is_held: whether the owner's memories have been read already.
    """

    fresh: Callable[[Scope], OwnerIndex | None]
    load: Callable[[Scope], Awaitable[OwnerIndex | None]]
    is_held: Callable[[Scope], bool]


class Shared(Protocol[A]):
    """Answers of other processes."""

    tokens: OwnerTokens

    async def find(self, scope: Scope, fields: Sequence[Field]) -> A | None: ...

    async def put(self, scope: Scope, token: bytes, fields: Sequence[Field], answer: A, *, until_ms: float) -> None: ...


class Kept(Generic[A]):
    """An answer with the versions of the memories in it."""

    __slots__ = ("answer", "checked_at", "nbytes", "owner", "versions")

    def __init__(self, answer: A, owner: str, memories: Sequence[Memory], checked_at: float) -> None:
        self.answer = answer
        self.owner = owner
        self.versions: tuple[tuple[MemoryId, int], ...] = tuple((one.id, one.version) for one in memories)
        self.checked_at = checked_at
        self.nbytes = deep_bytes(self)


class ResultCache(Generic[A]):
    """Keeps answers by owner, generation and everything that shapes them. A hit costs no round trip.

    The generation moves with every write of this process, and whenever the owner's index in memory takes over a change:
    of another process after at most `owner_index_staleness_s`. What an answer holds is looked up again as often, by one
    round trip: a memory that another process has deleted or changed is not given out later than that. An owner without
    an index in memory has no cache. Errors, and what `keeps` refuses, are not kept. One load for all who wait.
    """

    def __init__(
        self,
        indexes: Indexes,
        documents: DocumentStore,
        kind: Kind[A],
        limits: ResultLimits,
        *,
        clock: Clock,
        shared: Shared[A] | None = None,
    ) -> None:
        self._indexes = indexes
        self._documents = documents
        self._kind = kind
        self._limits = limits
        self._shared = shared if limits.max_bytes else None
        self._clock = clock
        self._timer = time.monotonic
        self._generations = Generations(max_owners=_OWNERS)
        self._alone: TTLCache[str, bool] = TTLCache(_OWNERS, limits.ttl_s)
        self._snapshots: LRUCache[str, tuple[ref[Snapshot], float]] = LRUCache(_OWNERS)
        bounded: BoundedCache[bytes, Kept[A]] = BoundedCache(
            max_bytes=limits.max_bytes, ttl_s=limits.ttl_s, size_of=lambda key, kept: deep_bytes(key) + kept.nbytes
        )
        self.cache: LoadingCache[bytes, Kept[A]] = LoadingCache(bounded, keeps=lambda kept: kind.keeps(kept.answer))
        self._checks: SingleFlight[bytes, bool] = SingleFlight()
        self._finds: SingleFlight[bytes, A | None] = SingleFlight()

    @property
    def on(self) -> bool:
        return self._limits.max_bytes > 0

    def at_hand(self, scope: Scope, fields: Sequence[Field]) -> A | None:
        """Return the answer if nothing has to be waited for: 8 us."""
        index = self._indexes.fresh(scope) if self.on else None
        state = self._state(scope, index)
        if state is None:
            return None
        key = digest(scope.owner, *state, *fields)
        held = self.cache.cache.peek(key)
        if held is None or not self._is_new(held):
            return None
        self.cache.cache.get(key, None)  # counts the hit
        return held.answer

    async def get(self, scope: Scope, fields: Sequence[Field], load: Callable[[], Awaitable[A]]) -> tuple[A, bool]:
        """Return the answer, and whether it was held. Raises what `load` raises, and StoreError.

        fields: all that shapes the answer beside the owner's memories.
        """
        found = await self._of_others(scope, fields)
        if found is not None:
            return found, True
        token = None if self._shared is None else await self._shared.tokens.current(scope.owner)
        state = self._state(scope, await self._indexes.load(scope)) if self.on else None
        if state is None:
            return await load(), False
        key = digest(scope.owner, *state, *fields)
        held = self.cache.cache.get(key, None)
        if held is not None and await self._stands(key, held, scope):
            return held.answer, True

        async def fetch() -> Kept[A]:
            started, loaded = self._timer(), await load()
            many = len(self._kind.memories_of(loaded)) > _INLINE_MEMORIES
            answer = await in_thread_if(many, partial(self._kind.shareable, loaded))
            if self._shared is not None and token is not None and self._kind.keeps(answer):
                await self._shared.put(scope, token, fields, answer, until_ms=self._until_ms(scope))
            keeping: Callable[[], Kept[A]] = partial(Kept, answer, scope.owner, self._kind.memories_of(answer), started)
            return await in_thread_if(many, keeping)

        return (await self.cache.load(key, fetch)).answer, False

    def moved(self, scope: Scope) -> None:
        """Take note of a change: no answer of before is given again."""
        self._generations.move(scope.owner)
        self._snapshots.pop(scope.owner, None)
        if self._shared is not None:
            self._shared.tokens.moved(scope.owner)

    def renew(self, scope: Scope) -> None:
        """Give no answer of before again, of this process or, while they may be older than its time, of others."""
        self._generations.move(scope.owner)
        self._alone[scope.owner] = True

    def forget(self, scope: Scope) -> None:
        """Drop the owner's answers from memory, as for an erasure; looks at all that is held."""
        self.moved(scope)
        self.cache.cache.discard_where(lambda kept: kept.owner == scope.owner)

    async def aclose(self) -> None:
        await self.cache.aclose()
        await self._checks.aclose()
        await self._finds.aclose()
        if self._shared is not None:
            await self._shared.tokens.aclose()

    def _state(self, scope: Scope, index: OwnerIndex | None) -> tuple[int, int] | None:
        """Return the generation of the owner's memories, and how many have reached their end; None: keep nothing."""
        if index is None:
            return None
        snapshot, now = index.snapshot(), self._timer()
        seen, since = self._snapshots.get(scope.owner, (None, now))
        if seen is None or seen() is not snapshot:
            self._generations.move(scope.owner)
            if seen is not None and self._shared is not None:  # others may have kept what was found without it
                self._shared.tokens.moved(scope.owner)
            self._snapshots[scope.owner] = ref(snapshot), now
            since = now
        if now - since < self._limits.settling_s:
            return None
        ends = snapshot.once("ends and expiries", lambda: _ends(snapshot))
        return self._generations.of(scope.owner), int(np.searchsorted(ends, to_ms(self._clock.now()), side="right"))

    async def _of_others(self, scope: Scope, fields: Sequence[Field]) -> A | None:
        """Return what another process has found, if this one would have to read the owner's memories for it."""
        shared = self._shared
        if shared is None or scope.owner in self._alone or self._indexes.is_held(scope):
            return None
        found = await self._finds.run(digest(scope.owner, *fields), lambda: shared.find(scope, fields))
        return None if found is None else self._kind.shareable(found)

    def _until_ms(self, scope: Scope) -> float:
        """Return when the owner's answers change by themselves next."""
        seen, _ = self._snapshots.get(scope.owner, (None, 0.0))
        snapshot = None if seen is None else seen()
        if snapshot is None:
            return 0.0
        ends = snapshot.once("ends and expiries", lambda: _ends(snapshot))
        place = int(np.searchsorted(ends, to_ms(self._clock.now()), side="right"))
        return float(ends[place]) if place < len(ends) else math.inf

    def _is_new(self, held: Kept[A]) -> bool:
        return self._timer() - held.checked_at <= self._limits.staleness_s or not held.versions

    async def _stands(self, key: bytes, held: Kept[A], scope: Scope) -> bool:
        """Say whether the documents still are what the answer holds, looking when that was too long ago."""
        if self._is_new(held):
            return True

        async def check() -> bool:
            started = self._timer()
            ids = [memory_id for memory_id, _ in held.versions]
            found = await self._documents.get_many(ids, scope=scope, now=self._clock.now())
            held.checked_at = started
            return tuple((one.id, one.version) for one in found) == held.versions

        if await self._checks.run(key, check):
            return True
        self.cache.discard(key)
        return False


def _ends(snapshot: Snapshot) -> npt.NDArray[np.int64]:
    """Return when memories expire or are over, ascending: at these moments answers change by themselves."""
    over = np.array([one.invalid_ms for one in snapshot.validity.values() if one.invalid_ms is not None], np.int64)
    expiries = snapshot.expires_ms[snapshot.expires_ms != NEVER]
    return np.sort(np.concatenate([over, expiries]))
