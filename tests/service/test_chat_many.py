"""S3, D13: many turns at once, of one session and of many users: nothing mixes, nothing is lost, the order stays."""

import asyncio
from collections.abc import Sequence
from typing import Final

from context0.llm.scripted import ScriptedLLM
from stores.records import Message
from tests.chat_bench import Chat, ChatBench, reply_to, said_in

TURNS: Final = 50
USERS: Final = 50


async def give_way(_: float) -> None:
    await asyncio.sleep(0)


def interleaved() -> ScriptedLLM:
    return ScriptedLLM(reply_to, first_token_s=1.0, interval_s=1.0, sleep=give_way)


async def test_fifty_turns_at_once_in_one_session_keep_their_pairs(chats: ChatBench) -> None:
    chat = chats.chat(llm=interleaved())
    await chat.say("hello there")
    session = str(chat.session_id)
    said = [f"note {number} about bread" for number in range(TURNS)]
    replies = await asyncio.gather(*(chat.service.send(text, user_id="anna", session_id=session) for text in said))
    await chat.settled()
    assert [reply.text for reply in replies] == [f"You said: {text}" for text in said]
    assert {(reply.state, reply.session_id, tuple(reply.degraded)) for reply in replies} == {("complete", session, ())}
    await check_session(chat, session, ["hello there", *said])
    later = chats.chat()
    await flush(chat)
    await later.say("Still there?", session_id=session)
    messages = await later.heard(session_id=session)
    assert [one.seq for one in messages] == list(range(1, 2 * (TURNS + 2) + 1))


async def check_session(chat: Chat, session: str, said: Sequence[str]) -> None:
    messages = await chat.heard(session_id=session)
    assert [one.seq for one in messages] == list(range(1, 2 * len(said) + 1))
    assert sorted(one.content for one in messages[::2]) == sorted(said)
    for question, answer in zip(messages[::2], messages[1::2], strict=True):
        assert_pair(question, answer)


def assert_pair(question: Message, answer: Message) -> None:
    assert (question.role, answer.role) == ("user", "assistant")
    assert answer.content == f"You said: {question.content}"
    assert question.metadata["turn_id"] == answer.metadata["turn_id"]


async def flush(chat: Chat) -> None:
    store = await chat.engine.chats()
    if hasattr(store, "flush"):
        await store.flush()


async def test_turns_of_many_users_do_not_mix(chats: ChatBench) -> None:
    chat = chats.chat(llm=interleaved())

    async def talk(number: int) -> tuple[str, list[str]]:
        user, session, answers = f"user{number}", None, []
        for text in (f"My word is zebra{number}x and I live in town{number}x", "What is my word?", "try again", "yes"):
            reply = await chat.service.send(text, user_id=user, session_id=session)
            session = reply.session_id
            answers.append(reply.text)
        return str(session), answers

    talks = await asyncio.gather(*map(talk, range(USERS)))
    await chat.settled()
    assert len({session for session, _ in talks}) == USERS
    for number, (session, answers) in enumerate(talks):
        assert all(answer.startswith("You said: ") for answer in answers)
        user = f"user{number}"
        heard = [one.content for one in await chat.heard(user_id=user, session_id=session)]
        assert_only(number, "".join([*heard, *(one.content for one in await chat.remembered(user))]))
    for prompt in chat.prompts:
        told = said_in(prompt) + "".join(source.content for source in prompt.sources)
        numbers = {number for number in range(USERS) if f"zebra{number}x" in told or f"town{number}x" in told}
        assert len(numbers) == 1, "each prompt is one user's"


def assert_only(number: int, text: str) -> None:
    assert f"zebra{number}x" in text
    assert not [other for other in range(USERS) if other != number and f"zebra{other}x" in text]


async def test_first_turns_at_once_open_everything_once(chats: ChatBench) -> None:
    """A8, S3: no turn is off the record because another one opens the stores."""
    chat = chats.chat()
    replies = await asyncio.gather(*(chat.service.send("hello there", user_id=f"u{number}") for number in range(20)))
    assert {(reply.mode, tuple(reply.degraded), bool(reply.message_id)) for reply in replies} == {("normal", (), True)}


async def test_many_first_turns_of_a_session_that_the_caller_names(chats: ChatBench) -> None:
    chat = chats.chat()
    said = [f"note {number}" for number in range(10)]
    await asyncio.gather(*(chat.service.send(text, user_id="anna", session_id="garden") for text in said))
    await chat.settled()
    await check_session(chat, "garden", said)
