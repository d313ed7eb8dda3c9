"""What each call about chats costs on MongoDB, in commands, counted by the driver's listener. A1, E1."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stores.errors import Conflict, NotFound
from stores.mongo.chat_codec import session_key
from stores.mongo.chats import MongoChats
from stores.mongo.monitoring import CommandCounter
from stores.records import DecisionId, Keyset, SessionId
from tests.contracts.builders import ANNA, BEN, NOW
from tests.contracts.chat_bench import begin, build_decision, build_message, build_session, heard, journal_over, say
from tests.mongo_server import database_url, drop, fresh_name, mongo_chats

S1 = SessionId("s1")


class Warm(NamedTuple):
    chats: MongoChats
    counter: CommandCounter

    async def cost(self, call: Any) -> list[str]:
        self.counter.reset()
        await call
        return self.counter.names


@pytest.fixture
async def warm() -> AsyncIterator[Warm]:
    name, counter = fresh_name(), CommandCounter()
    async with mongo_chats(name, counter) as chats:
        await begin(chats)
        await say(chats, *(build_message(seq) for seq in range(1, 40)))
        await chats.put_decisions([build_decision("d1"), build_decision("d2")], scope=ANNA)
        yield Warm(chats, counter)
    await asyncio.to_thread(drop, database_url(name))


async def test_a_reservation_is_one_command_of_an_old_and_of_a_new_session(warm: Warm) -> None:
    assert await warm.cost(begin(warm.chats)) == ["findAndModify"]
    assert await warm.cost(begin(warm.chats, "new")) == ["findAndModify"]


async def test_messages_of_many_owners_are_one_write_and_one_look(warm: Warm) -> None:
    await begin(warm.chats, "b1", scope=BEN)
    pairs = [(ANNA, build_message(seq)) for seq in range(40, 80)]
    pairs += [(BEN, build_message(seq, session="b1")) for seq in range(1, 40)]
    assert await warm.cost(warm.chats.put_messages(pairs)) == ["update", "find"]
    assert await warm.cost(warm.chats.put_messages(pairs)) == ["update", "find"], "and again"
    gone = build_message(1, session="nowhere")
    assert await warm.cost(say(warm.chats, gone)) == ["update", "find", "delete"]


async def test_reads_are_one_command_at_any_depth(warm: Warm) -> None:
    chats = warm.chats
    assert await warm.cost(chats.recent(S1, scope=ANNA, limit=10)) == ["find"]
    assert await warm.cost(chats.recent(S1, scope=ANNA, limit=10, before=20)) == ["find"]
    assert await warm.cost(chats.get_session(S1, scope=ANNA)) == ["find"]
    assert await warm.cost(chats.list_sessions(scope=ANNA, limit=10)) == ["find"]
    assert await warm.cost(chats.list_sessions(scope=ANNA, limit=10, after=Keyset(9, "x"))) == ["find"]
    assert await warm.cost(chats.get_profile(ANNA)) == ["find"]
    assert await warm.cost(chats.list_decisions(scope=ANNA, limit=10, state="pending")) == ["find"]


async def test_changes_are_one_command_and_one_more_for_the_rare_case(warm: Warm) -> None:
    chats = warm.chats
    assert await warm.cost(chats.update_session(S1, scope=ANNA, title="t", metadata={})) == ["findAndModify"]
    assert await warm.cost(chats.update_session(S1, scope=ANNA, summary=("s", 9))) == ["findAndModify"]
    assert len(await warm.cost(chats.update_session(S1, scope=ANNA, summary=("s", 4)))) == 2, "outdated"
    assert await warm.cost(chats.put_profile({"mode": "normal"}, scope=ANNA)) == ["update"]
    assert await warm.cost(chats.put_decisions([build_decision("d1"), build_decision("d3")], scope=ANNA)) == ["insert"]
    assert await warm.cost(chats.decide(DecisionId("d1"), "undone", scope=ANNA, now=NOW)) == ["findAndModify"]
    warm.counter.reset()
    with pytest.raises(Conflict):
        await chats.decide(DecisionId("d1"), "undone", scope=ANNA, now=NOW)
    assert warm.counter.names == ["findAndModify", "find"]
    assert await warm.cost(chats.delete_session(S1, scope=ANNA)) == ["update", "delete"]
    warm.counter.reset()
    with pytest.raises(NotFound):
        await begin(chats)
    assert warm.counter.names == ["findAndModify", "findAndModify"]
    assert await warm.cost(chats.erase(ANNA)) == ["hello", "update", *["delete"] * 4]


async def test_a_turn_behind_a_journal_costs_the_reservation_and_its_part_of_a_flush(
    warm: Warm, tmp_path: Path
) -> None:
    """E1: no command between the answer and `done`; five turns are flushed together by three.

    The first asks whether somebody was erased since: messages that were taken just now need no such look.
    """
    chats = journal_over(warm.chats, tmp_path)
    await chats.open()
    warm.counter.reset()
    for turn in range(5):
        taken = await chats.reserve(build_session(), scope=ANNA, count=2, now=NOW)
        sent = len(warm.counter.names)
        pair = [(ANNA, build_message(taken.next_seq - number)) for number in (2, 1)]
        await chats.put_messages(pair, begun_s=[time.time() - 60] * 2)
        assert (len(warm.counter.names), sent) == (turn + 1, turn + 1)
    assert len(await heard(chats)) == 39, "ten of them anew"
    warm.counter.reset()
    await chats.flush()
    assert warm.counter.names == ["find", "update", "find"]
    await chats._flusher.stop()


async def test_bodies_name_the_owner_in_every_command(warm: Warm) -> None:
    """Only the look for living sessions asks for many owners at once, by keys that hold them; it returns just those."""
    warm.counter.reset()
    await begin(warm.chats)
    await say(warm.chats, replace(build_message(1), content="again"))
    await warm.chats.delete_session(S1, scope=ANNA)
    for name, collection, body in warm.counter.sent:
        if (name, collection) == ("find", "chat_sessions"):
            assert body["projection"] == {"_id": 1}
            assert body["filter"]["_id"] == {"$in": [session_key(S1, ANNA.owner)]}
        else:
            assert "source_user_id" in str(body), name
