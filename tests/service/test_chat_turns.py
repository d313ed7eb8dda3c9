"""B1, B7, B8, D6: what a turn tells, in which order, and what is kept of it, on every backend."""

from pathlib import Path

import pytest

from context0.chat.live import QUEUED_EVENTS
from context0.errors import InvalidInput
from context0.llm.protocol import Chunk, Prompt, Usage
from context0.wire import (
    DoneEvent,
    MemoriesEvent,
    MemoryWrittenEvent,
    PrivacyEvent,
    SessionEvent,
    TokenEvent,
)
from stores.errors import InvalidCursor, NotFound
from tests.chat_bench import Chat, ChatBench, done_of, of_type, open_chat_bench

FACT = "I live in Munich near the river"
QUESTION = "Where do I live?"
STAGES = ("privacy", "classify", "retrieval", "history", "session", "prepare", "prompt", "first_token", "stream")


async def test_the_events_come_in_order_and_tell_the_whole_turn(chat: Chat) -> None:
    told = await chat.say(FACT)
    events = await chat.events("Where do I live near the river?")
    kinds = [event.type for event in events]
    tokens = of_type(TokenEvent, events)
    assert kinds == ["session", "privacy", "memories", *["token"] * len(tokens), "done"]
    done = done_of(events)
    assert "".join(token.text for token in tokens) == done.text == "You said: Where do I live near the river?"
    assert of_type(SessionEvent, events)[0].session_id == done.session_id == told.session_id
    assert of_type(SessionEvent, events)[0].title == FACT
    assert [item.id for item in of_type(MemoriesEvent, events)[0].items] == list(done.memories_used)
    assert done.memories_used == told.memories_written
    assert of_type(PrivacyEvent, events)[0].report == done.privacy


async def test_what_rules_remember_is_durable_with_done_and_told_after_it(chat: Chat) -> None:
    events = await chat.events(FACT)
    assert [event.type for event in events][-2:] == ["done", "memory_written"]
    (written,) = of_type(MemoryWrittenEvent, events)
    (memory,) = await chat.remembered()
    assert written.memories == (memory.id,)
    assert done_of(events).memories_written == (memory.id,)


async def test_a_reader_who_is_behind_when_the_turn_ends_misses_nothing(chat: Chat) -> None:
    whole = await chat.events(FACT)
    stream = chat.service.stream(FACT, user_id="ben")
    slowly = [await anext(stream) for _ in range(len(whole) - QUEUED_EVENTS)]
    await chat.settled()
    slowly += [event async for event in stream]
    assert [event.type for event in slowly] == [event.type for event in whole]
    assert of_type(TokenEvent, slowly) == of_type(TokenEvent, whole)


async def test_send_is_the_same_turn_as_stream(chats: ChatBench) -> None:
    one, other = chats.chat(), chats.chat()
    sent = [await one.say(text, user_id="ben") for text in (FACT, QUESTION)]
    streamed: list[DoneEvent] = []
    for text in (FACT, QUESTION):
        events = await other.events(text)
        streamed.append(done_of(events))
        other.session_id = streamed[-1].session_id
    own = {"session_id", "turn_id", "message_id", "timings_ms", "memories_used", "memories_written", "usage", "type"}
    for reply, done in zip(sent, streamed, strict=True):
        assert reply.model_dump(exclude=own) == done.model_dump(exclude=own)
        assert (len(reply.memories_used), bool(reply.message_id)) == (len(done.memories_used), bool(done.message_id))


async def test_a_reply_names_what_it_used_wrote_and_cost(chat: Chat) -> None:
    first = await chat.say(FACT)
    (memory,) = await chat.remembered()
    assert first.memories_written == (memory.id,)
    reply = await chat.say("Where do I live near the river?")
    assert (reply.memories_used, reply.memories_written, reply.degraded) == ((memory.id,), (), {})
    assert (reply.model, reply.state, reply.fallback) == ("scripted:echo", "complete", None)
    assert (reply.mode, reply.operation, reply.tier) == ("normal", "moderate", "standard")
    assert reply.usage.completion_tokens == len(reply.text.split())
    assert reply.usage.prompt_tokens > reply.usage.completion_tokens


async def test_every_stage_is_timed(chat: Chat) -> None:
    """B8, D6: each arm of the search too."""
    await chat.say(FACT)
    timed = (await chat.say("Where do I live near the river?")).timings_ms
    assert set(STAGES) | {"persist", "total"} <= set(timed)
    assert {"retrieval.arm.semantic", "retrieval.arm.keyword", "retrieval.total"} <= set(timed)
    assert all(ms >= 0 for ms in timed.values())
    assert timed["first_token"] <= timed["total"]


class Citing:
    """A model that says which sources its answer rests on."""

    name = "citing:one"

    async def warm(self) -> None: ...

    async def aclose(self) -> None: ...

    async def stream(self, prompt: Prompt):  # type: ignore[no-untyped-def]  # as the protocol has it
        yield Chunk(text="In Munich.")
        yield Chunk(
            model=self.name, usage=Usage(prompt_tokens=7, completion_tokens=2), cited=(prompt.sources[0].memory_id,)
        )


async def test_what_the_answer_cites_is_told_and_kept(chats: ChatBench) -> None:
    teller = chats.chat()
    (memory_id,) = (await teller.say(FACT)).memories_written
    chat = chats.chat(llm=Citing())
    chat.session_id = teller.session_id
    reply = await chat.say("Where do I live near the river?")
    assert reply.cited == (memory_id,)
    answer = (await chat.heard())[-1]
    assert (answer.metadata["cited"], answer.metadata["memories_used"]) == ([memory_id], [memory_id])
    assert answer.metadata["usage"] == {"prompt_tokens": 7, "completion_tokens": 2}
    assert answer.id == reply.message_id


async def test_a_session_goes_on_over_turns_and_the_model_is_shown_what_was_said(chat: Chat) -> None:
    for text in ("The cat is called Minka", "And the dog Rex"):
        await chat.say(text)
    told = [(message.role, message.content, message.seq) for message in await chat.heard()]
    assert told == [
        ("user", "The cat is called Minka", 1),
        ("assistant", "You said: The cat is called Minka", 2),
        ("user", "And the dog Rex", 3),
        ("assistant", "You said: And the dog Rex", 4),
    ]
    shown = [(message.role, message.content) for message in chat.prompts[-1].messages[1:-1]]
    assert shown == [("user", told[0][1]), ("assistant", told[1][1])]


async def test_another_process_sees_the_talk_so_far(chats: ChatBench) -> None:
    """The store has it, or the journal of this machine has been flushed: the history is read anew where it grew."""
    one, other = chats.chat(), chats.chat()
    await one.say("The cat is called Minka")
    other.session_id = one.session_id
    for number in range(4):
        speaker = (one, other)[number % 2]
        await flushed(one, other)
        await speaker.say(f"message {number}")
    before = [message.content for message in other.prompts[-1].messages[1:-1]]
    assert before[:2] == ["The cat is called Minka", "You said: The cat is called Minka"]
    assert before[-2:] == ["message 2", "You said: message 2"]


async def flushed(*chats: Chat) -> None:
    for chat in chats:
        flush = getattr(await chat.engine.chats(), "flush", None)
        if flush is not None:
            await flush()


async def test_a_session_is_titled_by_its_first_message_and_can_be_renamed(chat: Chat) -> None:
    await chat.say("Tell me about Munich please")
    assert (await chat.service.session(str(chat.session_id), user_id="anna")).title == "Tell me about Munich please"
    renamed = await chat.service.rename(str(chat.session_id), user_id="anna", title="Munich")
    assert renamed.title == "Munich"
    assert of_type(SessionEvent, await chat.events("And Graz?"))[0].title == "Munich"
    for title in ("", " ", "x" * 257):
        with pytest.raises(InvalidInput):
            await chat.service.rename(str(chat.session_id), user_id="anna", title=title)


async def test_sessions_are_listed_page_by_page_the_latest_first(chats: ChatBench) -> None:
    chat = chats.chat()
    made: list[str] = []
    for number in range(5):
        chats.clock.advance(seconds=1)
        chat.session_id = None
        made.append(str((await chat.say(f"talk {number}")).session_id))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await chat.service.sessions(user_id="anna", limit=2, cursor=cursor)
        found += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == made[::-1]


async def test_messages_are_listed_page_by_page_the_newest_page_first(chat: Chat) -> None:
    for number in range(4):
        await chat.say(f"message {number}")
    session = str(chat.session_id)
    first = await chat.service.messages(session, user_id="anna", limit=3)
    second = await chat.service.messages(session, user_id="anna", limit=3, cursor=first.next_cursor)
    third = await chat.service.messages(session, user_id="anna", limit=3, cursor=second.next_cursor)
    assert [[one.seq for one in page.items] for page in (first, second, third)] == [[6, 7, 8], [3, 4, 5], [1, 2]]
    assert third.next_cursor is None


async def test_cursors_are_signed_and_belong_to_one_list(chat: Chat) -> None:
    """A9, S8"""
    for _ in range(2):
        await chat.say("hello there")
    session = str(chat.session_id)
    cursor = str((await chat.service.messages(session, user_id="anna", limit=1)).next_cursor)
    chat.session_id = None
    await chat.say("elsewhere")
    for text in ("x", cursor[:-2] + "AA", cursor + "A"):
        with pytest.raises(InvalidCursor):
            await chat.service.messages(session, user_id="anna", limit=1, cursor=text)
    with pytest.raises(InvalidCursor):
        await chat.service.messages(str(chat.session_id), user_id="anna", limit=1, cursor=cursor)
    with pytest.raises(InvalidCursor):
        await chat.service.sessions(user_id="anna", limit=1, cursor=cursor)


async def test_a_long_session_can_be_read_to_its_beginning_by_the_largest_pages(tmp_path: Path) -> None:
    async with open_chat_bench("reference", tmp_path) as chats:
        chat = chats.chat()
        for number in range(505):
            reply = await chat.service.send(f"message {number}", user_id="anna", session_id=chat.session_id)
            chat.session_id = reply.session_id
        await chat.settled()
        first = await chat.service.messages(str(chat.session_id), user_id="anna", limit=1_000)
        rest = await chat.service.messages(str(chat.session_id), user_id="anna", limit=1_000, cursor=first.next_cursor)
        assert len(first.items) + len(rest.items) == 1_010


async def test_a_deleted_session_is_gone_and_its_memories_stay(chat: Chat) -> None:
    await chat.say(FACT, project="house")
    session = str(chat.session_id)
    await chat.service.delete_session(session, user_id="anna")
    for call in (chat.service.session, chat.service.messages, chat.service.delete_session):
        with pytest.raises(NotFound):
            await call(session, user_id="anna")
    with pytest.raises(NotFound):
        await chat.say("Are you there?")
    with pytest.raises(NotFound):
        await chat.say("Where do I live?", mode="read_only", project="house")
    assert [memory.content for memory in await chat.remembered()] == [FACT]
    assert (await chat.service.sessions(user_id="anna")).items == ()


@pytest.mark.parametrize("message", ["", " \n", None, 5, "x" * 32_001, "a\0b", "\ud800"])
async def test_a_message_is_a_text_that_can_be_kept(chat: Chat, message: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        await chat.service.send(message, user_id="anna")  # type: ignore[arg-type]  # what the rule is about
    assert caught.value.field == "message"
    with pytest.raises(InvalidInput):
        await chat.events(message)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("options", [{"mode": "secret"}, {"session_id": ""}, {"project": "x" * 257}, {"mood": "good"}])
async def test_odd_options_are_refused_before_anything_is_done(chat: Chat, options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        await chat.service.send("hello", user_id="anna", **options)  # type: ignore[arg-type]  # what the rule is about
    assert (await chat.service.sessions(user_id="anna")).items == ()
    assert chat.prompts == []
