"""ChatStore: sessions with numbered messages, on every backend and through a journal. A1, A9, E1, D13."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stores.chat_protocol import ChatStore
from stores.errors import Conflict, NotFound
from stores.records import DecisionId, Keyset, Message, Session, SessionId
from tests.contracts.backends import Backend, Capability
from tests.contracts.builders import ANNA, BEN, MILLISECOND, NOW, PAST, ids_of
from tests.contracts.chat_bench import (
    ChatBench,
    begin,
    build_decision,
    build_message,
    build_session,
    heard,
    numbers,
    say,
)

S1 = SessionId("s1")
METADATA: dict[str, Any] = {"mode": "normal", "$odd": {"a.b": [1, 2.5, None, True]}, "größe": "👍", "big": 2**62}
NUL_AND_MORE = "line\nnul \0 end 👩‍👩‍👧 שלום \U0010ffff $where"


def keyset(session: Session) -> Keyset:
    return Keyset(round(session.updated_at.timestamp() * 1000), session.id)


# --- numbers


async def test_a_new_session_is_as_it_was_given_and_its_numbers_start_at_one(chats: ChatStore) -> None:
    given = build_session(title="Munich", summary="so far", summary_seq=3, metadata=METADATA, next_seq=99)
    made = await chats.reserve(given, scope=ANNA, count=2, now=NOW)
    assert made == replace(given, next_seq=3, updated_at=NOW)
    assert await chats.get_session(S1, scope=ANNA) == made


async def test_of_a_session_that_is_there_only_the_numbers_and_the_time_move(chats: ChatStore) -> None:
    made = await chats.reserve(build_session(title="Munich"), scope=ANNA, count=2, now=PAST)
    later = await chats.reserve(build_session(title="other", at=NOW), scope=ANNA, count=3, now=NOW)
    assert later == replace(made, next_seq=6, updated_at=NOW)


async def test_fifty_reservations_at_once_give_disjoint_numbers(chats: ChatStore) -> None:
    """Also of a session that none of them has seen before."""
    made = await asyncio.gather(*(chats.reserve(build_session(), scope=ANNA, count=2, now=NOW) for _ in range(50)))
    assert sorted(session.next_seq for session in made) == list(range(3, 103, 2))


async def test_a_deleted_session_takes_no_numbers(chats: ChatStore) -> None:
    await begin(chats)
    await chats.delete_session(S1, scope=ANNA)
    with pytest.raises(NotFound, match="session"):
        await begin(chats)
    assert (await begin(chats, scope=BEN)).next_seq == 2, "another owner's of that id"


# --- messages


async def test_messages_come_back_as_they_were_written_in_ascending_order(chats: ChatStore) -> None:
    await begin(chats)
    given = [
        build_message(1, NUL_AND_MORE, metadata=METADATA),
        build_message(2, state="partial"),
        build_message(3, state="fallback", at=NOW),
    ]
    await say(chats, *reversed(given))
    assert await heard(chats) == given


async def test_recent_messages_are_the_last_ones_below_a_number(chats: ChatStore, chat_bench: ChatBench) -> None:
    await begin(chats)
    given = [build_message(seq) for seq in (1, 2, 3, 5, 8, 13)]
    await say(chats, *given[:3])
    await chat_bench.settle()
    await say(chats, *given[3:])
    for _ in range(2):  # some of them wait in the journal, then none
        assert numbers(await heard(chats, limit=2)) == [8, 13]
        assert numbers(await chats.recent(S1, scope=ANNA, limit=3, before=8)) == [2, 3, 5]
        assert numbers(await chats.recent(S1, scope=ANNA, limit=9, before=4)) == [1, 2, 3]
        assert numbers(await chats.recent(S1, scope=ANNA, limit=9, before=1)) == []
        await chat_bench.settle()


async def test_pages_backwards_see_each_message_once(chats: ChatStore) -> None:
    await begin(chats)
    await say(chats, *(build_message(seq) for seq in range(1, 101)))
    seen: list[Message] = []
    while page := await chats.recent(S1, scope=ANNA, limit=7, before=seen[0].seq if seen else None):
        seen = [*page, *seen]
        await say(chats, build_message(100 + len(seen)))  # what arrives meanwhile moves no page
    assert numbers(seen)[:100] == list(range(1, 101))


async def test_a_message_written_again_is_there_once_as_it_was_written_last(
    chats: ChatStore, chat_bench: ChatBench
) -> None:
    """D11"""
    await begin(chats)
    half = build_message(2, "half an an", state="partial", metadata={"a": 1})
    whole = replace(half, content="half an answer", state="complete", metadata={})
    await say(chats, half)
    await chat_bench.settle()
    await say(chats, whole, build_message(3))
    await say(chats, whole)
    assert (await heard(chats))[0] == whole
    await chat_bench.settle()
    assert (await heard(chats))[0] == whole
    assert (await chats.count(ANNA))["messages"] == 2


async def test_the_last_of_one_call_counts(chats: ChatStore) -> None:
    await begin(chats)
    await say(chats, build_message(1, "first"), build_message(1, "second"))
    assert [message.content for message in await heard(chats)] == ["second"]
    assert (await chats.count(ANNA))["messages"] == 1


async def test_one_call_writes_for_many_owners(chats: ChatStore) -> None:
    for scope, name in ((ANNA, "a"), (BEN, "a"), (BEN, "b")):
        await begin(chats, name, scope=scope)
    pairs = [(ANNA, build_message(seq, session="a")) for seq in range(1, 60)]
    pairs += [(BEN, build_message(seq, session="b")) for seq in range(1, 62)]
    await chats.put_messages(pairs)
    assert len(await heard(chats, "a")) == 59
    assert len(await heard(chats, "b", scope=BEN)) == 61
    assert await heard(chats, "a", scope=BEN) == []


async def test_the_same_message_written_by_many_at_once_is_there_once(chats: ChatStore) -> None:
    await begin(chats)
    message = build_message(1)
    await asyncio.gather(*(say(chats, message) for _ in range(20)))
    assert await heard(chats) == [message]
    assert (await chats.count(ANNA))["messages"] == 1


async def test_messages_of_an_unknown_session_are_left_out(chats: ChatStore, chat_bench: ChatBench) -> None:
    await begin(chats)
    await say(chats, build_message(1, session="nowhere"), build_message(1))
    await chat_bench.settle()
    assert await heard(chats, "nowhere") == []
    assert numbers(await heard(chats)) == [1]
    assert (await chats.count(ANNA))["messages"] == 1


async def test_an_unknown_session_has_no_messages(chats: ChatStore) -> None:
    assert await heard(chats, "nowhere") == []


# --- sessions


async def test_an_unknown_session_is_not_found(chats: ChatStore) -> None:
    for call in (
        chats.get_session(S1, scope=ANNA),
        chats.update_session(S1, scope=ANNA, title="x"),
        chats.update_session(S1, scope=ANNA, summary=("x", 1)),
        chats.update_session(S1, scope=ANNA),
    ):
        with pytest.raises(NotFound, match="no session 's1'"):
            await call
    assert await chats.delete_session(S1, scope=ANNA) is False


async def test_sessions_are_listed_by_their_last_message(chats: ChatStore) -> None:
    for n, name in enumerate("abcd"):
        await begin(chats, name, at=NOW + n * MILLISECOND)
    await begin(chats, "b", at=NOW + timedelta(hours=1))
    listed = await chats.list_sessions(scope=ANNA, limit=9)
    assert ids_of(listed) == ["b", "d", "c", "a"]
    assert listed[0].next_seq == 3


async def test_pages_of_sessions_go_on_behind_the_last_one(chats: ChatStore) -> None:
    """A9: also among sessions of the same millisecond."""
    for n in range(10):
        await begin(chats, f"s{n}", at=NOW + (n // 4) * MILLISECOND)
    pages: list[list[Session]] = [await chats.list_sessions(scope=ANNA, limit=3)]
    while len(pages[-1]) == 3:
        pages.append(await chats.list_sessions(scope=ANNA, limit=3, after=keyset(pages[-1][-1])))
    assert [session.id for page in pages for session in page] == [f"s{n}" for n in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)]


async def test_an_update_changes_what_is_given_and_not_the_time(chats: ChatStore) -> None:
    made = await begin(chats)
    titled = await chats.update_session(S1, scope=ANNA, title="Munich")
    assert titled == replace(made, title="Munich")
    changed = await chats.update_session(S1, scope=ANNA, summary=("so far", 4), metadata=METADATA)
    assert changed == replace(titled, summary="so far", summary_seq=4, metadata=METADATA)
    assert await chats.get_session(S1, scope=ANNA) == changed
    assert await chats.update_session(S1, scope=ANNA) == changed
    assert await chats.update_session(S1, scope=ANNA, title="", metadata={}) == replace(changed, title="")


async def test_an_update_of_metadata_leaves_the_keys_of_others(chats: ChatStore) -> None:
    await begin(chats)
    await chats.update_session(S1, scope=ANNA, metadata={"mode": "redact", "a.b$": {"x": 1}})
    await chats.update_session(S1, scope=ANNA, summary=("so far", 4), metadata={"analysis": {"topics": ["bread"]}})
    changed = await chats.update_session(S1, scope=ANNA, metadata={"mode": None, "a.b$": {"y": 2}})
    assert changed.metadata == {"mode": None, "a.b$": {"y": 2}, "analysis": {"topics": ["bread"]}}


async def test_a_summary_that_covers_less_is_ignored_and_the_rest_is_not(chats: ChatStore) -> None:
    """D13"""
    await begin(chats)
    await chats.update_session(S1, scope=ANNA, summary=("of eight", 8))
    late = await chats.update_session(S1, scope=ANNA, summary=("of four", 4), title="Munich")
    assert (late.summary, late.summary_seq, late.title) == ("of eight", 8, "Munich")
    assert await chats.update_session(S1, scope=ANNA, summary=("of four", 4)) == late
    assert (await chats.update_session(S1, scope=ANNA, summary=("again", 8))).summary == "again"


async def test_a_deleted_session_is_gone_with_its_messages(chats: ChatStore, chat_bench: ChatBench) -> None:
    await begin(chats)
    await begin(chats, "s2")
    await say(chats, build_message(1), build_message(1, session="s2"))
    await chat_bench.settle()
    await say(chats, build_message(2), build_message(2, session="s2"))
    assert await chats.delete_session(S1, scope=ANNA) is True
    assert await chats.delete_session(S1, scope=ANNA) is False
    with pytest.raises(NotFound):
        await chats.get_session(S1, scope=ANNA)
    assert await heard(chats) == []
    assert ids_of(await chats.list_sessions(scope=ANNA, limit=9)) == ["s2"]
    assert numbers(await heard(chats, "s2")) == [1, 2]
    counted = await chats.count(ANNA)
    assert (counted["sessions"], counted["messages"]) == (2, 2), "one of them a tombstone"


async def test_what_is_written_late_does_not_bring_a_deleted_session_back(
    chats: ChatStore, chat_bench: ChatBench
) -> None:
    """D13: resurrected records = 0."""
    await begin(chats)
    await chats.delete_session(S1, scope=ANNA)
    await say(chats, build_message(1))
    assert await heard(chats) == []
    await chat_bench.settle()
    assert await heard(chats) == []
    with pytest.raises(NotFound):
        await chats.update_session(S1, scope=ANNA, title="x")
    assert (await chats.count(ANNA))["messages"] == 0


async def test_writing_while_the_session_is_deleted_leaves_nothing(chats: ChatStore, chat_bench: ChatBench) -> None:
    for n in range(10):
        name = f"s{n}"
        await begin(chats, name)
        writes = [say(chats, build_message(seq, session=name)) for seq in range(1, 5)]
        await asyncio.gather(*writes[:2], chats.delete_session(SessionId(name), scope=ANNA), *writes[2:])
        assert await heard(chats, name) == []
    await chat_bench.settle()
    assert (await chats.count(ANNA))["messages"] == 0


# --- profiles and decisions


async def test_a_profile_is_replaced_whole(chats: ChatStore) -> None:
    assert await chats.get_profile(ANNA) == {}
    await chats.put_profile(METADATA, scope=ANNA)
    assert await chats.get_profile(ANNA) == METADATA
    await chats.put_profile({"mode": "redact"}, scope=ANNA)
    assert await chats.get_profile(ANNA) == {"mode": "redact"}
    assert await chats.get_profile(BEN) == {}


async def test_decisions_are_listed_newest_first_in_pages_and_by_state(chats: ChatStore) -> None:
    given = [build_decision(f"d{n}", at=NOW + (n // 3) * MILLISECOND) for n in range(8)]
    await chats.put_decisions(given[:5], scope=ANNA)
    await chats.put_decisions(given[5:], scope=ANNA)
    listed = await chats.list_decisions(scope=ANNA, limit=99)
    assert listed == given[::-1]
    last = listed[2]
    after = Keyset(round(last.created_at.timestamp() * 1000), last.id)
    assert await chats.list_decisions(scope=ANNA, limit=3, after=after) == listed[3:6]
    await chats.decide(DecisionId("d4"), "kept_both", scope=ANNA, now=NOW)
    assert ids_of(await chats.list_decisions(scope=ANNA, limit=9, state="kept_both")) == ["d4"]
    pending = await chats.list_decisions(scope=ANNA, limit=3, after=after, state="pending")
    assert ids_of(pending) == ["d3", "d2", "d1"]


async def test_a_decision_is_made_once(chats: ChatStore) -> None:
    given = build_decision("d1")
    await chats.put_decisions([given], scope=ANNA)
    settled = await chats.decide(given.id, "kept_new", scope=ANNA, now=NOW)
    assert settled == replace(given, state="kept_new", decided_at=NOW)
    with pytest.raises(Conflict, match="kept_new"):
        await chats.decide(given.id, "undone", scope=ANNA, now=NOW)
    with pytest.raises(NotFound, match="decision"):
        await chats.decide(DecisionId("d2"), "undone", scope=ANNA, now=NOW)
    await chats.put_decisions([given, build_decision("d3")], scope=ANNA)
    assert await chats.list_decisions(scope=ANNA, limit=9) == [build_decision("d3"), settled]


# --- erasure


async def test_erasing_an_owner_removes_everything_and_tells_what(chats: ChatStore, chat_bench: ChatBench) -> None:
    for scope, name in ((ANNA, "a"), (BEN, "b")):
        await begin(chats, name, scope=scope)
        await say(chats, build_message(1, session=name), scope=scope)
        await chats.put_profile({"x": 1}, scope=scope)
        await chats.put_decisions([build_decision(f"d{name}")], scope=scope)
    await begin(chats, "gone")
    await chats.delete_session(SessionId("gone"), scope=ANNA)
    await chat_bench.settle()
    await say(chats, build_message(2, session="a"))
    assert await chats.erase(ANNA) == {"sessions": 2, "messages": 2, "profiles": 1, "decisions": 1}
    assert set((await chats.count(ANNA)).values()) == {0}
    assert set((await chats.erase(ANNA)).values()) == {0}
    assert await chats.count(BEN) == {"sessions": 1, "messages": 1, "profiles": 1, "decisions": 1}
    assert await heard(chats, "a") == []
    assert numbers(await heard(chats, "b", scope=BEN)) == [1]


async def test_what_is_written_late_does_not_bring_an_erased_owner_back(
    chats: ChatStore, chat_bench: ChatBench
) -> None:
    """D13, S17"""
    await begin(chats)
    await say(chats, build_message(1))
    await asyncio.gather(say(chats, build_message(2)), chats.erase(ANNA), say(chats, build_message(3)))
    await say(chats, build_message(4))
    assert await heard(chats) == []
    await chat_bench.settle()
    assert set((await chats.count(ANNA)).values()) == {0}


async def test_an_erased_owner_may_begin_anew(chats: ChatStore, chat_bench: ChatBench) -> None:
    await begin(chats)
    await say(chats, build_message(1, "old"))
    await chats.erase(ANNA)
    assert (await begin(chats)).next_seq == 2
    await say(chats, build_message(1, "new"))
    await chat_bench.settle()
    assert [message.content for message in await heard(chats)] == ["new"]


@pytest.mark.needs(Capability.OWN_FILES)
async def test_no_byte_of_what_was_erased_stays_in_the_files(
    chats: ChatStore, chat_bench: ChatBench, tmp_path: Path
) -> None:
    """D10 of erasure: rows, indexes, logs, journals."""
    await begin(chats, "kept")
    for n in range(40):
        name = f"CANARY-session-{n}"
        await begin(chats, name)
        await say(chats, *(build_message(seq, f"CANARY {seq} " * 50, session=name) for seq in range(1, 20)))
        await chats.update_session(SessionId(name), scope=ANNA, title="CANARY", summary=("CANARY " * 99, 3))
        if n % 10 == 5:
            await chat_bench.settle()
        await say(chats, build_message(20, "CANARY waits", session=name))
    for n in range(40):
        name = SessionId(f"CANARY-session-{n}")
        await chats.delete_session(name, scope=ANNA)
    assert b"CANARY " not in every_byte(tmp_path), "of the sessions only their ids stay"
    await begin(chats, "s1")
    await say(chats, build_message(1, "CANARY"))
    await chats.put_profile({"x": "CANARY"}, scope=ANNA)
    await chats.put_decisions([build_decision("CANARY", reason="CANARY")], scope=ANNA)
    assert b"CANARY" in every_byte(tmp_path)
    await chats.erase(ANNA)
    assert b"CANARY" not in every_byte(tmp_path)


def every_byte(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.needs(Capability.DURABLE)
async def test_what_was_acknowledged_is_seen_by_another_process(
    chat_backend: Backend[ChatBench], chats: ChatStore, tmp_path: Path
) -> None:
    await begin(chats)
    given = build_message(1)
    await say(chats, given)
    async with chat_backend.open(tmp_path) as other:
        assert await heard(other.store) == [given]
        assert (await begin(other.store)).next_seq == 3


async def test_opening_and_closing_twice_is_harmless(chats: ChatStore) -> None:
    await chats.open()
    await begin(chats)
    status = await chats.status()
    assert (status["sessions"], status["messages"]) == (1, 0)
    await chats.aclose()
    await chats.aclose()
