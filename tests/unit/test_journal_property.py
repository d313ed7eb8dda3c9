"""A store behind a journal answers like the store alone, whatever happens in whatever order. E1, B9."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.errors import Unavailable
from stores.records import Scope, SessionId
from stores.reference.chats import ReferenceChats
from tests.contracts.builders import ANNA, BEN
from tests.contracts.chat_bench import (
    ONLY_WHEN_FULL,
    begin,
    build_message,
    heard,
    say,
)
from tests.journal_bench import JournalBench

Room = tuple[Scope, str]
ROOMS: tuple[Room, ...] = ((ANNA, "s1"), (ANNA, "s2"), (BEN, "s1"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(ROOMS), st.integers(1, 6)),
        st.tuples(st.sampled_from(["delete", "erase"]), st.sampled_from(ROOMS), st.just(0)),
        st.tuples(st.sampled_from(["flush", "reopen", "down", "repair"]), st.just(ROOMS[0]), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_reads_are_what_a_store_without_a_journal_would_say(
    steps: list[tuple[str, Room, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """But for a process that does not know of a deletion before it began: it learns of it when it flushes."""
    asyncio.run(Side(tmp_path_factory.mktemp("journal")).compare(steps))


class Side:
    """A journal and a plain store side by side, which are told the same."""

    OPTIONS = replace(ONLY_WHEN_FULL, close_s=0.05)

    def __init__(self, folder: Path) -> None:
        self.bench, self.plain = JournalBench(folder), ReferenceChats()
        self.chats = self.bench.unopened(self.OPTIONS)
        self.deleted: set[Room] = set()
        self.deleted_before: set[Room] = set()
        self.said = 0

    async def compare(self, steps: list[tuple[str, Room, int]]) -> None:
        await self.chats.open()
        for scope, name in ROOMS:
            await self.both(lambda store, scope=scope, name=name: begin(store, name, scope=scope))
        for act, room, seq in steps:
            await getattr(self, f"do_{act}")(room, seq)
            for scope, name in set(ROOMS) - self.deleted_before:
                assert await heard(self.chats, name, scope=scope) == await heard(self.plain, name, scope=scope)
        self.bench.store.repair()
        await self.chats.aclose()
        for scope, name in ROOMS:
            assert await heard(self.bench.elsewhere, name, scope=scope) == await heard(self.plain, name, scope=scope)

    async def both(self, call: Callable[[Any], Any]) -> None:
        for store in (self.plain, self.chats):
            await call(store)

    async def do_say(self, room: Room, seq: int) -> None:
        scope, name = room
        self.said += 1
        message = build_message(seq, f"said {self.said}", session=name)
        await say(self.plain, message, scope=scope)
        try:
            await say(self.chats, message, scope=scope)
        except Unavailable:  # what was erased is not taken while nobody can say whether it is gone
            assert "put_messages" in self.bench.store.faults
            assert room in self.deleted

    async def do_delete(self, room: Room, _seq: int) -> None:
        scope, name = room
        self.deleted.add(room)
        await self.both(lambda store: store.delete_session(SessionId(name), scope=scope))

    async def do_erase(self, room: Room, _seq: int) -> None:
        scope, _ = room
        self.deleted |= {other for other in ROOMS if other[0] == scope}
        await self.both(lambda store: store.erase(scope))

    async def do_reopen(self, _room: Room, _seq: int) -> None:
        self.deleted_before |= self.deleted
        await self.chats.aclose()
        self.chats = self.bench.unopened(self.OPTIONS)
        await self.chats.open()

    async def do_flush(self, _room: Room, _seq: int) -> None:
        if not self.bench.store.faults:
            await self.chats.flush()

    async def do_down(self, _room: Room, _seq: int) -> None:
        self.bench.store.down("put_messages")

    async def do_repair(self, _room: Room, _seq: int) -> None:
        self.bench.store.repair()
