"""D2, C4: a context is read once, carried on by deltas for five minutes, not read again for what was told."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from context0.context.built import BuiltContext, ContextKey, History
from context0.context.cache import CacheLimits, ContextCache
from context0.context.deltas import MemoryWritten, MessageAdded, SessionRenamed
from stores.errors import Unavailable
from stores.records import Message, Scope, SessionId
from tests.context_records import ANNA, NOW, SESSION, ListedSource, memory, message

KEY = ContextKey(scope=ANNA, session_id=SESSION)
STANDARD = ("history", "session")


class Watch:
    """A clock and a timer that stand still until they are moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW


class Held(ListedSource):
    """A source whose history waits until the gate is open."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gate, self.asking = asyncio.Event(), asyncio.Event()
        self.fails = False

    async def recent(self, session_id: SessionId, **named: Any) -> list[Message]:
        found = await super().recent(session_id, **named)
        self.asking.set()
        await self.gate.wait()
        if self.fails:
            raise Unavailable("sqlite", "the disk is away")
        return found


def cache_of(source: ListedSource, watch: Watch | None = None, **limits: Any) -> ContextCache:
    watch = watch or Watch()
    return ContextCache(source, clock=watch, limits=CacheLimits(**limits), timer=watch)


async def test_the_second_turn_reads_nothing() -> None:
    source = ListedSource()
    cache = cache_of(source)
    await cache.get(KEY, STANDARD)
    again = await cache.get(KEY, STANDARD)
    assert source.asked == {"history": 1, "session": 1}
    assert again.missing(STANDARD) == frozenset()
    assert (cache.statistics().hits, cache.statistics().misses) == (1, 1)


async def test_c4_a_larger_tier_reads_only_what_the_smaller_one_did_not() -> None:
    source = ListedSource()
    cache = cache_of(source)
    await cache.get(KEY, ("history",))
    await cache.get(KEY, ("history", "session", "preferences"))
    assert source.asked == {"history": 1, "session": 1, "preferences": 1}


async def test_d4_a_delta_is_seen_without_a_query() -> None:
    source = ListedSource()
    cache = cache_of(source)
    await cache.get(KEY, STANDARD)
    cache.apply(ANNA, MessageAdded(message=message(1, "hello")))
    cache.apply(ANNA, SessionRenamed(session_id=SESSION, title="Trip"))
    built = await cache.get(KEY, STANDARD)
    assert history(built) == ["hello"]
    assert built.session is not None
    assert built.session.title == "Trip"
    assert source.asked == {"history": 1, "session": 1}
    assert cache.statistics().deltas == 2


async def test_a_memory_reaches_all_the_contexts_of_its_owner_and_no_others() -> None:
    source = ListedSource()
    cache = cache_of(source)
    other = ContextKey(scope=Scope(owner="ben"), session_id=SESSION)
    second = ContextKey(scope=ANNA, session_id=SessionId("s2"))
    for key in (KEY, second, other):
        await cache.get(key, ("preferences",))
    cache.apply(ANNA, MemoryWritten(memory=memory(1, memory_type="preference")))
    kept = [await cache.get(key, ("preferences",)) for key in (KEY, second, other)]
    assert [len(built.preferences.memories) for built in kept if built.preferences is not None] == [1, 1, 0]


async def test_d2_after_five_minutes_everything_is_read_anew_deltas_or_not() -> None:
    source, watch = ListedSource(), Watch()
    cache = cache_of(source, watch)
    await cache.get(KEY, ("history",))
    watch.seconds += 299
    cache.apply(ANNA, MessageAdded(message=message(1)))
    await cache.get(KEY, ("history",))
    assert source.asked["history"] == 1
    watch.seconds += 2
    await cache.get(KEY, ("history",))
    assert source.asked["history"] == 2


async def test_concurrent_first_turns_read_once() -> None:
    source = Held()
    cache = cache_of(source)
    turns = [asyncio.create_task(cache.get(KEY, STANDARD)) for _ in range(50)]
    await asyncio.sleep(0)
    source.gate.set()
    await asyncio.gather(*turns)
    assert source.asked == {"history": 1, "session": 1}


async def test_a_turn_that_goes_away_does_not_stop_the_others() -> None:
    source = Held()
    cache = cache_of(source)
    turns = [asyncio.create_task(cache.get(KEY, STANDARD)) for _ in range(3)]
    await asyncio.sleep(0)
    turns[0].cancel()
    await asyncio.gather(turns[0], return_exceptions=True)
    source.gate.set()
    assert [built.missing(STANDARD) for built in await asyncio.gather(*turns[1:])] == [frozenset()] * 2
    assert source.asked["history"] == 1


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    source = Held()
    source.fails = True
    source.gate.set()
    cache = cache_of(source)
    results = await asyncio.gather(*(cache.get(KEY, STANDARD) for _ in range(2)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    source.fails = False
    assert (await cache.get(KEY, STANDARD)).missing(STANDARD) == frozenset()


async def test_a_failure_that_nobody_waits_for_is_not_reported_as_forgotten() -> None:
    source = Held()
    source.fails = True
    cache = cache_of(source)
    turn = asyncio.create_task(cache.get(KEY, STANDARD))
    await asyncio.sleep(0)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    source.gate.set()
    with pytest.raises(Unavailable):
        await cache.get(KEY, STANDARD)
    await cache.aclose()


async def test_a_change_during_the_read_is_not_lost() -> None:
    source = Held()
    cache = cache_of(source)
    turn = asyncio.create_task(cache.get(KEY, ("history",)))
    await source.asking.wait()
    cache.apply(ANNA, MessageAdded(message=message(1, "late")))
    source.gate.set()
    assert history(await turn) == ["late"]


async def test_what_was_erased_during_the_read_is_read_again() -> None:
    source = Held()
    source.write(MessageAdded(message=message(1, "secret")))
    cache = cache_of(source)
    turn = asyncio.create_task(cache.get(KEY, ("history",)))
    await source.asking.wait()
    source.messages.clear()
    cache.drop(ANNA)
    source.gate.set()
    assert history(await turn) == []
    assert history(await cache.get(KEY, ("history",))) == []


async def test_a_dropped_owner_is_read_again_and_others_are_not() -> None:
    source = ListedSource()
    cache = cache_of(source)
    ben = ContextKey(scope=Scope(owner="ben"), session_id=SESSION)
    for key in (KEY, ben):
        await cache.get(key, ("history",))
    cache.drop(ANNA)
    assert cache.held(KEY) is None
    assert cache.held(ben) is not None


async def test_a_deleted_session_is_forgotten() -> None:
    source = ListedSource()
    cache = cache_of(source)
    in_project = replace(KEY, project="garden")
    for key in (KEY, in_project):
        await cache.get(key, ("history",))
    cache.drop_session(ANNA, SESSION)
    assert (cache.held(KEY), cache.held(in_project)) == (None, None)


async def test_messages_of_another_process_are_found_where_the_session_tells_of_them() -> None:
    source = ListedSource()
    cache = cache_of(source)
    assert history(await cache.get(KEY, ("history",))) == []
    source.write(MessageAdded(message=message(1, "from elsewhere")))
    assert history(await cache.get(KEY, ("history",), through=1)) == ["from elsewhere"]
    await cache.get(KEY, ("history",), through=1)
    assert source.asked["history"] == 2


async def test_numbers_that_nobody_used_are_looked_for_once() -> None:
    source = ListedSource()
    cache = cache_of(source)
    for _ in range(3):
        await cache.get(KEY, ("history",), through=4)
    assert source.asked["history"] == 1


async def test_the_least_recently_used_leave_when_there_are_too_many() -> None:
    source = ListedSource()
    cache = cache_of(source, max_entries=2)
    keys = [ContextKey(scope=Scope(owner=f"u{at}"), session_id=SESSION) for at in range(9)]
    for key in keys:
        await cache.get(key, ("history",))
    assert [cache.held(key) is not None for key in keys] == [False] * 7 + [True] * 2
    assert cache.statistics().entries == 2


async def test_bytes_are_bounded_and_what_is_too_large_is_used_but_not_kept() -> None:
    source = ListedSource()
    source.write(MessageAdded(message=message(1, "x" * 20_000)))
    cache = cache_of(source, max_bytes=10_000)
    assert history(await cache.get(KEY, ("history",))) == ["x" * 20_000]
    assert cache.held(KEY) is None
    assert cache.statistics().nbytes == 0


async def test_closing_twice_is_harmless() -> None:
    cache = cache_of(ListedSource())
    await cache.get(KEY, ("history",))
    await cache.aclose()
    await cache.aclose()
    assert cache.statistics().entries == 0


async def test_closing_stops_a_read_that_has_not_begun() -> None:
    cache = cache_of(Held())
    turn = asyncio.create_task(cache.get(KEY, ("history",)))
    await asyncio.sleep(0)
    await cache.aclose()
    with pytest.raises(asyncio.CancelledError):
        await turn


def history(built: BuiltContext) -> list[str]:
    assert isinstance(built.history, History)
    return [one.content for one in built.history.messages]
