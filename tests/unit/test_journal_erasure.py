"""What a journal holds of what was erased, in which files, and what it does when they fail. E1, D5, D13, S17."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from stores.errors import Full, Unavailable
from stores.journal.suspects import MAX_SUSPECTS, Suspects
from stores.records import Scope, SessionId
from tests.contracts.builders import ANNA, BEN
from tests.contracts.chat_bench import (
    ONLY_WHEN_FULL,
    build_message,
    heard,
    numbers,
    say,
)
from tests.journal_bench import S1, JournalBench, open_bench, until


@pytest.fixture
async def bench(tmp_path: Path) -> JournalBench:
    return await open_bench(tmp_path / "journal")


# --- erasure


async def test_a_batch_on_its_way_is_waited_for_before_its_session_is_deleted(bench: JournalBench) -> None:
    """D13: nothing is resurrected."""
    async with bench.journal() as chats:
        await say(chats, build_message(1))
        bench.store.hang("put_messages")
        flushing = asyncio.create_task(chats.flush())
        await until(lambda: bench.store.calls["put_messages"] == 1)
        deleting = asyncio.create_task(chats.delete_session(S1, scope=ANNA))
        await asyncio.sleep(0)
        assert bench.store.calls["delete_session"] == 0
        bench.store.repair()
        await flushing
        assert await deleting is True
        assert await heard(bench.elsewhere) == []


async def test_an_erasure_empties_the_journal_first_and_counts_what_was_there(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1))
        await say(chats, build_message(1, session="b1"), scope=BEN)
        bench.store.down("erase")
        with pytest.raises(Unavailable):
            await chats.erase(ANNA)
        assert await heard(chats) == []
        bench.store.repair()
        await say(chats, build_message(2))
        removed = await chats.erase(ANNA)
        assert (removed["sessions"], removed["messages"]) == (2, 1)
        await chats.flush()
        assert numbers(await heard(bench.elsewhere, "b1", scope=BEN)) == [1]


async def test_what_was_flushed_leaves_no_byte_in_the_journal(bench: JournalBench) -> None:
    """So an owner who is erased through another process has left this one's files too."""
    async with bench.journal() as chats:
        await say(chats, *(build_message(seq, "CANARY " * 99) for seq in range(1, 50)))
        assert b"CANARY" in bytes_in(bench.folder)
        await chats.flush()
        assert b"CANARY" not in bytes_in(bench.folder)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_late_writes_after_an_erasure_are_decided_by_the_store_for_a_while(bench: JournalBench) -> None:
    now = 0.0
    async with bench.journal(monotonic=lambda: now) as chats:
        await chats.delete_session(S1, scope=ANNA)
        await say(chats, build_message(1), build_message(1, session="s2"))
        assert bench.store.calls["put_messages"] == 1, "of the deleted one; the other waits"
        assert numbers(await heard(chats)) == []
        assert numbers(await heard(chats, "s2")) == [1]
        bench.store.down("put_messages")
        with pytest.raises(Unavailable):
            await say(chats, build_message(1))
        bench.store.repair()
        now = ONLY_WHEN_FULL.suspect_s + 1
        await say(chats, build_message(1))
        await chats.flush()
        assert numbers(await heard(bench.elsewhere)) == []


def test_suspicions_end_by_time_and_are_bounded() -> None:
    now = 0.0
    suspects = Suspects(10, lambda: now)
    suspects.add(ANNA, S1)
    suspects.add(BEN)
    assert suspects.has(ANNA, S1)
    assert suspects.has(BEN, S1)
    assert not suspects.has(ANNA, SessionId("s2"))
    now = 10.0
    assert not suspects.has(ANNA, S1)
    assert not suspects.has(BEN, S1)
    for n in range(MAX_SUSPECTS + 1):
        suspects.add(Scope(owner=str(n)))
    assert len(suspects._until) == MAX_SUSPECTS
    assert not suspects.has(Scope(owner="0"), S1)
    assert suspects.has(Scope(owner="1"), S1)


# --- files


async def test_two_processes_have_a_journal_each(bench: JournalBench) -> None:
    async with bench.journal() as one, bench.journal() as two:
        await say(one, build_message(1))
        await say(two, build_message(2))
        assert bench.files().count(".db") == 2
        assert numbers(await heard(one)) == [1]
        assert numbers(await heard(two)) == [2]
    assert numbers(await heard(bench.elsewhere)) == [1, 2]


async def test_what_others_have_left_is_taken_over_whole(bench: JournalBench) -> None:
    left = [bench.unopened(replace(ONLY_WHEN_FULL, close_s=0.01)) for _ in range(3)]
    for n, chats in enumerate(left):
        await chats.open()
        await say(chats, *(build_message(100 * n + seq) for seq in range(1, 4)))
    bench.store.down("put_messages")
    for chats in left:
        await chats.aclose()
    assert bench.files().count(".db") == 3
    async with bench.journal() as chats:
        assert bench.files().count(".db") == 1
        expected = [100 * n + seq for n in range(3) for seq in range(1, 4)]
        assert numbers(await heard(chats)) == expected
        assert (await chats.status())["journal_pending"] == 9
        bench.store.repair()
    assert numbers(await heard(bench.elsewhere)) == expected
    assert bench.files() == []


async def test_a_file_that_cannot_be_read_stays_and_is_told(
    bench: JournalBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.folder.mkdir()
    damaged = bench.folder / "chats-damaged.db"
    damaged.write_bytes(b"no database" * 99)
    with caplog.at_level(logging.ERROR, "stores.sqlite"):
        async with bench.journal() as chats:
            await say(chats, build_message(1))
    assert [record.msg for record in caplog.records] == ["journal.unreadable"]
    assert damaged.read_bytes() == b"no database" * 99
    assert numbers(await heard(bench.elsewhere)) == [1]


async def test_journal_files_are_for_their_owner_only(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1))
        assert bench.folder.stat().st_mode & 0o077 == 0
        assert {path.stat().st_mode & 0o077 for path in bench.folder.iterdir()} == {0}


# --- failures of the journal itself


async def test_what_finds_no_space_is_not_acknowledged_and_nothing_else_is_lost(bench: JournalBench) -> None:
    """D5: and when there is space again, it goes on without a restart."""
    async with bench.journal() as chats:
        database = chats._entries._database  # type: ignore[attr-defined]
        await say(chats, build_message(1))
        pages = await database.write(lambda connection: connection.pragma("page_count"))
        await database.write(lambda connection: connection.pragma("max_page_count", pages + 2))
        acknowledged, refused = [1], 0
        for seq in range(2, 30):
            try:
                await say(chats, build_message(seq, "x" * 2_000))
            except Full:
                refused += 1
            else:
                acknowledged.append(seq)
        assert refused > 0
        assert numbers(await heard(chats)) == acknowledged
        assert chats._flusher.pending == len(acknowledged)
        await chats.flush()
        await database.write(lambda connection: connection.pragma("max_page_count", 1 << 30))
        await say(chats, build_message(30, "x" * 20_000))
    assert numbers(await heard(bench.elsewhere)) == [*acknowledged, 30]


async def test_a_caller_who_gives_up_leaves_the_journal_in_order(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        for seq in range(1, 30):
            writing = asyncio.create_task(say(chats, build_message(seq)))
            for _ in range(seq % 4):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait((writing,))
        await say(chats, build_message(30))
        await chats.flush()
        assert chats._flusher.pending == 0
        assert numbers(await heard(chats)) == numbers(await heard(bench.elsewhere))
        assert 30 in numbers(await heard(bench.elsewhere))
