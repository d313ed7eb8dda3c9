"""The engine and its chats: opened when they are needed, erased with their owner, told when they cannot be. S17."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from context0.errors import EngineClosed
from context0.memory.results import ErasureReceipt, StoreReceipt
from context0.runtime import build_parts
from context0.settings import Settings
from stores.chat_protocol import ChatStore
from stores.errors import NotFound, Unavailable
from stores.journal.chats import JournaledChats
from stores.mongo.chats import MongoChats
from stores.records import SessionId
from stores.sqlite.chats import SqliteChats
from tests.contracts.builders import ANNA, NOW
from tests.contracts.chat_bench import begin, build_message, heard, say
from tests.engine_bench import EngineBench, Faulty, open_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench("sqlite", tmp_path) as opened:
        yield opened


class Watched:
    """Puts a faulty store before the bench's chats, and keeps it for the test."""

    store: Faulty

    def __call__(self, chats: ChatStore) -> Faulty:
        self.store = Faulty(chats)
        return self.store


async def test_chats_are_opened_once_by_whoever_needs_them_first(bench: EngineBench) -> None:
    watched = Watched()
    engine = bench.engine(chats=watched)
    await engine.add("Anna lives in Munich", user_id="anna")
    assert watched.store.calls["open"] == 0
    watched.store.down("open")
    with pytest.raises(Unavailable):
        await engine.chats()
    watched.store.repair()
    await engine.chats()
    await engine.chats()
    assert watched.store.calls["open"] == 2, "the failed one, and one that did it"
    await engine.aclose()
    with pytest.raises(EngineClosed):
        await engine.chats()


def told_of_chats(receipt: ErasureReceipt) -> StoreReceipt:
    (told,) = (store for store in receipt.stores if store.store == "sqlite-chats")
    return told


async def test_an_erasure_takes_the_chats_too_and_tells_what(bench: EngineBench) -> None:
    engine = bench.engine()
    chats = await engine.chats()
    await begin(chats)
    await say(chats, build_message(1), build_message(2))
    receipt = await engine.delete_all(user_id="anna")
    assert receipt.ok
    assert told_of_chats(receipt).removed == {"sessions": 1, "messages": 2, "profiles": 0, "decisions": 0}
    assert await heard(chats) == []


@pytest.mark.parametrize("method", ["open", "erase", "count"])
async def test_chats_that_cannot_be_erased_are_told_in_the_receipt_and_erased_next_time(
    bench: EngineBench, method: str
) -> None:
    watched = Watched()
    engine = bench.engine(chats=watched)
    await engine.add("Anna lives in Munich", user_id="anna")
    watched.store.down(method)
    receipt = await engine.delete_all(user_id="anna")
    assert not told_of_chats(receipt).ok
    assert (await engine.list(user_id="anna")).items == ()
    watched.store.repair()
    chats = await engine.chats()
    await chats.reserve((await begin(chats)), scope=ANNA, count=2, now=NOW)
    receipt = await engine.delete_all(user_id="anna")
    assert (receipt.ok, told_of_chats(receipt).removed["sessions"]) == (True, 1)
    with pytest.raises(NotFound):
        await chats.get_session(SessionId("s1"), scope=ANNA)


def test_settings_put_a_journal_before_a_store_elsewhere_and_none_before_a_file(tmp_path: Path) -> None:
    """E1: in `data_dir`, with the intervals of the settings; 0 is no journal."""
    told: dict[str, Any] = {"data_dir": tmp_path, "chat_flush_interval_s": 2.5, "chat_flush_changes": 7}
    elsewhere = Settings(store_url="mongodb://127.0.0.1:1/db", **told)
    chats = build_parts(elsewhere).chats
    assert isinstance(chats, JournaledChats)
    assert chats._entries.place.startswith(str(tmp_path / "journal"))
    assert (chats._flusher._options.interval_s, chats._flusher._options.max_changes) == (2.5, 7)
    assert isinstance(build_parts(Settings(store_url=f"sqlite:///{tmp_path}/x.db", **told)).chats, SqliteChats)
    at_once = elsewhere.model_copy(update={"chat_flush_interval_s": 0.0})
    assert isinstance(build_parts(at_once).chats, MongoChats)
    assert list(tmp_path.iterdir()) == [], "nothing is opened yet"
