"""Where a built context is read from: one query a section, all of them at the same time."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from context0.context.built import (
    MAX_HISTORY,
    MAX_PREFERENCES,
    MAX_PROJECT_FACTS,
    BuiltContext,
    ContextKey,
    History,
    MemorySection,
    SessionFacts,
    history_of,
    section_of,
    session_facts,
)
from context0.context.tiers import Part
from stores.records import Memory, Message, Scope, Session, SessionId


class ContextSource(Protocol):
    """What the stores have. Each call is one query. They raise StoreError, never answer a failure with nothing."""

    async def recent(self, session_id: SessionId, *, scope: Scope, limit: int) -> Sequence[Message]:
        """Return the last `limit` messages, ascending."""

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        """Raises NotFound."""

    async def preferences(self, *, scope: Scope, limit: int) -> Sequence[Memory]:
        """Return the owner's memories of the type "preference" that still hold (no `invalid_at`), newest first."""

    async def project_facts(self, project: str, *, scope: Scope, limit: int) -> Sequence[Memory]:
        """Return the memories whose metadata has this "project" and that still hold, newest first."""


async def rebuild(source: ContextSource, key: ContextKey, parts: Iterable[Part]) -> BuiltContext:
    """Read `parts`, each by one query, all at the same time. Raises what the source raises first."""
    return await fill(BuiltContext(key=key), source, parts)


async def fill(built: BuiltContext, source: ContextSource, parts: Iterable[Part]) -> BuiltContext:
    """Return the context with `parts` read anew; the others stay as they are."""
    wanted = frozenset(parts)
    reads = {
        "history": _history,
        "session": _session,
        "preferences": _preferences,
        "project": _project,
    }
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {part: group.create_task(read(source, built.key)) for part, read in reads.items() if part in wanted}
    except ExceptionGroup as failed:
        raise _first(failed) from failed
    return replace(built, **{part: task.result() for part, task in tasks.items()})  # type: ignore[arg-type]  # a section a name


async def _history(source: ContextSource, key: ContextKey) -> History:
    if key.session_id is None:
        return History()
    return history_of(await source.recent(key.session_id, scope=key.scope, limit=MAX_HISTORY))


async def _session(source: ContextSource, key: ContextKey) -> SessionFacts:
    if key.session_id is None:
        return SessionFacts()
    return session_facts(await source.get_session(key.session_id, scope=key.scope))


async def _preferences(source: ContextSource, key: ContextKey) -> MemorySection:
    found = await source.preferences(scope=key.scope, limit=MAX_PREFERENCES + 1)
    return section_of(found, MAX_PREFERENCES)


async def _project(source: ContextSource, key: ContextKey) -> MemorySection:
    if key.project is None:
        return MemorySection()
    found = await source.project_facts(key.project, scope=key.scope, limit=MAX_PROJECT_FACTS + 1)
    return section_of(found, MAX_PROJECT_FACTS)


def _first(failed: ExceptionGroup[Exception]) -> Exception:
    error: Exception = failed
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
