"""The journal before a chat store on another machine: acknowledged is durable, flushed in batches, lost never. E1."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stores.errors import Full, StoreError, Unavailable
from stores.journal.chats import JournaledChats
from stores.journal.options import JournalOptions
from stores.reference.chats import ReferenceChats
from stores.registry import journaled, store_folder
from tests.contracts.builders import ANNA, BEN
from tests.contracts.chat_bench import (
    ONLY_WHEN_FULL,
    build_message,
    heard,
    numbers,
    say,
)
from tests.engine_bench import Faulty
from tests.journal_bench import S1, JournalBench, open_bench, until


@pytest.fixture
async def bench(tmp_path: Path) -> JournalBench:
    return await open_bench(tmp_path / "journal")


# --- when messages go


async def test_an_acknowledged_message_is_in_the_journal_and_costs_the_store_nothing(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1), build_message(2))
        assert bench.store.calls["put_messages"] == 0
        assert numbers(await heard(bench.elsewhere)) == []
        status = await chats.status()
        assert (status["journal_pending"], status["journal_refused"]) == (2, 0)


async def test_ten_changes_go_at_once_and_in_one_write(bench: JournalBench) -> None:
    async with bench.journal(replace(ONLY_WHEN_FULL, max_changes=10)) as chats:
        for seq in range(1, 10):
            await say(chats, build_message(seq))
        assert bench.store.calls["put_messages"] == 0
        await say(chats, build_message(10))
        await until(lambda: bench.store.calls["put_messages"] == 1)
        await chats.flush()
        assert numbers(await heard(bench.elsewhere)) == list(range(1, 11))
        assert bench.store.calls["put_messages"] == 1


async def test_fewer_changes_go_after_the_interval(bench: JournalBench) -> None:
    async with bench.journal(replace(ONLY_WHEN_FULL, interval_s=0.01)) as chats:
        await say(chats, build_message(1))
        await until(lambda: bench.store.calls["put_messages"] == 1)
        await say(chats, build_message(2))
        await until(lambda: bench.store.calls["put_messages"] == 2)


async def test_a_flush_writes_batches_of_bounded_size(bench: JournalBench) -> None:
    async with bench.journal(replace(ONLY_WHEN_FULL, max_batch=100)) as chats:
        await say(chats, *(build_message(seq) for seq in range(1, 251)))
        await chats.flush()
        assert bench.store.calls["put_messages"] == 3
        assert len(await heard(bench.elsewhere)) == 250


async def test_flushes_follow_each_other_and_never_run_side_by_side(bench: JournalBench) -> None:
    running, most = 0, 0

    async def watch() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    async with bench.journal(replace(ONLY_WHEN_FULL, max_changes=1)) as chats:
        bench.store.before["put_messages"] = watch
        turns = [say(chats, build_message(seq)) for seq in range(1, 60)]
        await asyncio.gather(*turns, *(chats.flush() for _ in range(5)))
        await chats.flush()
        assert (await chats.status())["journal_pending"] == 0
    assert most == 1
    assert len(await heard(bench.elsewhere)) == 59


def test_without_an_interval_and_on_a_local_store_there_is_no_journal(tmp_path: Path) -> None:
    local = ReferenceChats()
    assert journaled(local, "reference://", tmp_path, options=JournalOptions()) is local
    elsewhere: Any = Faulty(local)
    elsewhere.local = False
    assert journaled(elsewhere, "mongodb://h/db", tmp_path, options=JournalOptions(interval_s=0)) is elsewhere
    assert isinstance(journaled(elsewhere, "mongodb://h/db", tmp_path, options=JournalOptions()), JournaledChats)


def test_each_store_has_a_folder_of_its_own_whoever_asks(tmp_path: Path) -> None:
    same = {
        store_folder(url, tmp_path)
        for url in ("mongodb://a,b/db", "mongodb://anna:secret@B,a/db", "mongodb://b,a/db?w=1")
    }
    others = {store_folder(f"mongodb://{rest}", tmp_path) for rest in ("a,b/db2", "a/db", "a,b")}
    assert (len(same), len(others - same)) == (1, 3)
    assert "secret" not in str(same)


# --- what is read


async def test_what_waits_is_read_with_what_is_stored(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1), build_message(2, "half", state="partial"))
        await chats.flush()
        await say(chats, build_message(2, "whole"), build_message(3), build_message(1, session="s2"))
        assert [message.content for message in await heard(chats)] == ["message 1", "whole", "message 3"]
        assert numbers(await heard(chats, limit=2)) == [2, 3]
        assert await heard(chats, scope=BEN) == []
        assert (await chats.count(ANNA))["messages"] == 4


async def test_a_message_that_is_flushed_while_it_is_read_is_there_once(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1), build_message(2))
        bench.store.before["recent"] = chats.flush
        assert numbers(await heard(chats)) == [1, 2]


async def test_a_session_that_waits_for_nothing_is_read_by_the_store_alone(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1))
        assert chats._flusher.holds(("anna", S1))
        await chats.flush()
        assert not chats._flusher.holds(("anna", S1))
        await chats.delete_session(S1, scope=ANNA)
        assert not chats._flusher.holds(("anna", S1))


# --- the store is down


async def test_while_the_store_is_down_messages_are_taken_and_written_when_it_is_back(
    bench: JournalBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.journal(replace(ONLY_WHEN_FULL, interval_s=0.01, backoff_s=0.01)) as chats:
        bench.store.down("put_messages")
        with caplog.at_level(logging.WARNING, "stores.journal"):
            for seq in range(1, 30):
                await say(chats, build_message(seq, "CANARY"))
            await until(lambda: bench.store.calls["put_messages"] > 3)
        assert {record.msg for record in caplog.records} == {"journal.waits"}
        assert "CANARY" not in caplog.text
        assert len(await heard(chats)) == 29, "the store can be read"
        bench.store.repair()
        await until(lambda: chats._flusher.pending == 0)
    assert len(await heard(bench.elsewhere)) == 29


async def test_a_read_while_the_store_is_down_is_an_error_and_never_half_of_the_messages(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1))
        bench.store.down()
        with pytest.raises(Unavailable):
            await heard(chats)
        with pytest.raises(Unavailable):
            await chats.count(ANNA)
        bench.store.repair()


async def test_the_journal_is_bounded_and_says_what_to_do(bench: JournalBench) -> None:
    async with bench.journal(replace(ONLY_WHEN_FULL, max_pending=5)) as chats:
        bench.store.down("put_messages")
        await say(chats, *(build_message(seq) for seq in range(1, 5)))
        with pytest.raises(Full, match="bring the store back"):
            await say(chats, build_message(5), build_message(6))
        assert numbers(await heard(chats)) == [1, 2, 3, 4], "what was refused is not there in part"
        results = await asyncio.gather(*(say(chats, build_message(seq)) for seq in range(5, 9)), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), Full, Full, Full]
        bench.store.repair()
        await chats.flush()
        await say(chats, build_message(9))
    assert numbers(await heard(bench.elsewhere)) == [1, 2, 3, 4, 5, 9]


async def test_closing_flushes_and_leaves_no_file(bench: JournalBench) -> None:
    async with bench.journal() as chats:
        await say(chats, build_message(1))
        assert bench.files() == [".db", ".db-shm", ".db-wal", ".lock"]
    assert numbers(await heard(bench.elsewhere)) == [1]
    assert bench.files() == []


@pytest.mark.parametrize("fault", ["down", "hang"])
async def test_what_cannot_be_flushed_on_closing_is_replayed_by_the_next(bench: JournalBench, fault: str) -> None:
    async with bench.journal(replace(ONLY_WHEN_FULL, close_s=0.01)) as chats:
        await say(chats, build_message(1))
        getattr(bench.store, fault)("put_messages")
    assert numbers(await heard(bench.elsewhere)) == []
    bench.store.repair()
    async with bench.journal() as chats:
        assert numbers(await heard(chats)) == [1]
        await until(lambda: chats._flusher.pending == 0)
        assert numbers(await heard(bench.elsewhere)) == [1]
    assert bench.files() == []


async def test_a_start_that_failed_can_be_tried_again(bench: JournalBench) -> None:
    chats = bench.unopened()
    bench.store.down("open")
    with pytest.raises(Unavailable):
        await chats.open()
    with pytest.raises(Unavailable, match="open"):
        await say(chats, build_message(1))
    bench.store.repair()
    await chats.open()
    await chats.open()
    await say(chats, build_message(1))
    await chats.aclose()
    await chats.aclose()
    assert numbers(await heard(bench.elsewhere)) == [1]


async def test_a_message_that_the_store_refuses_stops_no_other(
    bench: JournalBench, caplog: pytest.LogCaptureFixture
) -> None:
    """D16: it is kept, told, readable, and offered again at the next start."""
    put = bench.elsewhere.put_messages

    class Choosy(ReferenceChats):
        async def put_messages(self, messages: Any, *, begun_s: Any = ()) -> None:
            if any("poison" in message.content for _, message in messages):
                raise StoreError("too large")
            await put(messages, begun_s=begun_s)

    choosy = Choosy()
    choosy.__dict__.update(bench.elsewhere.__dict__)
    bench.store = Faulty(choosy)
    async with bench.journal() as chats:
        await say(chats, *(build_message(seq, "poison" if seq == 7 else "") for seq in range(1, 21)))
        with caplog.at_level(logging.ERROR, "stores.journal"):
            await chats.flush()
        assert [record.msg for record in caplog.records] == ["journal.refused"]
        assert "poison" not in caplog.text
        assert numbers(await heard(bench.elsewhere)) == [seq for seq in range(1, 21) if seq != 7]
        assert numbers(await heard(chats)) == list(range(1, 21))
        assert (await chats.status())["journal_refused"] == 1
        await chats.flush()
        await say(chats, build_message(21))
        await chats.flush()
    bench.store = Faulty(bench.elsewhere)
    async with bench.journal() as chats:
        await chats.flush()
        assert numbers(await heard(bench.elsewhere)) == list(range(1, 22))
