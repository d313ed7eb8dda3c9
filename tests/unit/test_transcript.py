"""D2, E1: what is kept of a turn: its two messages under numbers in a row, and what was noted of the session."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from context0.agents.permit import Erased, Permit
from context0.agents.transcript import Transcript
from context0.context.analysis import Analysis
from context0.context.built import ContextKey
from context0.errors import InvalidInput
from stores.errors import NotFound, Unavailable
from stores.records import Scope, SessionId
from tests.chat_bench import ANNA, Chat, build_turn, open_chat_bench
from tests.engine_bench import Faulty

S1: Final = SessionId("s1")
KEY: Final = ContextKey(scope=ANNA, session_id=S1)


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    async with open_chat_bench("reference", tmp_path) as bench:
        yield bench.chat(chats=Faulty)


def transcript_of(chat: Chat) -> Transcript:
    return Transcript(chat.engine, chat.service._contexts)


def store_of(chat: Chat) -> Faulty:
    store: Any = chat.engine._parts.chats
    assert isinstance(store, Faulty)
    return store


async def heard(chat: Chat) -> list[tuple[int, str, str, str]]:
    messages = await chat.heard(session_id="s1")
    return [(one.seq, one.role, one.content, one.state) for one in messages]


async def begun(chat: Chat, text: str = "hello there", **changes: Any) -> Any:
    """Return the turn with its session, as the coordinator goes on with it."""
    turn = build_turn(text, **changes)
    session, _ = await transcript_of(chat).begin(turn)
    return turn.evolve(session=session, answer=f"You said: {text}")


async def test_a_question_and_its_answer_have_two_numbers_in_a_row(chat: Chat) -> None:
    for number in (1, 2):
        turn = await begun(chat, f"question {number}", id=f"t{number}")
        answer = await transcript_of(chat).finish(turn, {"model": "m"}, state="complete")
        assert (answer.id, answer.metadata) == (
            f"t{number}-a",
            {"turn_id": f"t{number}", "mode": "normal", "model": "m"},
        )
    assert await heard(chat) == [
        (1, "user", "question 1", "complete"),
        (2, "assistant", "You said: question 1", "complete"),
        (3, "user", "question 2", "complete"),
        (4, "assistant", "You said: question 2", "complete"),
    ]


async def test_turns_that_overlap_keep_their_pairs(chat: Chat) -> None:
    turns = [await begun(chat, f"question {number}", id=f"t{number}") for number in range(3)]
    for turn in reversed(turns):
        await transcript_of(chat).finish(turn, {}, state="complete")
    assert [content for _, _, content, _ in await heard(chat)] == [
        text for number in range(3) for text in (f"question {number}", f"You said: question {number}")
    ]


async def test_a_session_is_titled_by_the_beginning_of_its_first_message(chat: Chat) -> None:
    await begun(chat, "word " * 100)
    await begun(chat, "another title", id="t2")
    title = (await chat.service.session("s1", user_id="anna")).title
    assert title.startswith("word word")
    assert len(title) <= 60


async def test_the_contexts_know_of_it_at_once(chat: Chat) -> None:
    contexts = chat.service._contexts
    contexts.begin(KEY)
    turn = await begun(chat)
    await transcript_of(chat).finish(turn, {}, state="partial")
    held = contexts.held(KEY)
    assert held is not None
    assert held.history is not None
    assert [(one.content, one.state) for one in held.history.messages] == [
        ("hello there", "complete"),
        ("You said: hello there", "partial"),
    ]
    assert store_of(chat).calls["recent"] == 0


async def test_a_turn_without_a_session_has_no_place(chat: Chat) -> None:
    with pytest.raises(InvalidInput):
        await transcript_of(chat).begin(build_turn("hello", session_id=None))


async def test_a_deleted_session_is_unknown_and_another_owner_s_of_that_name_is_another_one(chat: Chat) -> None:
    await begun(chat)
    await begun(chat)
    hers = await begun(chat, scope=Scope(owner="ben"))
    assert hers.session.next_seq == 3
    await chat.service.delete_session("s1", user_id="anna")
    with pytest.raises(NotFound):
        await begun(chat)


async def test_an_answer_is_masked_in_the_mode_redact(chat: Chat) -> None:
    turn = await begun(chat, "How do I reach her?", mode="redact")
    await transcript_of(chat).finish(turn.evolve(answer="Write to anna@example.com"), {}, state="complete")
    assert (await heard(chat))[-1][2] == "Write to [email]"


async def test_a_store_that_fails_is_raised_and_nothing_is_told_of_it(chat: Chat) -> None:
    contexts = chat.service._contexts
    contexts.begin(KEY)
    turn = await begun(chat)
    store_of(chat).down("put_messages", "reserve")
    with pytest.raises(Unavailable):
        await transcript_of(chat).finish(turn, {}, state="complete")
    with pytest.raises(Unavailable):
        await begun(chat, "again", id="t2")
    held = contexts.held(KEY)
    assert held is not None
    assert held.history is not None
    assert [one.content for one in held.history.messages] == ["hello there"]


async def test_after_an_erasure_nothing_of_the_turn_is_written(chat: Chat) -> None:
    turn = await begun(chat)
    turn.permit.revoke()
    transcript = transcript_of(chat)
    for work in (
        transcript.begin(build_turn("more", permit=turn.permit)),
        transcript.finish(turn, {}, state="complete"),
        transcript.note(turn, Analysis(topics=("bread",))),
    ):
        with pytest.raises(Erased):
            await work
    assert len(await heard(chat)) == 1


# --- what is noted of the session


async def test_a_note_is_one_write_and_none_where_nothing_changed(chat: Chat) -> None:
    turn = await begun(chat)
    transcript, analysis = (
        transcript_of(chat),
        Analysis(topics=("bread",), sentiment="positive", open_questions=("Why?",)),
    )
    await transcript.note(turn, analysis)
    session = await chat.service.session("s1", user_id="anna")
    assert session.metadata["analysis"] == {
        "topics": ["bread"],
        "sentiment": "positive",
        "open_questions": ["Why?"],
    }
    await transcript.note(turn.evolve(session=session), analysis)
    assert store_of(chat).calls["update_session"] == 1
    await transcript.note(turn.evolve(session=None), analysis)
    assert store_of(chat).calls["update_session"] == 1


async def test_a_summary_is_written_with_its_number_and_told_to_the_contexts(chat: Chat) -> None:
    turn = await begun(chat)
    await chat.service._contexts.get(KEY, {"session"})
    await transcript_of(chat).note(turn, Analysis(summary=("They spoke of bread.", 2)))
    session = await chat.service.session("s1", user_id="anna")
    assert (session.summary, session.summary_seq) == ("They spoke of bread.", 2)
    held = chat.service._contexts.held(KEY)
    assert held is not None
    assert held.session is not None
    assert held.session.summary == "They spoke of bread."


async def test_a_note_leaves_what_the_user_set(chat: Chat) -> None:
    turn = await begun(chat)
    await chat.service.set_mode("read_only", user_id="anna", session_id="s1")
    await transcript_of(chat).note(turn, Analysis(topics=("bread",)))
    assert (await chat.service.session("s1", user_id="anna")).metadata["mode"] == "read_only"


# --- the permit


async def test_a_write_goes_on_when_its_caller_gives_up_and_the_caller_waits_for_it() -> None:
    permit, go_on, written = Permit(), asyncio.Event(), []

    async def write() -> None:
        await go_on.wait()
        written.append("it")

    caller = asyncio.create_task(permit.write(write, deadline_s=10.0))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert written == ["it"]


async def test_whoever_erases_waits_for_what_is_being_written_and_no_longer_than_allowed() -> None:
    permit, go_on = Permit(), asyncio.Event()
    caller = asyncio.create_task(permit.write(go_on.wait, deadline_s=10.0))
    await asyncio.sleep(0)
    permit.revoke()
    idle = asyncio.create_task(permit.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    go_on.set()
    await idle
    assert await caller is True
    stuck = Permit()
    hanging = asyncio.create_task(stuck.write(asyncio.Event().wait, deadline_s=10.0))
    await asyncio.sleep(0)
    await stuck.idle(within_s=0.0)
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def test_a_write_has_a_deadline() -> None:
    with pytest.raises(TimeoutError):
        await Permit().write(asyncio.Event().wait, deadline_s=0.0)
