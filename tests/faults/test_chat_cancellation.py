"""B7, D2, D19: a turn given up at each of its awaits: nothing leaks, what came is kept, the next turn works."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import pytest

from context0.chat.live import QUEUED_EVENTS
from context0.errors import EngineClosed
from context0.llm.scripted import ScriptedLLM
from context0.wire import ErrorEvent, TokenEvent
from stores.records import Message
from tests.chat_bench import Chat, ChatBench, of_type, open_chat_bench, reply_to
from tests.engine_bench import Faulty

FACT: Final = "I live in Munich near the river"
ASKING: Final = "Where do I live near the river?"
ANSWER: Final = f"You said: {ASKING}"
PATIENCE_S: Final = 5.0
MOST_STEPS: Final = 400


async def one_step(_: float) -> None:
    await asyncio.sleep(0)


def stepping() -> ScriptedLLM:
    """A model that gives way before each piece."""
    return ScriptedLLM(reply_to, first_token_s=1.0, interval_s=1.0, sleep=one_step)


@pytest.fixture(params=["reference", "sqlite"])
async def chats(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ChatBench]:
    async with open_chat_bench(request.param, tmp_path) as opened:
        yield opened


async def given_up_after(steps: int, work: Awaitable[Any]) -> bool:
    """Cancel `work` after so many turns of the event loop; False when it had ended by then."""
    task = asyncio.ensure_future(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    if task.done():
        await task
        return False
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    return True


def running() -> set["asyncio.Task[Any]"]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def ended(tasks: set["asyncio.Task[Any]"]) -> bool:
    """Tell whether tasks that nobody waits for end by themselves: a read that others may share goes on."""
    if tasks:
        _, tasks = await asyncio.wait(tasks, timeout=PATIENCE_S)
    return not tasks


async def watched(chat: Chat, session: str) -> None:
    """Read a turn as a client does that may go away at any time."""
    stream = chat.service.stream(ASKING, user_id="anna", session_id=session)
    async with aclosing(stream):
        async for _ in stream:
            pass


def sent(chat: Chat, session: str) -> Awaitable[Any]:
    return chat.service.send(ASKING, user_id="anna", session_id=session)


@pytest.mark.parametrize("how", [sent, watched], ids=["send", "stream"])
async def test_given_up_at_any_step_nothing_leaks_and_the_next_turn_works(
    chats: ChatBench, how: Callable[[Chat, str], Awaitable[Any]]
) -> None:
    llm = stepping()
    chat = chats.chat(llm=llm, chats=Faulty, documents=Faulty)  # both give way before each call
    await chat.say(FACT)
    before, partial, unanswered = running(), 0, 0
    for step in range(1, MOST_STEPS):
        session = str((await chat.service.send("hello there", user_id="anna")).session_id)
        await chat.settled()
        started, closed = llm.calls, llm.cancelled
        was_given_up = await given_up_after(step, how(chat, session))
        await chat.settled()
        assert "context0-chat-write" not in {task.get_name() for task in running()}
        assert await ended(running() - before), step
        messages = await chat.heard(session_id=session)
        check_thread(messages)
        if llm.calls > started and was_given_up:
            is_whole = messages[-1].content == ANSWER
            assert llm.cancelled - closed == (0 if is_whole else 1) or is_whole, step
        partial += messages[-1].state == "partial"
        unanswered += messages[-1].role == "user"
        assert (await chat.service.send("hello again", user_id="anna", session_id=session)).state == "complete"
        check_thread(await chat.heard(session_id=session))
        if not was_given_up:
            break
    else:
        pytest.fail("the turn did not end")
    assert unanswered > 0
    if chats.engines.name == "reference":  # with threads beside the loop a step may be any
        assert partial > 3


def check_thread(messages: Sequence[Message]) -> None:
    """Each answer stands right behind its question, and no number is there twice."""
    by_number = {message.seq: message for message in messages}
    assert len(by_number) == len(messages)
    for message in messages:
        if message.role == "assistant":
            question = by_number[message.seq - 1]
            assert question.metadata["turn_id"] == message.metadata["turn_id"]
            assert f"You said: {question.content}".startswith(message.content)
            assert message.content


async def test_a_reader_who_leaves_ends_the_call_and_leaves_what_it_read(chats: ChatBench) -> None:
    chat = chats.chat(llm=stepping())
    stream = chat.service.stream(ASKING, user_id="anna")
    read = ""
    async for event in stream:
        if isinstance(event, TokenEvent):
            read += event.text
        if len(read.split()) == 3:
            break
    await stream.aclose()
    assert chat.llm.cancelled == 1
    await chat.settled()
    session = (await chat.service.sessions(user_id="anna")).items[0].id
    question, answer = await chat.heard(session_id=session)
    assert (question.content, answer.state) == (ASKING, "partial")
    assert answer.content.startswith(read)
    assert ANSWER.startswith(answer.content)


async def test_what_a_person_told_in_a_turn_that_was_given_up_is_remembered(chats: ChatBench) -> None:
    chat = chats.chat(llm=stepping())
    stream = chat.service.stream(FACT, user_id="anna")
    async for event in stream:
        if event.type == "token":
            break
    await stream.aclose()
    await chat.settled()
    assert [memory.content for memory in await chat.remembered()] == [FACT]


async def test_a_reader_who_leaves_after_done_stops_nothing(chats: ChatBench) -> None:
    chat = chats.chat(extraction=lambda _: '{"memories": []}')
    stream = chat.service.stream(FACT, user_id="anna")
    async for event in stream:
        if event.type == "done":
            break
    await stream.aclose()
    await chat.settled()
    assert [memory.content for memory in await chat.remembered()] == [FACT]


async def test_a_reader_who_never_reads_stops_the_model_and_not_the_closing(chats: ChatBench) -> None:
    """D20: the queue is bounded; the answer so far is kept when the chat is closed."""
    chat = chats.chat(llm=ScriptedLLM(lambda _: "word " * 2_000))
    chat.service._closing_s = 0.01
    stream: Any = chat.service.stream(ASKING, user_id="anna")
    session = await anext(stream)
    while not stream.ag_frame.f_locals["live"].is_full:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)
    await chat.service.aclose()
    events = [event async for event in stream]
    assert of_type(ErrorEvent, events)[-1].code == EngineClosed.code
    answer = (await chat.heard(session_id=session.session_id))[-1]
    assert (answer.state, 0 < len(answer.content.split()) <= QUEUED_EVENTS) == ("partial", True)


async def test_a_closed_chat_takes_no_turn_and_closes_twice(chats: ChatBench) -> None:
    chat = chats.chat()
    await chat.say(FACT)
    await chat.service.aclose()
    await chat.service.aclose()
    for call in (chat.service.send("hello", user_id="anna"), anext(chat.service.stream("hello", user_id="anna"))):
        with pytest.raises(EngineClosed):
            await call


async def test_send_ends_when_the_chat_is_closed_while_it_remembers(chats: ChatBench) -> None:
    """The manager is cut off, and the reply says so."""
    chat = chats.chat(documents=Faulty)
    await chat.say("hello there")
    documents: Any = chat.engine._parts.documents
    documents.hang("put_many")
    documents.called.clear()
    calls = documents.calls["put_many"]
    chat.service._closing_s = 0.01
    sending = asyncio.create_task(chat.service.send(FACT, user_id="anna"))
    while documents.calls["put_many"] == calls:  # noqa: ASYNC110 - `called` is set by every call
        await asyncio.sleep(0)
    closing = asyncio.create_task(chat.service.aclose())
    reply = await sending
    assert dict(reply.degraded) == {"memory_manager": "cancelled"}
    assert reply.memories_written == ()
    documents.repair()
    await closing
