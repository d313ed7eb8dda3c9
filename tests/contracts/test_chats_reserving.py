"""ChatStore: a message that is written together with the numbers it gets (E1)."""

import asyncio
from dataclasses import replace

import pytest

from stores.chat_protocol import ChatStore
from stores.errors import NotFound
from stores.records import MessageId
from tests.contracts.builders import ANNA, NOW
from tests.contracts.chat_bench import build_message, build_session


async def test_the_first_message_gets_the_first_number_and_is_there(chats: ChatStore) -> None:
    asked = build_message(1, content="where do I live?")
    session = build_session(asked.session_id)
    for turn in range(3):
        first = replace(asked, id=MessageId(f"q{turn}"), seq=77)
        reserved = await chats.reserve(session, scope=ANNA, count=2, now=NOW, first=first)
        assert reserved.next_seq == 2 * turn + 3
    kept = await chats.recent(session.id, scope=ANNA, limit=10)
    assert [(one.id, one.seq, one.content) for one in kept] == [
        ("q0", 1, asked.content),
        ("q1", 3, asked.content),
        ("q2", 5, asked.content),
    ]


async def test_many_at_once_get_a_number_each_and_lose_no_message(chats: ChatStore) -> None:
    asked = build_message(1)
    session = build_session(asked.session_id)

    async def begin(number: int) -> tuple[str, int]:
        first = replace(asked, id=MessageId(f"q{number}"))
        reserved = await chats.reserve(session, scope=ANNA, count=2, now=NOW, first=first)
        return first.id, reserved.next_seq - 2

    given = await asyncio.gather(*map(begin, range(20)))
    kept = await chats.recent(session.id, scope=ANNA, limit=100)
    assert {(one.id, one.seq) for one in kept} == set(given)


async def test_a_deleted_session_takes_no_message(chats: ChatStore) -> None:
    asked = build_message(1)
    session = build_session(asked.session_id)
    await chats.reserve(session, scope=ANNA, count=2, now=NOW)
    await chats.delete_session(session.id, scope=ANNA)
    with pytest.raises(NotFound):
        await chats.reserve(session, scope=ANNA, count=2, now=NOW, first=asked)
    assert await chats.recent(session.id, scope=ANNA, limit=10) == []
