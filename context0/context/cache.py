"""The built contexts in memory: read once, then carried on by deltas until their time is over."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from cachetools import TLRUCache

from context0.clock import Clock
from context0.context.built import BuiltContext, ContextKey, History, apply
from context0.context.deltas import Delta, MessageAdded, SessionRenamed, SummaryChanged
from context0.context.source import ContextSource, fill
from context0.context.tiers import Part
from stores.records import Memory, Message, Scope, SessionId

_RECORD_BYTES: Final = 700
"""Rough bytes of a message or memory beside its text: the record, its id, its times, its metadata."""
_INDEX_SLACK: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """ttl_s: after so long everything is read anew, so that changes by other processes are seen."""

    ttl_s: float = 300.0
    max_entries: int = 10_000
    max_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """hits: asks that read nothing. reads: sections read. deltas: changes taken over by a context that was held."""

    hits: int
    misses: int
    reads: int
    deltas: int
    entries: int
    nbytes: int

    @property
    def hit_rate(self) -> float:
        """In [0, 1]; 0 before the first ask."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


@dataclass(frozen=True, slots=True)
class _Entry:
    built: BuiltContext
    until: float


class ContextCache:
    """Holds one context for each (owner, session, project): at most `max_entries`, and about `max_bytes`.

    A section is read when it is first needed, by one query, once for all who wait for it; whoever gives up waiting
    stops nobody. A change that is told by `apply` is seen by the next `get` without a query. Changes by other processes
    are seen after `ttl_s`, or at once where `through` tells of them. One cache belongs to one event loop.
    """

    def __init__(
        self,
        source: ContextSource,
        *,
        clock: Clock,
        limits: CacheLimits | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._clock = clock
        self._limits = limits or CacheLimits()
        self._timer = timer
        self._entries: TLRUCache[ContextKey, _Entry] = TLRUCache(
            self._limits.max_bytes, _until, timer=timer, getsizeof=_size_of
        )
        self._of_owner: dict[Scope, set[ContextKey]] = {}
        self._loading: dict[ContextKey, asyncio.Task[BuiltContext]] = {}
        self._late: dict[ContextKey, list[Delta]] = {}
        self._dropped: set[ContextKey] = set()
        self._hits = self._misses = self._reads = self._deltas = 0

    async def get(self, key: ContextKey, parts: Iterable[Part], *, through: int = 0) -> BuiltContext:
        """Return the context of `key` with at least `parts` in it. No query where they are held, else one for each.

        through: the last message number that the caller knows to be given; a history that does not reach it is read
        anew, which finds what another process wrote. Raises what the source raises; nothing is kept then.
        """
        wanted = frozenset(parts)
        is_hit = True
        built = self._held(key)
        while lacking := _lacking(built, wanted, through):
            is_hit = False
            task = self._loading.get(key)
            if task is None:
                task = asyncio.create_task(self._load(key, lacking, through), name="context0-context")
                task.add_done_callback(_retrieved)
                self._loading[key] = task
            built = await asyncio.shield(task)
        self._hits += is_hit
        self._misses += not is_hit
        return built.at(self._clock.now())

    def begin(self, key: ContextKey) -> None:
        """Hold the context of a session that is made just now: nothing was said in it, as no query has to find out."""
        self._put(key, BuiltContext(key=key, history=History()), self._timer() + self._limits.ttl_s)

    def held(self, key: ContextKey) -> BuiltContext | None:
        """Return what is held, as it is."""
        entry = self._entries.get(key)
        return None if entry is None else entry.built

    def apply(self, scope: Scope, delta: Delta) -> None:
        """Take over a change that was written: into all the contexts of the owner that it concerns. No query."""
        session_id = _session_of(delta)
        known = self._of_owner.get(scope, ())
        for key in [key for key in known if session_id is None or key.session_id == session_id]:
            entry = self._entries.get(key)
            if entry is None:
                continue
            built = apply(entry.built, delta)
            if built is not entry.built:
                self._deltas += 1
                self._put(key, built, entry.until)
        for key in self._loading:
            if key.scope == scope:
                self._late.setdefault(key, []).append(delta)

    def owners(self) -> set[Scope]:
        """Return of whom something is held, or being read."""
        return {*self._of_owner, *(key.scope for key in self._loading)}

    def drop(self, scope: Scope) -> None:
        """Forget all of the owner; what is being read for it is read again."""
        for key in self._of_owner.pop(scope, ()):
            self._entries.pop(key, None)
        self._dropped.update(key for key in self._loading if key.scope == scope)

    def drop_session(self, scope: Scope, session_id: SessionId) -> None:
        """Forget the contexts of a session that was deleted, of every project."""
        known = [*self._of_owner.get(scope, ()), *self._loading]
        for key in [key for key in known if (key.scope, key.session_id) == (scope, session_id)]:
            self._entries.pop(key, None)
            if key in self._loading:
                self._dropped.add(key)

    def statistics(self) -> CacheStatistics:
        self._entries.expire()
        return CacheStatistics(
            hits=self._hits,
            misses=self._misses,
            reads=self._reads,
            deltas=self._deltas,
            entries=len(self._entries),
            nbytes=int(self._entries.currsize),
        )

    async def aclose(self) -> None:
        """Stop what is being read, and forget everything. Twice is harmless."""
        loading = list(self._loading.values())
        for task in loading:
            task.cancel()
        await asyncio.gather(*loading, return_exceptions=True)
        self._loading.clear()  # a read that was stopped before its first step could not leave by itself
        self._entries.clear()
        self._of_owner.clear()

    def _held(self, key: ContextKey) -> BuiltContext:
        return self.held(key) or BuiltContext(key=key)

    async def _load(self, key: ContextKey, parts: frozenset[Part], through: int) -> BuiltContext:
        until = self._timer() + self._limits.ttl_s
        try:
            while True:
                self._dropped.discard(key)
                self._late.pop(key, None)
                self._reads += len(parts)
                read = await fill(BuiltContext(key=key), self._source, parts)
                if key not in self._dropped:
                    break  # else it was erased meanwhile: what was read may be gone
            built = _joined(self._held(key), read, parts, through)
            for delta in self._late.get(key, ()):
                built = apply(built, delta)
            entry = self._entries.get(key)
            self._put(key, built, until if entry is None else min(until, entry.until))
            return built
        finally:
            self._late.pop(key, None)
            self._dropped.discard(key)
            del self._loading[key]

    def _put(self, key: ContextKey, built: BuiltContext, until: float) -> None:
        entry = _Entry(built, until)
        if _size_of(entry) > self._limits.max_bytes:
            self._entries.pop(key, None)
            return
        self._entries[key] = entry
        while len(self._entries) > self._limits.max_entries:
            self._entries.popitem()
        self._of_owner.setdefault(key.scope, set()).add(key)
        if sum(map(len, self._of_owner.values())) > _INDEX_SLACK * self._limits.max_entries:
            self._reindex()

    def _reindex(self) -> None:
        """Leave those that have gone out of the owners' index; after as many puts as there may be entries."""
        self._of_owner.clear()
        for key in self._entries:
            self._of_owner.setdefault(key.scope, set()).add(key)


def _session_of(delta: Delta) -> SessionId | None:
    """Return the only session that a change can concern; None where it is not of one."""
    match delta:
        case MessageAdded(message=message):
            return message.session_id
        case SummaryChanged() | SessionRenamed():
            return delta.session_id
    return None


def _until(_: ContextKey, entry: _Entry, __: float) -> float:
    return entry.until


def _lacking(built: BuiltContext, parts: frozenset[Part], through: int) -> frozenset[Part]:
    lacking = built.missing(parts)
    if built.history is not None and built.history.through < through and "history" in parts:
        lacking |= parts & {"history", "session"}
    return lacking


def _joined(held: BuiltContext, read: BuiltContext, parts: frozenset[Part], through: int) -> BuiltContext:
    sections = {part: getattr(read, part) for part in parts}
    if read.history is not None:
        sections["history"] = replace(read.history, through=max(through, read.history.through))
    return replace(held, **sections)


def _size_of(entry: _Entry) -> int:
    """Return the rough bytes of a context; 10 us for a full one."""
    built = entry.built
    held: list[Message | Memory] = []
    if built.history is not None:
        held.extend(built.history.messages)
    for section in (built.preferences, built.project):
        if section is not None:
            held.extend(section.memories)
    summary = 0 if built.session is None else sys.getsizeof(built.session.summary)
    return _RECORD_BYTES * (1 + len(held)) + summary + sum(sys.getsizeof(one.content) for one in held)


def _retrieved(task: asyncio.Task[BuiltContext]) -> None:
    """Look at the failure of a read whose callers have all gone, so that it is not reported as forgotten."""
    if not task.cancelled():
        task.exception()
