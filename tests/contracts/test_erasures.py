"""D13: what was begun before its owner was erased comes too late, on every store; what is begun later does not."""

import time
from dataclasses import replace

import pytest

from stores.chat_protocol import ChatStore
from stores.errors import Conflict, Erased, NotFound
from stores.lateness import digest_of, is_late
from stores.protocols import DocumentStore
from stores.records import IndexMark, Scope, SessionId
from tests.contracts.builders import ANNA, BEN, NOW, build_document, put
from tests.contracts.chat_bench import begin, build_message, build_session, heard, numbers, say

S1 = SessionId("s1")


async def test_a_memory_that_was_begun_before_the_erasure_is_refused(documents: DocumentStore) -> None:
    begun_s = time.time()
    await put(documents, build_document("of before"))
    await documents.erase(ANNA)
    with pytest.raises(Erased, match="begin it anew"):
        await documents.put_many([build_document("too late")], scope=ANNA, now=NOW, begun_s=begun_s)
    assert not any((await documents.count(ANNA)).values())
    bens = await documents.put_many([build_document("his", scope=BEN)], scope=BEN, now=NOW, begun_s=begun_s)
    (kept,) = await documents.put_many([build_document("anew")], scope=ANNA, now=NOW, begun_s=time.time())
    assert [one.content for one in (*bens, kept)] == ["his", "anew"]
    assert (await documents.count(ANNA))["memories"] == 1


async def test_what_has_no_beginning_is_of_now(documents: DocumentStore) -> None:
    await documents.erase(ANNA)
    await put(documents, build_document("anew"))
    assert (await documents.count(ANNA))["memories"] == 1


async def test_late_changes_and_late_index_work_resurrect_nothing(documents: DocumentStore) -> None:
    """Reordered update, delete and index work, after a deletion and after an erasure."""
    first, second = build_document("first"), build_document("second")
    await put(documents, first, second)
    later = replace(first, memory=first.memory.evolve(content="later", version=2))
    mark = IndexMark(first.memory.id, first.memory.index.generation, "done", embedding=bytes(256), embedding_model="m")
    await documents.delete(first.memory.id, scope=ANNA, now=NOW)
    with pytest.raises((NotFound, Conflict)):
        await documents.update(later, scope=ANNA, expected_version=1, now=NOW)
    assert await documents.mark([mark], scope=ANNA) == 0
    await documents.erase(ANNA)
    for document in (later, second):
        with pytest.raises(NotFound):
            await documents.update(document, scope=ANNA, expected_version=1, now=NOW)
        assert await documents.mark([mark._replace(id=document.memory.id)], scope=ANNA) == 0
        assert not await documents.delete(document.memory.id, scope=ANNA, now=NOW)
    assert not any((await documents.count(ANNA)).values())


async def test_other_processes_can_see_who_was_erased_but_not_by_name(documents: DocumentStore) -> None:
    assert await documents.erasures(within_s=60.0) == frozenset()
    for scope in (ANNA, BEN, ANNA):
        await documents.erase(scope)
    assert await documents.erasures(within_s=60.0) == {(digest_of("anna"), 2), (digest_of("ben"), 1)}
    assert await documents.erasures(within_s=0.0) == frozenset()


async def test_a_turn_that_was_begun_before_the_erasure_makes_no_session(chats: ChatStore) -> None:
    begun_s = time.time()
    await begin(chats)
    await chats.erase(ANNA)
    late = build_session("s2", title="too late")
    with pytest.raises(Erased):
        await chats.reserve(late, scope=ANNA, count=2, now=NOW, first=build_message(1, session="s2"), begun_s=begun_s)
    assert not any((await chats.count(ANNA)).values())
    await chats.reserve(late, scope=ANNA, count=2, now=NOW, first=build_message(1, session="s2"), begun_s=time.time())
    assert numbers(await heard(chats, "s2")) == [1]


async def test_a_late_answer_does_not_get_into_a_new_session_of_the_same_name(chats: ChatStore) -> None:
    begun_s = time.time()
    await begin(chats)
    await chats.erase(ANNA)
    await begin(chats)
    await say(chats, build_message(1, "anew"))
    late = [(ANNA, build_message(seq, "too late")) for seq in (1, 2)]
    await chats.put_messages([*late, (ANNA, build_message(3, "in time"))], begun_s=[begun_s, begun_s, time.time()])
    assert [message.content for message in await heard(chats)] == ["anew", "in time"]
    with pytest.raises(NotFound):
        await chats.update_session(S1, scope=ANNA, summary=("too late", 9), begun_s=begun_s)
    told = await chats.update_session(S1, scope=ANNA, summary=("in time", 9), begun_s=time.time())
    assert told.summary == "in time"


async def test_late_writes_of_others_are_in_time(chats: ChatStore) -> None:
    begun_s = time.time()
    await begin(chats, "b1", scope=BEN)
    await chats.erase(ANNA)
    await chats.put_messages([(BEN, build_message(1, session="b1"))], begun_s=[begun_s])
    assert numbers(await heard(chats, "b1", scope=BEN)) == [1]


def test_an_erasure_that_lies_ahead_refuses_nothing() -> None:
    """D15: the clock was set back since; else nobody could write until it has come again."""
    assert is_late(1.0, 2.0, 3.0)
    assert not is_late(1.0, 7_200.0, 3.0)
    assert not is_late(2.0, 1.0, 3.0)
    assert not is_late(None, 1.0, 3.0)
    assert not is_late(1.0, None, 3.0)


def test_the_digest_of_a_name_that_is_no_text_can_be_had() -> None:
    assert digest_of("\ud800") != digest_of("anna")
    assert digest_of(Scope(owner="anna").owner) == digest_of("anna")
