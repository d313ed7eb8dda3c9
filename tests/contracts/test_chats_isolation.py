"""ChatStore: another owner's sessions, messages, profiles and decisions are not there, whichever method asks.

Each probe asks as a STRANGER, with the ids of ANNA, and asserts that they behave as unknown ones.
"""

import contextlib
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from stores.chat_protocol import ChatStore
from stores.errors import NotFound, StoreError
from stores.records import DecisionId, Message, Scope, SessionId
from tests.contracts.builders import ANNA, NOW
from tests.contracts.chat_bench import (
    ChatBench,
    begin,
    build_decision,
    build_message,
    build_session,
    heard,
    say,
)
from tests.contracts.introspection import methods_of, methods_taking, probes_in
from tests.contracts.test_documents_isolation import OWNERS

STRANGER = Scope(owner="stranger")
S1, GONE, D1 = SessionId("s1"), SessionId("gone"), DecisionId("d1")
OF_NO_OWNER = {"open", "aclose", "status"}


async def hers(bench: ChatBench) -> None:
    """Store a session with messages, some of them waiting, a tombstone, a profile and a decision of ANNA's."""
    store = bench.store
    for name in (S1, GONE):
        await begin(store, name)
    await say(store, build_message(1))
    await bench.settle()
    await say(store, build_message(2))
    await store.delete_session(GONE, scope=ANNA)
    await store.put_profile({"mode": "redact"}, scope=ANNA)
    await store.put_decisions([build_decision("d1")], scope=ANNA)


async def everything_of_anna(store: ChatStore) -> list[Any]:
    return [
        await store.list_sessions(scope=ANNA, limit=9),
        await store.get_session(S1, scope=ANNA),
        await heard(store),
        await heard(store, "gone"),
        await store.get_profile(ANNA),
        await store.list_decisions(scope=ANNA, limit=9),
        await store.count(ANNA),
    ]


async def probe_reserve(bench: ChatBench) -> None:
    """It makes a session of the stranger's own, as an unknown id does; also where ANNA's was deleted."""
    for name in (S1, GONE):
        own = build_session(name, title="own")
        made = await bench.store.reserve(own, scope=STRANGER, count=1, now=NOW)
        assert made == replace(own, next_seq=2, updated_at=NOW)
        assert await heard(bench.store, name, scope=STRANGER) == []


async def probe_put_messages(bench: ChatBench) -> None:
    stolen = [build_message(seq, "stolen", session=name) for seq in (1, 2, 3) for name in (S1, GONE)]
    await say(bench.store, *stolen, scope=STRANGER)
    await bench.settle()
    assert await heard(bench.store, scope=STRANGER) == []
    assert await heard(bench.store, "gone", scope=STRANGER) == []


async def probe_recent(bench: ChatBench) -> None:
    assert await heard(bench.store, scope=STRANGER) == []
    assert await bench.store.recent(S1, scope=STRANGER, limit=9, before=3) == []


async def probe_get_session(bench: ChatBench) -> None:
    with pytest.raises(NotFound):
        await bench.store.get_session(S1, scope=STRANGER)


async def probe_list_sessions(bench: ChatBench) -> None:
    assert await bench.store.list_sessions(scope=STRANGER, limit=9) == []


async def probe_update_session(bench: ChatBench) -> None:
    for changes in ({}, {"title": "stolen"}, {"summary": ("stolen", 9)}, {"metadata": {}}):
        with pytest.raises(NotFound):
            await bench.store.update_session(S1, scope=STRANGER, **changes)  # type: ignore[arg-type]  # each is right


async def probe_delete_session(bench: ChatBench) -> None:
    assert await bench.store.delete_session(S1, scope=STRANGER) is False
    assert await bench.store.delete_session(GONE, scope=STRANGER) is False


async def probe_get_profile(bench: ChatBench) -> None:
    assert "redact" not in (await bench.store.get_profile(STRANGER)).values()


async def probe_put_profile(bench: ChatBench) -> None:
    await bench.store.put_profile({"mode": "normal"}, scope=STRANGER)


async def probe_put_decisions(bench: ChatBench) -> None:
    with contextlib.suppress(StoreError):  # ids are unique everywhere, so a store may also refuse
        await bench.store.put_decisions([build_decision("d1", reason="stolen")], scope=STRANGER)


async def probe_list_decisions(bench: ChatBench) -> None:
    assert await bench.store.list_decisions(scope=STRANGER, limit=9) == []
    assert await bench.store.list_decisions(scope=STRANGER, limit=9, state="pending") == []


async def probe_decide(bench: ChatBench) -> None:
    with pytest.raises(NotFound):
        await bench.store.decide(D1, "undone", scope=STRANGER, now=NOW)


async def probe_erase(bench: ChatBench) -> None:
    await bench.store.erase(STRANGER)
    assert not any((await bench.store.erase(STRANGER)).values())


async def probe_count(bench: ChatBench) -> None:
    counted = await bench.store.count(STRANGER)
    assert (counted["messages"], counted["decisions"]) == (0, 0)


PROBES = probes_in(globals())


def test_every_method_that_takes_a_scope_is_probed() -> None:
    """And put_messages, which takes its scopes inside of what it writes: nothing else is left."""
    assert set(PROBES) >= methods_taking(ChatStore, "scope")
    assert set(methods_of(ChatStore)) - set(PROBES) == OF_NO_OWNER


@pytest.mark.parametrize("stranger_has_chats", [False, True])
@pytest.mark.parametrize("method", PROBES)
async def test_another_owner_s_chats_behave_as_unknown(
    chat_bench: ChatBench, method: str, stranger_has_chats: bool
) -> None:
    await hers(chat_bench)
    if stranger_has_chats:  # a store may take a short way for an owner whom it does not know
        await begin(chat_bench.store, "own", scope=STRANGER)
        await chat_bench.store.delete_session(SessionId("own"), scope=STRANGER)
        await chat_bench.store.put_profile({"mode": "normal"}, scope=STRANGER)
    before = await everything_of_anna(chat_bench.store)
    await PROBES[method](chat_bench)
    assert await everything_of_anna(chat_bench.store) == before
    assert numbers_of(before[2]) == [1, 2]


def numbers_of(messages: Sequence[Message]) -> list[int]:
    return [message.seq for message in messages]


async def told_about(store: ChatStore, name: str) -> list[Any]:
    """Return what a STRANGER is told when it does everything with a session id that it has not used before."""
    wanted = SessionId(name)
    return [
        await told_by(store.get_session(wanted, scope=STRANGER), name),
        await told_by(store.update_session(wanted, scope=STRANGER, title="x", metadata={"a": 1}), name),
        await told_by(store.update_session(wanted, scope=STRANGER, summary=("x", 1)), name),
        await told_by(store.delete_session(wanted, scope=STRANGER), name),
        await told_by(say(store, build_message(1, session=name), scope=STRANGER), name),
        await told_by(begin(store, name, scope=STRANGER), name),
        await told_by(store.get_session(wanted, scope=STRANGER), name),
        await told_by(store.list_sessions(scope=STRANGER, limit=1), name),
        await told_by(store.delete_session(wanted, scope=STRANGER), name),
        await told_by(begin(store, name, scope=STRANGER), name),
    ]


async def told_by(call: Awaitable[Any], name: str) -> str:
    try:
        told = repr(await call)
    except StoreError as exc:
        told = repr(exc)
    return told.replace(name, "<id>")


async def test_nothing_tells_whether_another_owner_has_a_session_of_an_id(chat_bench: ChatBench) -> None:
    """B9: for one that is there, one that was deleted, and one that never was, a stranger is told the same."""
    await hers(chat_bench)
    told = [await told_about(chat_bench.store, name) for name in (S1, GONE, "never")]
    assert told[0] == told[1] == told[2]


async def test_two_owners_have_a_session_of_the_same_id_and_each_sees_its_own(
    chats: ChatStore, chat_bench: ChatBench
) -> None:
    """In one write of both, in the same places; some of it in the journal, then none."""
    scopes = (ANNA, STRANGER)
    for scope in scopes:
        own = build_session(title=scope.owner)
        await chats.reserve(own, scope=scope, count=3, now=NOW, first=build_message(9, f"1 {scope.owner}"))
    for seq in (2, 3):
        await chats.put_messages([(scope, build_message(seq, f"{seq} {scope.owner}")) for scope in scopes])
        for scope in scopes:
            texts = [message.content for message in await heard(chats, scope=scope)]
            assert texts == [f"{n} {scope.owner}" for n in range(1, seq + 1)]
        await chat_bench.settle()
    for scope in scopes:
        summary = (f"summary of {scope.owner}", 3)
        changed = await chats.update_session(S1, scope=scope, summary=summary, metadata={"of": scope.owner})
        assert (changed.title, changed.next_seq, changed.metadata) == (scope.owner, 4, {"of": scope.owner})
    for scope in scopes:
        (listed,) = await chats.list_sessions(scope=scope, limit=9)
        assert listed == await chats.get_session(S1, scope=scope)
        assert (listed.id, listed.title, listed.summary) == (S1, scope.owner, f"summary of {scope.owner}")
        assert (await chats.count(scope))["messages"] == 3


@pytest.mark.parametrize("way", ["delete_session", "erase"])
async def test_what_one_owner_removes_stays_with_the_other_that_has_the_same_id(
    chats: ChatStore, chat_bench: ChatBench, way: str
) -> None:
    """D13: and what is written late by the one reaches neither."""
    for scope in (ANNA, STRANGER):
        await begin(chats, scope=scope)
        await say(chats, build_message(1, scope.owner), scope=scope)
        await chat_bench.settle()
        await say(chats, build_message(2, scope.owner), scope=scope)
    before = await conversation_of(chats, ANNA)
    if way == "erase":
        await chats.erase(STRANGER)
    else:
        assert await chats.delete_session(S1, scope=STRANGER) is True
    await say(chats, build_message(1, "late"), build_message(3, "late"), scope=STRANGER)
    for _ in range(2):
        assert await conversation_of(chats, ANNA) == before
        assert await heard(chats, scope=STRANGER) == []
        await chat_bench.settle()
    assert (await chats.count(STRANGER))["messages"] == 0
    await say(chats, build_message(3, "goes on"))
    await chat_bench.settle()
    assert numbers_of(await heard(chats)) == [1, 2, 3]


async def conversation_of(store: ChatStore, scope: Scope) -> list[Any]:
    return [
        await store.list_sessions(scope=scope, limit=9),
        await heard(store, scope=scope),
        await store.get_session(S1, scope=scope),
        await store.count(scope),
    ]


async def test_owners_and_ids_that_run_into_each_other_are_different_sessions(
    chats: ChatStore, chat_bench: ChatBench
) -> None:
    """Where a key is made of an owner and an id, no two pairs may come out the same."""
    pairs = [("a", "b:c"), ("a:b", "c"), ("a:b:c", "1"), ("1:a", "b"), ("1", "a:b"), ("a", "1:b"), ("a:1", "b")]
    for n, (owner, name) in enumerate(pairs):
        scope = Scope(owner=owner)
        made = await chats.reserve(build_session(name, title=str(n)), scope=scope, count=1, now=NOW)
        assert made.next_seq == 2
        await say(chats, build_message(1, str(n), session=name), scope=scope)
    await chat_bench.settle()
    for n, (owner, name) in enumerate(pairs):
        scope = Scope(owner=owner)
        assert (await chats.get_session(SessionId(name), scope=scope)).title == str(n)
        assert [message.content for message in await heard(chats, name, scope=scope)] == [str(n)]


async def test_owners_whose_names_look_alike_are_different_owners(chats: ChatStore, chat_bench: ChatBench) -> None:
    scopes = [Scope(owner=owner) for owner in ("anna", *OWNERS)]
    for n, scope in enumerate(scopes):
        await chats.reserve(build_session(f"s{n}"), scope=scope, count=1, now=NOW)
        await say(chats, build_message(1, f"of {n}", session=f"s{n}"), scope=scope)
        await chats.put_profile({"n": n}, scope=scope)
        await chats.put_decisions([build_decision(f"d{n}")], scope=scope)
    await chat_bench.settle()
    await chats.erase(Scope(owner="%"))
    for n, scope in enumerate(scopes):
        there = scope.owner != "%"
        assert [session.id for session in await chats.list_sessions(scope=scope, limit=99)] == [f"s{n}"] * there
        assert [message.content for message in await heard(chats, f"s{n}", scope=scope)] == [f"of {n}"] * there
        assert await chats.get_profile(scope) == ({"n": n} if there else {})
        assert [item.id for item in await chats.list_decisions(scope=scope, limit=99)] == [f"d{n}"] * there
        assert set((await chats.count(scope)).values()) == {int(there)}


async def test_session_ids_that_look_like_each_other_s_messages_stay_apart(
    chats: ChatStore, chat_bench: ChatBench
) -> None:
    """Where a key is made of several parts, no two keys may come out the same."""
    places = [("a", 1), ("a:1", 2), ("a:1:2", 3), ("1:a", 1), (":", 1), ("a b", 1), ("A", 1)]
    for name, seq in places:
        await begin(chats, name)
        await say(chats, build_message(seq, f"{name} {seq}", session=name))
    await chat_bench.settle()
    for name, seq in places:
        assert [message.content for message in await heard(chats, name)] == [f"{name} {seq}"]
