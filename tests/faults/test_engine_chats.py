"""The engine and its chats: opened when they are needed, erased with their owner, told when they cannot be. S17."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from context0.errors import EngineClosed
from stores.chat_protocol import ChatStore
from stores.errors import NotFound, Unavailable
from stores.records import SessionId
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


async def test_an_erasure_takes_the_chats_too_and_tells_what(bench: EngineBench) -> None:
    engine = bench.engine()
    chats = await engine.chats()
    await begin(chats)
    await say(chats, build_message(1), build_message(2))
    receipt = await engine.delete_all(user_id="anna")
    assert (receipt.ok, receipt.stores[-1].store) == (True, "sqlite-chats")
    assert receipt.stores[-1].removed == {"sessions": 1, "messages": 2, "profiles": 0, "decisions": 0}
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
    assert [(store.store, store.ok) for store in receipt.stores][-1] == ("sqlite-chats", False)
    assert (await engine.list(user_id="anna")).items == ()
    watched.store.repair()
    chats = await engine.chats()
    await chats.reserve((await begin(chats)), scope=ANNA, count=2, now=NOW)
    receipt = await engine.delete_all(user_id="anna")
    assert (receipt.ok, receipt.stores[-1].removed["sessions"]) == (True, 1)
    with pytest.raises(NotFound):
        await chats.get_session(SessionId("s1"), scope=ANNA)
