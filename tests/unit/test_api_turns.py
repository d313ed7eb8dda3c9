"""How far a streamed turn goes before its readers: bounded, unless it is to go on without any. D20."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest

from context0.api.sse import events_encoded
from context0.api.turns import MOST_AHEAD_BYTES, RunningTurn, TurnRequest, Turns
from context0.wire import ChatEvent, TokenEvent

PIECE: Final = "x" * 10_000
PIECES: Final = 4 * MOST_AHEAD_BYTES // len(PIECE)


async def speech() -> AsyncIterator[ChatEvent]:
    for _ in range(PIECES):
        await asyncio.sleep(0)
        yield TokenEvent(text=PIECE)


def start(*, resumable: bool = False) -> RunningTurn:
    turns = Turns(kept_s=0.0, max_bytes=1)
    return turns.start(TurnRequest(owner="anna", events=speech(), encode=events_encoded, resumable=resumable))


async def let_go_on() -> None:
    """Give the turn many times the steps that it has."""
    for _ in range(10 * PIECES):
        await asyncio.sleep(0)


async def test_a_turn_waits_for_a_reader_who_takes_nothing_and_goes_on_with_him() -> None:
    turn = start()
    reader = turn.join()
    told = 0
    while not turn.finished:
        await let_go_on()
        assert turn.size - told <= MOST_AHEAD_BYTES + 2 * len(PIECE)
        told = turn.size
        turn.taken(reader, told)
    assert len(turn.frames) == PIECES


async def test_the_reader_who_is_ahead_counts() -> None:
    turn = start()
    turn.join()
    ahead = turn.join()
    while not turn.finished:
        turn.taken(ahead, turn.size)
        await asyncio.sleep(0)
    assert len(turn.frames) == PIECES


async def test_a_turn_that_goes_on_without_readers_waits_for_none() -> None:
    turn = start(resumable=True)
    turn.join()
    await let_go_on()
    assert turn.finished


async def test_a_reader_who_takes_nothing_and_leaves_ends_the_turn() -> None:
    turn = start()
    reader = turn.join()
    await let_go_on()
    turn.leave(reader)
    assert turn.task is not None
    with pytest.raises(asyncio.CancelledError):
        await turn.task
    assert turn.size < 2 * MOST_AHEAD_BYTES


async def test_who_joins_behind_an_event_has_taken_what_is_before_it() -> None:
    turn = start(resumable=True)
    await let_go_on()
    late = turn.join(len(turn.frames) - 1)
    assert late.taken == turn.size - len(turn.frames[-1])
