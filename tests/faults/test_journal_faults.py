"""kill -9 around a flush, and a store that fails in the middle of one: acknowledged messages lost 0, there twice 0.

E1, D2, D3, D11. Many more kills: `python -m tests.faults.chat_kills --kills 100`.
"""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stores.errors import Unavailable
from stores.journal.chats import JournaledChats
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase
from stores.sqlite.message_log import SqliteMessageLog
from tests.contracts.builders import ANNA
from tests.contracts.chat_bench import ONLY_WHEN_FULL, build_message, say
from tests.faults.chat_kills import campaign
from tests.faults.chat_writer import ANYWHERE, POINTS
from tests.mongo_scripted import OPTIONS, Behaviour, ScriptedMongoDB, hang_up, refuse, served
from tests.mongo_server import database_url, drop, fresh_name

KILLS = {"sqlite": 4, "mongodb": 2}


@pytest.mark.parametrize("point", [ANYWHERE, *POINTS])
@pytest.mark.parametrize("target", KILLS)
async def test_what_was_acknowledged_is_replayed_and_there_once(tmp_path: Path, target: str, point: str) -> None:
    url = target if target == "sqlite" else database_url(fresh_name())
    try:
        outcome = await campaign(tmp_path, url, point, KILLS[target])
    finally:
        if target != "sqlite":
            await asyncio.to_thread(drop, url)
    assert (outcome.lost, outcome.phantoms) == (0, 0)
    assert outcome.acknowledged >= KILLS[target]
    assert outcome.waited > 0 or point == ANYWHERE, "else these kills show nothing"


@pytest.fixture(scope="module")
def stopping() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.fixture
def standalone(stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    yield from served(ScriptedMongoDB(replica_set=False), stopping)


@pytest.mark.parametrize("fault", [hang_up, refuse(10107)], ids=["hangs up", "steps down"])
async def test_a_flush_that_the_server_breaks_off_is_repeated_whole(
    tmp_path: Path, standalone: ScriptedMongoDB, fault: Behaviour
) -> None:
    """A write whose outcome is unknown is sent again: it goes to the same places."""
    database, user = MongoDatabase(f"mongodb://{standalone.address}/db", options=OPTIONS), object()
    await database.open(user)
    chats = JournaledChats(MongoChats(database), SqliteMessageLog(tmp_path / "journal"), ONLY_WHEN_FULL)
    await chats._flusher.start()  # without the store's own opening, which asks for indexes that nobody keeps here
    await say(chats, *(build_message(seq) for seq in range(1, 6)))
    standalone.script["update"] = [fault]
    with pytest.raises(Unavailable):
        await chats.flush()
    assert chats._flusher.pending == 5
    await chats.flush()
    assert chats._flusher.pending == 0
    first, second = standalone.of("update")
    assert first["updates"] == second["updates"]
    assert len({update["q"]["_id"] for update in second["updates"]}) == 5
    assert {update["q"]["source_user_id"] for update in second["updates"]} == {ANNA.owner}
    await chats._flusher.stop()
    await database.aclose(user)
