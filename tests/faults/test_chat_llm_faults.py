"""B5, D18: a model behind a network that fails in a turn: deadlines hold, what came is kept, the rest says so."""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from context0.llm.options import LlmOptions
from context0.llm.registry import build_llm
from context0.wire import ChatReply
from tests.chat_bench import Chat, ChatBench, open_chat_bench
from tests.loopback_llm import SILENCE, LoopbackLLM, Reply, loopback_llm, refusal, saying

FACT: Final = "I live in Munich near the river"
ASKING: Final = "Where do I live near the river?"
QUOTED: Final = f"“{FACT}”"
DEADLINE_S: Final = 1.5
LATEST_S: Final = DEADLINE_S + 3.0
"""What a loaded machine may take longer."""

Connected = Callable[..., Chat]


@pytest.fixture(scope="module", autouse=True)
def client_is_imported() -> None:
    """Importing takes longer than the deadlines here; `warm` does it in a running service."""
    importlib.import_module("openai")


@pytest.fixture
async def server() -> AsyncIterator[LoopbackLLM]:
    async with loopback_llm() as running:
        yield running


@pytest.fixture
async def chats(tmp_path: Path) -> AsyncIterator[ChatBench]:
    async with open_chat_bench("sqlite", tmp_path) as opened:
        yield opened


@pytest.fixture
async def connect(server: LoopbackLLM, chats: ChatBench) -> AsyncIterator[Connected]:
    opened = []

    def make(**options: float) -> Chat:
        chosen = {"deadline_s": DEADLINE_S, "first_token_s": 0.4, "between_tokens_s": 0.4, **options}
        llm = build_llm("openai", LlmOptions(base_url=server.base_url, model="stub", **chosen))  # type: ignore[arg-type]  # numbers
        opened.append(llm)
        return chats.chat(llm=llm)

    yield make
    for llm in opened:
        await llm.aclose()


async def timed(chat: Chat, text: str = ASKING) -> tuple[ChatReply, float]:
    started = time.monotonic()
    reply = await chat.say(text)
    return reply, time.monotonic() - started


async def in_talk(chat: Chat, server: LoopbackLLM, *replies: Reply) -> Chat:
    """Let the person tell something first, then script what comes."""
    server.script(saying("Nice."))
    await chat.say(FACT)
    server.script(*replies)
    return chat


async def test_a_refusal_that_passes_is_tried_again_as_the_server_asks(server: LoopbackLLM, connect: Connected) -> None:
    chat = await in_talk(connect(retry_share=1.0), server, refusal(429, retry_after="0.1"), saying("In Munich."))
    reply, _ = await timed(chat)
    assert (reply.text, reply.state, reply.fallback, reply.degraded) == ("In Munich.", "complete", None, {})
    assert server.calls == 3


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        ([refusal(429, retry_after="60")], "llm_unavailable"),
        ([refusal(500)] * 3, "llm_unavailable"),
        ([refusal(401)], "llm_rejected"),
        ([SILENCE], "llm_timeout"),
        ([Reply(tokens=(), then="hang")], "llm_timeout"),
        ([Reply(tokens=("late",), first_token_s=5.0)], "llm_timeout"),
    ],
    ids=["429 for a minute", "500", "401", "silence", "hangs after its head", "a first token in 5 s"],
)
async def test_a_model_that_says_nothing_is_an_answer_from_memory_that_says_so(
    server: LoopbackLLM, connect: Connected, replies: list[Reply], code: str
) -> None:
    chat = await in_talk(connect(retry_share=1.0), server, *replies)
    reply, took_s = await timed(chat)
    assert took_s < LATEST_S
    assert (reply.state, reply.fallback) == ("fallback", code)
    assert QUOTED in reply.text
    assert reply.text.startswith("The language model")
    answer = (await chat.heard())[-1]
    assert (answer.content, answer.state, answer.metadata["fallback"]) == (reply.text, "fallback", code)
    assert answer.id == reply.message_id


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Reply(tokens=("In ", "Mun"), then="hang"), "In Mun"),
        (Reply(tokens=("In ", "Mun"), then="cut"), "In Mun"),
        (Reply(tokens=("In ", "Munich", "."), interval_s=5.0), "In "),
        (Reply(tokens=("In ",), raw=(b'data: {"error": {"message": "overloaded"}}\n\n',)), "In "),
    ],
    ids=["hangs", "is cut", "one token in 5 s", "an error inside"],
)
async def test_an_answer_that_breaks_off_is_kept_as_far_as_it_came(
    server: LoopbackLLM, connect: Connected, broken: Reply, said: str
) -> None:
    chat = await in_talk(connect(), server, broken)
    reply, took_s = await timed(chat)
    assert took_s < LATEST_S
    assert (reply.text, reply.state) == (said, "partial")
    assert dict(reply.degraded) == {"conversation": "llm_interrupted"}
    answer = (await chat.heard())[-1]
    assert (answer.content, answer.state) == (said, "partial")
    server.script(saying("Go on."))
    assert ((await chat.say("And now?")).text, [one.seq for one in await chat.heard()]) == (
        "Go on.",
        [1, 2, 3, 4, 5, 6],
    )


async def test_one_token_after_another_ends_at_the_deadline_of_the_whole(
    server: LoopbackLLM, connect: Connected
) -> None:
    dripping = Reply(tokens=tuple(f"word{number} " for number in range(100)), interval_s=0.1)
    chat = await in_talk(connect(), server, dripping)
    reply, took_s = await timed(chat)
    assert took_s < LATEST_S
    assert (reply.state, dict(reply.degraded)) == ("partial", {"conversation": "llm_interrupted"})
    assert "word3" in reply.text
    await server.until(lambda: server.cancelled == 1)


async def test_a_reader_who_leaves_closes_the_call_at_the_server(server: LoopbackLLM, connect: Connected) -> None:
    """D19"""
    chat = await in_talk(connect(), server, Reply(tokens=("In ",) * 50, interval_s=0.2))
    stream = chat.service.stream(ASKING, user_id="anna", session_id=chat.session_id)
    async for event in stream:
        if event.type == "token":
            break
    await stream.aclose()
    await server.until(lambda: server.cancelled == 1, within_s=1.0)
    await chat.settled()
    assert (await chat.heard())[-1].state == "partial"


async def test_many_turns_at_a_model_that_is_gone_stop_asking_it(server: LoopbackLLM, connect: Connected) -> None:
    """The breaker: whoever comes later waits for nothing."""
    chat = await in_talk(connect(breaker_failures=3, retry_share=0.0, attempts=1), server)
    server.otherwise = SILENCE
    first = await asyncio.gather(*(chat.service.send(ASKING, user_id="anna") for _ in range(6)))
    asked = server.calls
    reply = await chat.say(ASKING)
    assert {one.state for one in (*first, reply)} == {"fallback"}
    assert server.calls == asked
