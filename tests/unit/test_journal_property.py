"""A store behind a journal answers like the store alone, whatever happens in whatever order. E1."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.errors import Unavailable
from stores.records import SessionId
from stores.reference.chats import ReferenceChats
from tests.contracts.builders import ANNA
from tests.contracts.chat_bench import (
    ONLY_WHEN_FULL,
    begin,
    build_message,
    heard,
    say,
)
from tests.journal_bench import JournalBench

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(["s1", "s2"]), st.integers(1, 6)),
        st.tuples(st.just("delete"), st.sampled_from(["s1", "s2"]), st.just(0)),
        st.tuples(st.sampled_from(["flush", "reopen", "down", "repair", "erase"]), st.just(""), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_reads_are_what_a_store_without_a_journal_would_say(
    steps: list[tuple[str, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """But for a process that does not know of a deletion before it began: it learns of it when it flushes."""
    asyncio.run(Side(tmp_path_factory.mktemp("journal")).compare(steps))


class Side:
    """A journal and a plain store side by side, which are told the same."""

    OPTIONS = replace(ONLY_WHEN_FULL, close_s=0.05)

    def __init__(self, folder: Path) -> None:
        self.bench, self.plain = JournalBench(folder), ReferenceChats()
        self.chats = self.bench.unopened(self.OPTIONS)
        self.deleted: set[str] = set()
        self.deleted_before: set[str] = set()
        self.said = 0

    async def compare(self, steps: list[tuple[str, str, int]]) -> None:
        await self.chats.open()
        for name in ("s1", "s2"):
            await self.both(lambda store, name=name: begin(store, name))
        for act, name, seq in steps:
            await getattr(self, f"do_{act}")(name, seq)
            for known in {"s1", "s2"} - self.deleted_before:
                assert await heard(self.chats, known) == await heard(self.plain, known)
        self.bench.store.repair()
        await self.chats.aclose()
        for name in ("s1", "s2"):
            assert await heard(self.bench.elsewhere, name) == await heard(self.plain, name)

    async def both(self, call: Callable[[Any], Any]) -> None:
        for store in (self.plain, self.chats):
            await call(store)

    async def do_say(self, name: str, seq: int) -> None:
        self.said += 1
        message = build_message(seq, f"said {self.said}", session=name)
        await say(self.plain, message)
        try:
            await say(self.chats, message)
        except Unavailable:  # what was erased is not taken while nobody can say whether it is gone
            assert "put_messages" in self.bench.store.faults
            assert name in self.deleted

    async def do_delete(self, name: str, _seq: int) -> None:
        self.deleted.add(name)
        await self.both(lambda store: store.delete_session(SessionId(name), scope=ANNA))

    async def do_erase(self, _name: str, _seq: int) -> None:
        self.deleted |= {"s1", "s2"}
        await self.both(lambda store: store.erase(ANNA))

    async def do_reopen(self, _name: str, _seq: int) -> None:
        self.deleted_before |= self.deleted
        await self.chats.aclose()
        self.chats = self.bench.unopened(self.OPTIONS)
        await self.chats.open()

    async def do_flush(self, _name: str, _seq: int) -> None:
        if not self.bench.store.faults:
            await self.chats.flush()

    async def do_down(self, _name: str, _seq: int) -> None:
        self.bench.store.down("put_messages")

    async def do_repair(self, _name: str, _seq: int) -> None:
        self.bench.store.repair()
