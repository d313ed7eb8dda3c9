"""Journals before a store that can be down: what the suites about them share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stores.journal.chats import JournaledChats
from stores.journal.options import JournalOptions
from stores.records import SessionId
from stores.reference.chats import ReferenceChats
from tests.contracts.builders import ANNA, BEN
from tests.contracts.chat_bench import (
    ONLY_WHEN_FULL,
    begin,
    journal_over,
)
from tests.engine_bench import Faulty

S1 = SessionId("s1")


class JournalBench:
    """A store elsewhere that can be down, with the journals that were opened before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.elsewhere = ReferenceChats()
        self.store = Faulty(self.elsewhere)

    @asynccontextmanager
    async def journal(self, options: JournalOptions = ONLY_WHEN_FULL, **more: Any) -> AsyncIterator[JournaledChats]:
        chats = self.unopened(options, **more)
        await chats.open()
        try:
            yield chats
        finally:
            await chats.aclose()

    def unopened(self, options: JournalOptions = ONLY_WHEN_FULL, **more: Any) -> JournaledChats:
        return journal_over(self.store, self.folder, options, **more)  # type: ignore[arg-type]  # it stands for one

    def files(self) -> list[str]:
        return sorted(path.suffix for path in self.folder.iterdir())


async def open_bench(folder: Path) -> JournalBench:
    """Return a bench whose store has two sessions of ANNA's and one of BEN's."""
    opened = JournalBench(folder)
    for scope, name in ((ANNA, "s1"), (ANNA, "s2"), (BEN, "b1")):
        await begin(opened.elsewhere, name, scope=scope)
    return opened


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until it is so; a test that never gets there is stopped by its deadline."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of whatever the test is about, which has no event
            await asyncio.sleep(0.001)
