"""D2, D4: a built context that takes over changes is the one that reading everything again would give."""

import asyncio
from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from context0.context.built import (
    MAX_HISTORY,
    MAX_PREFERENCES,
    BuiltContext,
    ContextKey,
    apply,
)
from context0.context.deltas import (
    Delta,
    MemoryRemoved,
    MemoryWritten,
    MessageAdded,
    SessionRenamed,
    SummaryChanged,
)
from context0.context.source import fill, rebuild
from context0.context.tiers import Part
from stores.records import MemoryId, MemoryType, SessionId
from tests.context_records import ANNA, NOW, SESSION, ListedSource, memory, message

ALL: Final[tuple[Part, ...]] = ("history", "session", "preferences", "project")
KEY: Final = ContextKey(scope=ANNA, session_id=SESSION, project="house")
_TYPES: Final[tuple[MemoryType, ...]] = ("preference", "semantic")

_SESSIONS = st.sampled_from(["s1", "s1", "s2"])


@st.composite
def _memories(draw: st.DrawFn) -> Delta:
    number = draw(st.integers(0, MAX_PREFERENCES + 12))
    return MemoryWritten(
        memory=memory(
            number,
            draw(st.sampled_from(["tea", "coffee", "no sugar"])),
            memory_type=draw(st.sampled_from(_TYPES)),
            metadata={"project": draw(st.sampled_from(["house", "garden"]))} if draw(st.booleans()) else {},
            invalid_at=draw(st.sampled_from([None, None, NOW])),
        )
    )


_DELTAS = st.one_of(
    st.builds(
        lambda seq, text, session, mode: MessageAdded(message=message(seq, text, session=session, metadata=mode)),
        st.integers(1, MAX_HISTORY + 15),
        st.sampled_from(["a", "b"]),
        _SESSIONS,
        st.sampled_from([{}, {}, {"mode": "read_only"}]),
    ),
    _memories(),
    st.builds(lambda number: MemoryRemoved(memory_id=memory(number).id), st.integers(0, MAX_PREFERENCES + 12)),
    st.builds(
        lambda session, text, seq: SummaryChanged(session_id=SessionId(session), summary=text, summary_seq=seq),
        _SESSIONS,
        st.sampled_from(["x", "y"]),
        st.integers(0, 9),
    ),
    st.builds(
        lambda session, title: SessionRenamed(session_id=SessionId(session), title=title),
        _SESSIONS,
        st.sampled_from(["Trip", "House"]),
    ),
)


def _filled(preferences: int) -> ListedSource:
    source = ListedSource()
    for number in range(preferences):
        source.write(MemoryWritten(memory=memory(number, memory_type="preference", metadata={"project": "house"})))
    return source


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([0, 3, MAX_PREFERENCES, MAX_PREFERENCES + 5]), st.lists(_DELTAS, max_size=60))
def test_d4_deltas_give_what_a_rebuild_gives(preferences: int, deltas: list[Delta]) -> None:
    async def check() -> None:
        source = _filled(preferences)
        built = await rebuild(source, KEY, ALL)
        for delta in _versioned(deltas):
            source.write(delta)
            built = apply(built, delta)
            assert apply(built, delta) == built
        fresh = await rebuild(source, KEY, ALL)
        left = built.missing(ALL)
        assert not left or (preferences >= MAX_PREFERENCES and left == {"preferences"})
        for part in frozenset(ALL) - left:
            assert getattr(built, part) == getattr(fresh, part)
            assert built.versions()[part] == fresh.versions()[part]
        assert await fill(built, source, left) == fresh

    asyncio.run(check())


def _versioned(deltas: list[Delta]) -> list[Delta]:
    """Give each change of a memory a version of its own, as the engine does."""
    return [
        MemoryWritten(memory=delta.memory.evolve(version=at)) if isinstance(delta, MemoryWritten) else delta
        for at, delta in enumerate(deltas, start=2)
    ]


async def test_d4_a_member_that_only_the_store_knows_is_read_again_and_nothing_else_is() -> None:
    source = _filled(MAX_PREFERENCES + 1)
    built = await rebuild(source, KEY, ("history", "preferences"))
    removed = MemoryRemoved(memory_id=memory(MAX_PREFERENCES).id)
    source.write(removed)
    built = apply(built, removed)
    assert built.missing(("history", "preferences")) == {"preferences"}
    source.asked.clear()
    built = await fill(built, source, built.missing(("history", "preferences")))
    assert source.asked == {"preferences": 1}
    assert built.preferences is not None
    assert len(built.preferences.memories) == MAX_PREFERENCES


async def test_c4_each_section_is_read_by_one_query() -> None:
    source = _filled(2)
    await rebuild(source, KEY, [*ALL, *ALL])
    assert source.asked == dict.fromkeys(ALL, 1)


async def test_c4_the_queries_run_at_the_same_time() -> None:
    running = asyncio.Semaphore(0)

    class Meeting(ListedSource):
        async def recent(self, *args: object, **named: object) -> list[object]:  # type: ignore[override]  # waits first
            running.release()
            return []

        async def preferences(self, *args: object, **named: object) -> list[object]:  # type: ignore[override]  # waits
            await running.acquire()
            return []

    async with asyncio.timeout(5):
        await rebuild(Meeting(), KEY, ("preferences", "history"))


async def test_a_new_session_is_empty_without_a_query() -> None:
    source = _filled(0)
    built = await rebuild(source, ContextKey(scope=ANNA), ("history", "session", "project"))
    assert built.missing(ALL) == {"preferences"}
    assert not source.asked


async def test_what_was_said_off_the_record_gets_into_no_context() -> None:
    built = await rebuild(_filled(0), KEY, ("history",))
    assert apply(built, MessageAdded(message=message(1, metadata={"mode": "off_record"}))) == built


async def test_an_older_version_of_a_memory_does_not_replace_a_newer_one() -> None:
    built = await rebuild(_filled(0), KEY, ALL)
    newer = memory(1, "tea", memory_type="preference", version=3)
    built = apply(built, MemoryWritten(memory=newer))
    assert apply(built, MemoryWritten(memory=newer.evolve(content="coffee", version=2))) == built


async def test_a_memory_that_expires_while_it_is_held_is_not_shown() -> None:
    built = await rebuild(_filled(0), KEY, ALL)
    soon = memory(1, memory_type="preference", expires_at=NOW + timedelta(minutes=1))
    built = apply(built, MemoryWritten(memory=soon))
    shown = built.at(NOW + timedelta(minutes=2)).preferences
    assert shown is not None
    assert shown.memories == ()
    assert built.at(NOW) is built


def test_a_section_that_was_not_read_stays_so() -> None:
    built = BuiltContext(key=KEY)
    for delta in (
        MessageAdded(message=message(1)),
        MemoryWritten(memory=memory(1, memory_type="preference")),
        MemoryRemoved(memory_id=MemoryId("m0001")),
        SessionRenamed(session_id=SESSION, title="Trip"),
    ):
        assert apply(built, delta) == built
