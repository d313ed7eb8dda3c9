"""Facts kept true to each other as memories come, change and go: what a new one ends, what a removed one gives back."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from context0.memory.results import StatedFact, Superseded
from context0.memory.rules.supersede import closes, fact_of
from context0.memory.validity import (
    Settled,
    Standing,
    concerned,
    opened,
    resettle,
    settle,
    standing_beside,
    states_facts,
    subjects_of,
)
from context0.memory.writing import facts_in
from stores.blocking import in_thread, in_thread_if
from stores.protocols import DocumentStore
from stores.records import MENTIONS, Document, Memory, MemoryId, Relation, Scope, Statement

_RUN_S: Final = 10.0
_MOST_KEPT: Final = 100_000
_INLINE: Final = 16
"""Up to so many statements are settled in less than a millisecond, on the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """What is to be written together: the documents with their validity, and how other memories stand after it."""

    documents: Sequence[Document]
    changed: Sequence[Statement]


class _Writing:
    """Who writes facts of an owner waits for its lock. moves: how often somebody outside a run has."""

    __slots__ = ("__weakref__", "lock", "moves")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.moves = 0


class FactRun:
    """What is known of one owner's facts while many memories are added in a row, so that they are not read each time.

    Read anew when another write of this process came between, after 10 seconds (so long a write of another process
    may go unnoticed), and above 100,000 memories with facts (about 100 MB): then each batch reads what it needs.
    """

    def __init__(self, writing: _Writing) -> None:
        self.writing = writing
        self._moves = writing.moves
        self._until_s = 0.0
        self._standing = Standing()
        self._subjects: set[str] = set()

    async def settle(self, documents: DocumentStore, scope: Scope, new: Sequence[Statement]) -> Settled:
        """Say the facts of `new`. One round trip for subjects that are new here."""
        if self._moves != self.writing.moves or time.monotonic() > self._until_s:
            self.forget()
            self._moves, self._until_s = self.writing.moves, time.monotonic() + _RUN_S
        unread = subjects_of(new) - self._subjects
        if unread:
            self._standing.take(await documents.statements(scope=scope, about=unread))
            self._subjects |= unread
        settled = await in_thread(self._standing.say, new)
        if len(self._standing) > _MOST_KEPT:
            self.forget()
        return settled

    def forget(self) -> None:
        """Read everything anew next time: what was said was not written as it was said."""
        self._standing, self._subjects = Standing(), set()


class FactKeeper:
    """Works out what a write does to the facts of the same subjects. Writes that state facts wait for each other.

    What states no fact costs nothing. Two processes that state facts about the same subject in the same instant may
    both leave theirs open: the next write about it settles them.
    """

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._writing: WeakValueDictionary[Scope, _Writing] = WeakValueDictionary()

    def run(self, scope: Scope) -> FactRun:
        """Return what `adding` takes while many memories of the owner are added in a row."""
        return FactRun(self._of(scope))

    @asynccontextmanager
    async def adding(
        self, scope: Scope, documents: Sequence[Document], run: FactRun | None = None
    ) -> AsyncIterator[Settling]:
        """Give what to write for new documents; write it inside. One round trip if there are facts among them.

        run: reads less. Who writes something else than what was given says so by `run.forget`.
        """
        new = await in_thread_if(len(documents) > _INLINE, partial(_said, documents))
        if not new:
            yield Settling(documents=documents, changed=())
            return
        if run is not None:
            async with run.writing.lock:
                settled = await run.settle(self._documents, scope, new)
                try:
                    yield await _settling(documents, settled)
                except BaseException:
                    run.forget()
                    raise
            return
        async with self._lock(scope):
            since = min(one.said_at for one in new)
            held = await self._documents.statements(scope=scope, edges=concerned(new), since=since)
            settled = await in_thread_if(len(held) + len(new) > _INLINE, partial(settle, held, new))
            yield await _settling(documents, settled)

    @asynccontextmanager
    async def replacing(self, scope: Scope, document: Document, before: Memory) -> AsyncIterator[Settling]:
        """Give what to write for the next version of a memory; write it inside.

        One round trip, or two, if it states or stated a fact.
        """
        new = _statement_of(document)
        if not states_facts(new.relations) and not facts_in(before):
            yield Settling(documents=[document], changed=())
            return
        async with self._lock(scope):
            held, about = await self._around(scope, new.id, subjects_of([new]))
            changed = await in_thread(resettle, [*held, new], about) if about else ()
            others = [one for one in changed if one.id != new.id]
            yield Settling(documents=_standing([document], changed), changed=others)

    @asynccontextmanager
    async def removing(self, scope: Scope, memory_id: MemoryId) -> AsyncIterator[Sequence[Statement]]:
        """Give how others stand without a memory; remove it inside. One round trip, or two if it had ended a fact."""
        async with self._lock(scope):
            held, about = await self._around(scope, memory_id, set())
            yield await in_thread(resettle, held, about) if about else ()

    async def stated(self, scope: Scope, subject: str, as_of: datetime | None) -> Sequence[StatedFact]:
        """Return the facts about one subject, in the order in which they were said. One round trip."""
        held = await self._documents.statements(scope=scope, about={subject})
        found = [_stated(one.id, edge) for one in held for edge in one.relations if _is_fact_about(edge, subject)]
        return found if as_of is None else [fact for fact in found if _holds(fact, as_of)]

    async def ended_by(self, scope: Scope, memory_id: MemoryId) -> Sequence[Superseded]:
        """Return the facts that a memory has ended. One round trip."""
        held = await self._documents.statements(scope=scope, about=(), closed_by=memory_id)
        edges = [(one.id, edge) for one in held for edge in one.relations if edge.closed_by == memory_id]
        if not edges:
            return ()
        about = {edge.source for _, edge in edges}
        own = [one for one in await self._documents.statements(scope=scope, about=about) if one.id == memory_id]
        return [_superseded(old_id, edge, own) for old_id, edge in edges]

    async def keep_both(self, scope: Scope, memory_id: MemoryId, now: datetime) -> Sequence[Statement]:
        """Let what a memory has ended hold again, and return what changed. Three round trips, one of them a write."""
        async with self._lock(scope):
            held = await self._documents.statements(scope=scope, about=(), closed_by=memory_id)
            about = subjects_of(held)
            if not about:
                return ()
            before = await self._documents.statements(scope=scope, about=about)
            beside = [standing_beside(one, about) if one.id == memory_id else one for one in before]
            again = {one.id: one for one in resettle(beside, about)}
            after = [again.get(one.id, one) for one in beside]
            changed = [one for one, old in zip(after, before, strict=True) if one != old]
            await self._documents.settle(changed, scope=scope, now=now)
            return changed

    async def _around(
        self, scope: Scope, memory_id: MemoryId, about: set[str]
    ) -> tuple[Sequence[Statement], Collection[str]]:
        """Return all other statements about the subjects, and about those of whom the memory had ended a fact."""
        held = await self._documents.statements(scope=scope, about=about, closed_by=memory_id)
        wider = about | subjects_of(held)
        if wider != about:
            held = await self._documents.statements(scope=scope, about=wider)
        return [one for one in held if one.id != memory_id], wider

    @asynccontextmanager
    async def _lock(self, scope: Scope) -> AsyncIterator[None]:
        writing = self._of(scope)
        async with writing.lock:
            writing.moves += 1
            yield

    def _of(self, scope: Scope) -> _Writing:
        writing = self._writing.get(scope)
        if writing is None:
            writing = self._writing[scope] = _Writing()
        return writing


def _is_fact_about(edge: Relation, subject: str) -> bool:
    return edge.source == subject and edge.relation != MENTIONS


def _stated(memory_id: MemoryId, edge: Relation) -> StatedFact:
    fact = fact_of(edge)
    return StatedFact(
        memory_id=memory_id,
        subject=fact.subject,
        relation=fact.relation,
        object=fact.object,
        negated=fact.negated,
        valid_from=edge.valid_from,
        invalid_at=edge.invalid_at,
        superseded_by=edge.closed_by,
    )


def _holds(fact: StatedFact, moment: datetime) -> bool:
    begun = fact.valid_from is None or fact.valid_from <= moment
    return begun and (fact.invalid_at is None or moment < fact.invalid_at)


def _superseded(memory_id: MemoryId, edge: Relation, own: Sequence[Statement]) -> Superseded:
    old = fact_of(opened(edge))
    new = [fact_of(opened(one)) for statement in own for one in statement.relations if one.source == edge.source]
    certain = not any(closes(fact, old) == "contradicts" for fact in new)
    return Superseded(memory_id=memory_id, relation=old.relation, object=old.object, certain=certain)


def _said(documents: Sequence[Document]) -> list[Statement]:
    """Return what documents say that state facts."""
    return [_statement_of(document) for document in documents if states_facts(document.relations)]


async def _settling(documents: Sequence[Document], settled: Settled) -> Settling:
    standing = await in_thread_if(len(settled.new) > _INLINE, partial(_standing, documents, settled.new))
    return Settling(documents=standing, changed=settled.changed)


def _statement_of(document: Document) -> Statement:
    memory = document.memory
    return Statement(
        id=memory.id,
        said_at=memory.occurred_at or memory.created_at,
        traits=document.traits,
        relations=document.relations,
    )


def _standing(documents: Sequence[Document], settled: Iterable[Statement]) -> list[Document]:
    """Return the documents with their relations and their validity as settled."""
    by_id = {one.id: one for one in settled}
    return [
        document if (one := by_id.get(document.memory.id)) is None else _as_settled(document, one)
        for document in documents
    ]


def _as_settled(document: Document, one: Statement) -> Document:
    memory = document.memory
    if (memory.valid_from, memory.invalid_at, memory.superseded_by, document.relations) == (
        *(one.valid_from, one.invalid_at, one.superseded_by, one.relations),
    ):
        return document
    memory = memory.evolve(valid_from=one.valid_from, invalid_at=one.invalid_at, superseded_by=one.superseded_by)
    return replace(document, memory=memory, relations=one.relations)
