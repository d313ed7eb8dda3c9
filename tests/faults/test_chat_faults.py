"""B1, D8: an agent or a store that fails in a turn: what the user gets, what is named, what is kept.

A part that is broken, late or cancelled is a part that is missing: the turn answers, tells it in `degraded`, and never
claims that something is durable which is not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from context0.errors import LLMError, LLMUnavailable
from context0.llm.protocol import Chunk, Prompt
from context0.wire import ErrorEvent
from stores.errors import Unavailable
from tests.chat_bench import Chat, ChatBench, Watched, done_of, of_type, open_chat_bench, said_in
from tests.engine_bench import Faulty

FACT: Final = "I live in Munich near the river"
ASKING: Final = "Where do I live near the river?"
PAIR: Final = [("user", 1), ("assistant", 2)]


@pytest.fixture(params=["reference", "sqlite"])
async def chats(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ChatBench]:
    async with open_chat_bench(request.param, tmp_path) as opened:
        yield opened


# --- agents


async def hang() -> None:
    await asyncio.Event().wait()


async def be_cancelled() -> None:
    """Wait for something that somebody else gives up."""
    given_up = asyncio.get_running_loop().create_future()
    given_up.cancel()
    await given_up


def raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


FAULTS: Final[dict[str, tuple[Callable[[], Awaitable[None]], str]]] = {
    "store error": (raising(Unavailable("down")), "store_unavailable"),
    "own error": (raising(LLMUnavailable("down")), "llm_unavailable"),
    "a fault": (raising(RuntimeError(FACT)), "error"),
    "too late": (hang, "deadline"),
    "cancelled": (be_cancelled, "cancelled"),
}
each_fault: Final = pytest.mark.parametrize("fault", FAULTS)


class Broken:
    """Stands before an agent: one of its methods waits for, or raises, something else first."""

    def __init__(self, agent: Any, method: str, fault: Callable[[], Awaitable[None]]) -> None:
        self._agent = agent
        self._method = method
        self._fault = fault
        self.deadline_s = 0.05

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._agent, name)
        if name != self._method:
            return member

        async def broken(*_: Any, **__: Any) -> None:
            await self._fault()

        return broken


def broken(chats: ChatBench, agent: str, method: str, fault: str) -> Chat:
    chat = chats.chat(extraction=lambda _: '{"memories": []}')
    team = chat.coordinator._team
    stand_in = Broken(getattr(team, agent), method, FAULTS[fault][0])
    object.__setattr__(team, agent, stand_in)
    if agent == "retrieval":
        chat.coordinator._preparation._retrieval = stand_in
    return chat


async def kept(chat: Chat) -> list[tuple[str, int]]:
    return [(message.role, message.seq) for message in await chat.heard()]


@each_fault
async def test_without_the_guardian_the_turn_is_off_the_record(chats: ChatBench, fault: str) -> None:
    chat = broken(chats, "privacy", "run", fault)
    reply = await chat.say(FACT)
    assert dict(reply.degraded) == {"privacy_guardian": FAULTS[fault][1]}
    assert (reply.text, reply.message_id, reply.mode) == (f"You said: {FACT}", None, "off_record")
    assert (await chat.service.sessions(user_id="anna")).items == ()
    assert await chat.remembered() == ()


@each_fault
@pytest.mark.parametrize("method", ["run", "recall"])
async def test_without_retrieval_there_is_an_answer_that_does_not_take_it_for_an_empty_memory(
    chats: ChatBench, fault: str, method: str
) -> None:
    session = (await chats.chat().say(FACT)).session_id
    chat = broken(chats, "retrieval", method, fault)
    chat.session_id = session
    reply = await chat.say(ASKING if method == "run" else "try again")
    assert dict(reply.degraded) == {"memory_retrieval": FAULTS[fault][1]}
    assert (reply.memories_used, bool(reply.message_id), reply.state) == ((), True, "complete")
    assert chat.prompts[-1].missing == ("memory_retrieval",)
    assert "could be looked up" in said_in(chat.prompts[-1])
    assert len(await chat.heard()) == 4


@each_fault
async def test_what_the_manager_misses_is_named_and_the_turn_is_kept(chats: ChatBench, fault: str) -> None:
    chat = broken(chats, "manager", "remember", fault)
    reply = await chat.say(FACT)
    assert dict(reply.degraded) == {"memory_manager": FAULTS[fault][1]}
    assert (reply.memories_written, await kept(chat), await chat.remembered()) == ((), PAIR, ())


@each_fault
async def test_what_the_analyst_misses_harms_nobody(
    chats: ChatBench, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    chat = broken(chats, "analyst", "analyse", fault)
    reply = await chat.say(FACT)
    assert (reply.degraded, len(reply.memories_written), await kept(chat)) == ({}, 1, PAIR)
    assert [vars(record)["reason"] for record in caplog.records if record.msg == "chat.analyst_failed"] == [
        FAULTS[fault][1]
    ]
    assert FACT not in caplog.text


class FailingModel:
    """Says some words, then fails."""

    name = "failing:model"

    def __init__(self, words: int, fault: Callable[[], Awaitable[None]]) -> None:
        self.words = words
        self.closed = 0
        self._fault = fault

    async def warm(self) -> None: ...

    async def aclose(self) -> None: ...

    async def stream(self, _: Prompt) -> AsyncIterator[Chunk]:
        try:
            for number in range(self.words):
                yield Chunk(text=f"word{number} ")
            await self._fault()
        finally:
            self.closed += 1


def with_model(chats: ChatBench, words: int, fault: str) -> tuple[Chat, FailingModel]:
    model = FailingModel(words, FAULTS[fault][0])
    chat = chats.chat(llm=model)
    chat.coordinator._team.conversation._deadline_s = 0.05
    return chat, model


@each_fault
async def test_a_model_that_never_began_is_an_error_and_what_was_told_is_kept(chats: ChatBench, fault: str) -> None:
    chat, model = with_model(chats, 0, fault)
    with pytest.raises(LLMError):
        await chat.say(FACT)
    await chat.settled()
    session = (await chat.service.sessions(user_id="anna")).items[0].id
    assert [(one.role, one.content) for one in await chat.heard(session_id=session)] == [("user", FACT)]
    assert [memory.content for memory in await chat.remembered()] == [FACT]
    events = await chat.events("And now?", session_id=session)
    assert [event.type for event in events] == ["session", "privacy", "memories", "error"]
    assert model.closed == 2


@each_fault
async def test_a_model_that_breaks_off_leaves_a_partial_answer(chats: ChatBench, fault: str) -> None:
    """D18: kept and marked, and the next turn is told of it."""
    chat, model = with_model(chats, 2, fault)
    events = await chat.events(FACT)
    await chat.settled()
    assert [event.type for event in events][-4:-1] == ["token", "error", "done"]
    done = done_of(events)
    assert (done.text, done.state, set(done.degraded)) == ("word0 word1 ", "partial", {"conversation"})
    assert of_type(ErrorEvent, events)[0].code == done.degraded["conversation"]
    answer = (await chat.heard(session_id=done.session_id))[-1]
    assert (answer.content, answer.state, answer.id) == ("word0 word1 ", "partial", done.message_id)
    assert model.closed == 1
    later = chats.chat()
    reply = await later.say(ASKING, session_id=done.session_id)
    assert (reply.state, [one.seq for one in await later.heard()]) == ("complete", [1, 2, 3, 4])


# --- stores


async def open_behind_faults(chats: ChatBench, **engine: Any) -> tuple[Chat, Faulty, Faulty]:
    """Return a chat that has talked once, and its stores of conversations and of memories."""
    conversations, documents = Watched(), Watched()
    chat = chats.chat(chats=conversations, documents=documents, **engine)
    await chat.say(FACT)
    return chat, conversations.faulty, documents.faulty


def break_down(store: Faulty, fault: str, method: str) -> None:
    (store.down if fault == "down" else store.hang)(method)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short deadlines, which only a store that hangs meets."""
    monkeypatch.setattr("context0.agents.transcript.PERSIST_DEADLINE_S", 0.1)
    monkeypatch.setattr("context0.agents.preparation.CONTEXT_DEADLINE_S", 0.1)


each_outage: Final = pytest.mark.parametrize("fault", ["down", "hang"])
REASONS: Final = {"down": "store_unavailable", "hang": "deadline"}


@each_outage
async def test_a_turn_without_a_place_in_its_session_answers_and_claims_nothing(
    chats: ChatBench, impatient: None, fault: str
) -> None:
    chat, conversations, _ = await open_behind_faults(chats)
    break_down(conversations, fault, "reserve")
    reply = await chat.say(ASKING)
    assert dict(reply.degraded) == {"session": REASONS[fault]}
    assert (reply.text, reply.message_id) == (f"You said: {ASKING}", None)
    assert reply.session_id == chat.session_id
    assert len(reply.memories_used) == 1
    fresh = await chat.service.send("hello there", user_id="anna")
    assert (fresh.session_id, fresh.message_id) == (None, None)
    conversations.repair()
    await chat.settled()
    again = await chat.say("hello again")
    assert (again.message_id is not None, again.degraded) == (True, {})
    assert [one.content for one in await chat.heard()][-2:] == ["hello again", "You said: hello again"]


@each_outage
async def test_an_answer_that_cannot_be_kept_is_said_to_be_not_kept(
    chats: ChatBench, impatient: None, fault: str
) -> None:
    chat, conversations, _ = await open_behind_faults(chats)
    stream = chat.service.stream(ASKING, user_id="anna", session_id=chat.session_id)
    events = []
    async for event in stream:
        events.append(event)
        if event.type == "memories":
            break_down(conversations, fault, "put_messages")
    done = done_of(events)
    assert (done.message_id, dict(done.degraded), done.state) == (None, {"persist": REASONS[fault]}, "complete")
    conversations.repair()
    await chat.settled()
    assert (await chat.say("hello again")).message_id is not None
    roles = [one.role for one in await chat.heard()]
    assert roles in (["user", "assistant", "user", "user", "assistant"], ["user", "assistant"] * 3)


@each_outage
async def test_a_history_that_cannot_be_read_is_named_and_told_to_the_model(
    chats: ChatBench, impatient: None, fault: str
) -> None:
    session = (await chats.chat().say(FACT)).session_id
    conversations = Watched()
    chat = chats.chat(chats=conversations)
    await chat.engine.chats()
    break_down(conversations.faulty, fault, "recent")
    reply = await chat.say(ASKING, session_id=session)
    assert dict(reply.degraded) == {"history": REASONS[fault]}
    assert (bool(reply.message_id), chat.prompts[-1].missing) == (True, ("history",))
    conversations.faulty.repair()
    assert (await chat.say("hello again")).degraded == {}
    assert "You said: " + FACT in said_in(chat.prompts[-1])


async def test_a_memory_that_cannot_be_searched_is_named(chats: ChatBench) -> None:
    chat, _, documents = await open_behind_faults(chats)
    documents.down("get_many", "keyword", "statements")
    reply = await chat.say(ASKING)
    assert reply.degraded["memory_retrieval"] in ("store_unavailable", "search_unavailable")
    assert (reply.memories_used, bool(reply.message_id)) == ((), True)
    assert chat.prompts[-1].missing


async def test_preferences_that_cannot_be_read_are_named(chats: ChatBench) -> None:
    chat, _, documents = await open_behind_faults(chats)
    documents.down("list_page")
    reply = await chat.say("Summarise what I have told you about Munich")
    assert dict(reply.degraded) == {"history": "store_unavailable"}
    assert (reply.tier, bool(reply.message_id)) == ("full", True)


async def test_a_memory_that_cannot_be_written_is_not_said_to_be(chats: ChatBench) -> None:
    chat, _, documents = await open_behind_faults(chats)
    documents.down("put_many")
    reply = await chat.say("I like bread")
    assert (reply.memories_written, dict(reply.degraded)) == ((), {"memory_manager": "store_unavailable"})
    assert bool(reply.message_id)
    documents.repair()
    assert len((await chat.say("I like tea")).memories_written) == 1


async def test_a_contradiction_that_cannot_be_noted_does_not_hide_the_memory(chats: ChatBench) -> None:
    chat, conversations, _ = await open_behind_faults(chats)
    await chat.say("My birthday is on 3 March")
    conversations.down("put_decisions")
    reply = await chat.say("My birthday is on 4 March")
    assert (len(reply.memories_written), dict(reply.degraded)) == (1, {"decisions": "store_unavailable"})


async def test_everything_down_is_an_answer_that_says_so(chats: ChatBench) -> None:
    chat, conversations, documents = await open_behind_faults(chats)
    session = chat.session_id
    conversations.down()
    documents.down()
    reply = await chat.say(ASKING, session_id="another")
    assert dict(reply.degraded) == {"profile": "store_unavailable"}, "that session may ask for more care"
    assert (reply.message_id, reply.memories_used, reply.memories_written) == (None, (), ())
    reply = await chat.say(ASKING, session_id=session)
    assert {"session", "memory_retrieval"} <= set(reply.degraded)
    assert (reply.message_id, reply.memories_used, reply.memories_written) == (None, (), ())
    conversations.repair()
    documents.repair()
    assert (await chat.say(ASKING, session_id=session)).degraded == {}


async def test_what_one_turn_meets_does_not_stay_for_the_next(chats: ChatBench) -> None:
    """A failed read is not cached."""
    chat, _, documents = await open_behind_faults(chats)
    for _ in range(3):
        documents.down("get_many")
        assert (await chat.say(ASKING)).memories_used == ()
        documents.repair()
        assert len((await chat.say(ASKING)).memories_used) == 1
