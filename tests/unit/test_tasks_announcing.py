"""Telling workers of work: beside the write, in few messages, bounded, and never at the expense of who writes (A11)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from taskiq import AsyncBroker, BrokerMessage

from context0.tasks import announcing as module
from context0.tasks.announcing import MOST_WAITING, TaskAnnouncer
from context0.tasks.hints import MAX_PIECES
from stores.records import MemoryId
from tests.contracts.builders import ANNA, BEN


class ScriptedBroker(AsyncBroker):
    """Keeps what is sent; fails, or stands still, when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, list[Any]]] = []
        self.fault: Exception | None = None
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.shut = 0

    async def startup(self) -> None:
        await super().startup()
        if self.fault is not None:
            raise self.fault

    async def shutdown(self) -> None:
        self.shut += 1
        await super().shutdown()

    async def kick(self, message: BrokerMessage) -> None:
        await self.goes_on.wait()
        if self.fault is not None:
            raise self.fault
        told = self.formatter.loads(message.message)
        self.sent.append((told.args[0], told.args[1]))

    async def listen(self) -> AsyncGenerator[bytes, None]:
        yield b""


def pieces(start: int, stop: int) -> list[Any]:
    return [(MemoryId(f"m{n}"), 1) for n in range(start, stop)]


async def told_all(announcer: TaskAnnouncer) -> None:
    while announcer._telling is not None:
        await asyncio.wait((announcer._telling,))


@pytest.fixture
async def broker() -> ScriptedBroker:
    return ScriptedBroker()


async def test_a_message_names_the_owner_and_what_is_to_be_indexed(broker: ScriptedBroker) -> None:
    announcer = TaskAnnouncer(lambda: broker)
    announcer.announce(ANNA, [(MemoryId("m1"), 3)])
    await told_all(announcer)
    assert broker.sent == [("anna", [["m1", 3]])]
    await announcer.aclose()
    assert broker.shut == 1


async def test_what_waits_for_one_owner_goes_out_together(broker: ScriptedBroker) -> None:
    announcer = TaskAnnouncer(lambda: broker)
    for n in range(MAX_PIECES + 10):
        announcer.announce(ANNA, pieces(n, n + 1))
    announcer.announce(BEN, pieces(0, 1))
    announcer.announce(ANNA, pieces(0, 1))
    await told_all(announcer)
    assert [(owner, len(told)) for owner, told in broker.sent] == [("anna", MAX_PIECES), ("ben", 1), ("anna", 10)]
    await announcer.aclose()


async def test_a_broker_that_fails_is_left_alone_for_a_while_and_then_tried_again(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUIET_S", 3_600.0)
    announcer = TaskAnnouncer(lambda: broker)
    broker.fault = ConnectionError("refused")
    announcer.announce(ANNA, pieces(0, 3))
    await told_all(announcer)
    announcer.announce(ANNA, pieces(3, 5))
    assert announcer._telling is None, "nothing is tried, so nothing is paid"
    assert (announcer.told, announcer.untold) == (0, 5)
    broker.fault = None
    announcer._quiet_until_s = 0.0
    announcer.announce(ANNA, pieces(5, 6))
    await told_all(announcer)
    assert (announcer.told, len(broker.sent)) == (1, 1)
    await announcer.aclose()


async def test_what_waits_for_a_broker_that_hangs_is_bounded(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PUBLISH_S", 0.05)
    broker.goes_on.clear()
    announcer = TaskAnnouncer(lambda: broker)
    for start in range(0, 2 * MOST_WAITING, 1_000):
        announcer.announce(ANNA, pieces(start, start + 1_000))
    assert announcer._count == MOST_WAITING
    await told_all(announcer)
    assert (announcer.told, announcer.untold, announcer._count) == (0, 2 * MOST_WAITING, 0)
    await announcer.aclose()


async def test_the_end_tells_what_is_left_and_waits_only_a_moment(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    announcer = TaskAnnouncer(lambda: broker)
    announcer.announce(ANNA, pieces(0, 2))
    await announcer.aclose()
    assert len(broker.sent) == 1
    announcer.announce(ANNA, pieces(2, 3))
    assert announcer.untold == 1
    await announcer.aclose()
    monkeypatch.setattr(module, "_CLOSE_S", 0.05)
    hanging = TaskAnnouncer(lambda: broker)
    broker.goes_on.clear()
    hanging.announce(ANNA, pieces(0, 1))
    await hanging.aclose()
    assert len(broker.sent) == 1
