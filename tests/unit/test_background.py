"""An opening that many share, and the end of a task that does not want to end."""

import asyncio

import pytest

from context0.memory.background import Opening, end


class Door:
    """Counts how often it was opened; fails or waits when told to."""

    def __init__(self) -> None:
        self.opened = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def open(self) -> None:
        self.opened += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error


async def test_it_is_opened_once_for_all() -> None:
    door = Door()
    opening = Opening(door.open)
    await asyncio.gather(*(opening.ready() for _ in range(50)))
    await opening.ready()
    assert door.opened == 1


async def test_a_failure_is_told_to_all_and_the_next_one_tries_again() -> None:
    door = Door()
    door.error = OSError("no")
    opening = Opening(door.open)
    outcomes = await asyncio.gather(*(opening.ready() for _ in range(50)), return_exceptions=True)
    assert outcomes == [door.error] * 50
    door.error = None
    await opening.ready()
    assert door.opened == 2


async def test_whoever_gives_up_leaves_the_others_alone() -> None:
    door = Door()
    door.gate.clear()
    opening = Opening(door.open)
    first, second = asyncio.create_task(opening.ready()), asyncio.create_task(opening.ready())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    door.gate.set()
    await second
    assert (first.cancelled(), door.opened) == (True, 1)


async def test_an_opening_that_fails_when_all_have_given_up_is_not_reported_as_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door()
    door.gate.clear()
    door.error = OSError("no")
    opening = Opening(door.open)
    waiting = asyncio.create_task(opening.ready())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    door.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not caplog.records


async def test_what_was_closed_can_be_opened_anew() -> None:
    door = Door()
    opening = Opening(door.open)
    await opening.ready()
    await opening.aclose()
    await opening.ready()
    assert door.opened == 2


async def test_closing_ends_an_attempt_and_those_who_wait_go_on() -> None:
    door = Door()
    door.gate.clear()
    opening = Opening(door.open)
    waiting = [asyncio.create_task(opening.ready()) for _ in range(3)]
    await asyncio.sleep(0)
    await opening.aclose()
    await asyncio.gather(*waiting)


async def test_a_task_that_loses_cancellations_is_ended_all_the_same() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while lost < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(task)
    assert (task.cancelled(), lost) == (True, 3)


async def test_a_task_that_ends_with_an_error_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise OSError("no")

    task = asyncio.create_task(broken())
    await asyncio.sleep(0)
    await end(task)
    del task
    assert not caplog.records
