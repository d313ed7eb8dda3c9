"""S17: a user is erased while turns of theirs are under way: nothing of them is left, in no store and no cache."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from context0.llm.scripted import ScriptedLLM
from context0.wire import DoneEvent, TokenEvent
from stores.records import Scope
from tests.chat_bench import Chat, ChatBench, Watched, done_of, open_chat_bench, reply_to, said_in
from tests.engine_bench import Faulty

FACT: Final = "I live in Munich near the canary4711, and my sister moved there in May"
LONG: Final = (
    "So yesterday was quite a day: first the train was late, then my sister rang because her landlord wants to sell the"
    " flat near the canary4711, and in the evening we decided that she will move in with us in October."
)
NOTHING: Final = {"sessions": 0, "messages": 0, "profiles": 0, "decisions": 0}
ANNA: Final = Scope(owner="anna")


async def nothing_is_left(chat: Chat) -> None:
    await chat.settled()
    store = await chat.engine.chats()
    assert await store.count(ANNA) == NOTHING
    assert await chat.remembered() == ()
    assert await chat.engine._parts.documents.count(ANNA) == dict.fromkeys(
        await chat.engine._parts.documents.count(ANNA), 0
    )
    seen = len(chat.prompts)
    await chat.say("Summarise what I have told you", session_id=None)
    await chat.say("try again")
    assert "canary4711" not in "".join(said_in(prompt) for prompt in chat.prompts[seen:])
    assert (await chat.service.session(str(chat.session_id), user_id="anna")).next_seq == 5


def faulty_chat(chats: ChatBench, **options: Any) -> tuple[Chat, Faulty, Faulty]:
    conversations, documents = Watched(), Watched()
    chat = chats.chat(chats=conversations, documents=documents, **options)
    return chat, conversations.faulty, documents.faulty


class Gated(ScriptedLLM):
    """Says one word, and the rest when it is let."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        super().__init__(reply_to, interval_s=1.0, sleep=self._wait)

    async def _wait(self, _: float) -> None:
        await self.gate.wait()


async def erased_in_the_answer(chat: Chat, llm: Gated) -> DoneEvent:
    events = []
    async for event in chat.service.stream(FACT, user_id="anna", session_id=chat.session_id):
        events.append(event)
        if isinstance(event, TokenEvent) and not llm.gate.is_set():
            assert (await chat.engine.delete_all(user_id="anna")).ok
            llm.gate.set()
    await chat.settled()
    assert not any(event.type == "memory_written" for event in events)
    return done_of(events)


@pytest.mark.parametrize("before", [[], [FACT]], ids=["new", "old"])
async def test_erased_while_the_answer_is_streamed(chats: ChatBench, before: list[str]) -> None:
    llm = Gated()
    chat = chats.chat(llm=llm)
    for text in before:
        chat.session_id = (await chats.chat().say(text)).session_id
    done = await erased_in_the_answer(chat, llm)
    degraded = {"persist": "erased"} if before else {"persist": "erased", "memory_manager": "erased"}
    assert (done.text, done.message_id, dict(done.degraded)) == (f"You said: {FACT}", None, degraded)
    await nothing_is_left(chat)


@pytest.mark.parametrize("method", ["get_profile", "reserve", "put_messages", "recent"])
async def test_erased_while_the_conversation_s_store_is_at_work(chats: ChatBench, method: str) -> None:
    """What is being written is waited for, and what would be written afterwards is not begun."""
    chat, conversations, _ = faulty_chat(chats)
    await chat.say("hello there", session_id=None)
    chat.service._modes.clear()
    chat.service._contexts.drop(ANNA)
    await erased_during(chat, conversations, method, FACT)
    await nothing_is_left(chat)


@pytest.mark.parametrize("method", ["get_many", "statements", "put_many"])
async def test_erased_while_the_memories_store_is_at_work(chats: ChatBench, method: str) -> None:
    chat, _, documents = faulty_chat(chats)
    await chat.say("hello there, my name is Anna and I live in Graz", session_id=None)
    await erased_during(chat, documents, method, FACT)
    await nothing_is_left(chat)


async def erased_during(chat: Chat, store: Faulty, method: str, text: str) -> None:
    """Begin a turn, erase its user when it is in a method of a store, and let that go on only then."""
    erasing: list[asyncio.Task[Any]] = []

    async def erase() -> None:
        if not erasing:
            erasing.append(asyncio.create_task(chat.engine.delete_all(user_id="anna")))
            for _ in range(50):  # as far as it comes while this is under way
                await asyncio.sleep(0)

    store.before[method] = erase
    reply = await chat.service.send(text, user_id="anna", session_id=chat.session_id)
    assert reply.text == f"You said: {text}"
    store.before.clear()
    assert len(erasing) == 1, "the turn came by"
    assert (await erasing[0]).ok
    await chat.settled()


async def test_erased_while_a_model_reads_the_message(chats: ChatBench) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: float) -> None:
        reading.set()
        await go_on.wait()

    chat = chats.chat()
    notes = '{"memories": [{"statement": "The landlord wants to sell the canary4711", "kind": "semantic"}]}'
    chat.coordinator._team.manager._llm = ScriptedLLM(lambda _: notes, first_token_s=1.0, sleep=wait)
    reply = await chat.service.send(LONG, user_id="anna")
    assert len(reply.memories_written) == 1
    async with asyncio.timeout(10.0):
        await reading.wait()
    assert (await chat.engine.delete_all(user_id="anna")).ok
    go_on.set()
    await nothing_is_left(chat)


async def test_what_is_said_after_an_erasure_is_kept(chats: ChatBench) -> None:
    chat = chats.chat()
    await chat.say(FACT)
    await chat.engine.delete_all(user_id="anna")
    reply = await chat.say("I like bread")
    assert (bool(reply.message_id), len(reply.memories_written), reply.degraded) == (True, 1, {})
    assert [one.seq for one in await chat.heard()] == [1, 2]


async def test_the_turns_of_others_go_on(chats: ChatBench) -> None:
    chat = chats.chat()
    await chat.say("hello there", user_id="ben")
    chat.session_id = None
    events = []
    async for event in chat.service.stream("I like bread", user_id="ben"):
        events.append(event)
        if event.type == "memories":
            await chat.engine.delete_all(user_id="anna")
    assert bool(done_of(events).message_id)
    assert events[-1].type == "memory_written"


async def test_no_file_holds_a_byte_of_a_turn_that_was_under_way(tmp_path: Path) -> None:
    async with open_chat_bench("sqlite", tmp_path) as chats:
        llm = Gated()
        await erased_in_the_answer(chats.chat(llm=llm), llm)
        assert [path.name for path in files_in(tmp_path) if b"canary4711" in path.read_bytes()] == []


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
