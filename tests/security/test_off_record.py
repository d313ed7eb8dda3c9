"""S16, B9: of a turn off the record nothing is left: no file, no log, no cache, no prompt of another turn."""

import gc
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from context0.chat.service import ChatService
from context0.llm.options import LlmOptions
from context0.llm.registry import build_llm
from context0.llm.scripted import ScriptedLLM
from context0.memory.engine import MemoryEngine
from context0.runtime import build_parts
from context0.settings import Settings
from tests.chat_bench import Chat, open_chat_bench, said_in
from tests.loopback_llm import loopback_llm
from tests.security.traces import files_in, held_in_caches, held_in_word_caches, residues

CANARY: Final = "zyxcanary4711"
TURNS: Final = (
    f"I live in {CANARY} and my mail is {CANARY}@example.com",
    f"Where is {CANARY}?",
    f"Summarise all that I said about {CANARY}, please",
    f"My password is {CANARY}. Remember that I like {CANARY} tea, and that my sister moved there in May",
    "try again",
)
MODES: Final = pytest.mark.parametrize("how", ["turn", "session", "user"])


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    """A chat whose files lie in one folder, with the journal that stands before a store elsewhere."""
    async with open_chat_bench("sqlite", tmp_path) as bench:
        yield bench.chat()


async def off_the_record(chat: Chat, how: str) -> None:
    await chat.say("I live in Munich")
    if how == "turn":
        options = {"mode": "off_record"}
    else:
        options = {}
        session = chat.session_id if how == "session" else None
        await chat.service.set_mode("off_record", user_id="anna", session_id=session)
    for text in TURNS:
        reply = await chat.say(text, **options)
        assert (reply.mode, reply.message_id, reply.memories_used, reply.memories_written) == (
            "off_record",
            None,
            (),
            (),
        )
        events = await chat.events(text, **options)
        assert [event.type for event in events][-1] == "done"
    await chat.service.set_mode(None, user_id="anna", session_id=chat.session_id)
    await chat.service.set_mode(None, user_id="anna")


@MODES
async def test_no_file_holds_a_byte_of_it(chat: Chat, tmp_path: Path, how: str) -> None:
    await off_the_record(chat, how)
    await chat.engine.flush()
    assert any(path.name.endswith("-wal") for path in files_in(tmp_path))
    assert [path.name for path in files_in(tmp_path) if holds(path)] == []
    await chat.engine.aclose()
    assert [path.name for path in files_in(tmp_path) if holds(path)] == []


async def test_nothing_of_it_goes_to_a_journal(tmp_path: Path) -> None:
    async with open_chat_bench("mongodb", tmp_path) as bench:
        chat = bench.chat()
        await off_the_record(chat, "turn")
        assert [path.name for path in files_in(tmp_path) if holds(path)] == []
        assert CANARY not in str(await everything(chat))


def holds(path: Path) -> bool:
    return bool(residues(path.read_bytes(), CANARY))


async def everything(chat: Chat) -> list[Any]:
    sessions = (await chat.service.sessions(user_id="anna")).items
    return [
        sessions,
        [await chat.heard(session_id=one.id) for one in sessions],
        await chat.remembered(),
        await chat.service.decisions(user_id="anna"),
    ]


@MODES
async def test_nothing_is_written_and_nothing_is_used(chat: Chat, how: str) -> None:
    await chat.say("I live in Munich")
    before = await everything(chat)
    await chat.service.delete_session(str(chat.session_id), user_id="anna")
    chat.session_id = None
    await chat.engine.delete((await chat.remembered())[0].id, user_id="anna")
    await off_the_record(chat, how)
    after = await everything(chat)
    assert [len(part) for part in (after[0], after[1][0], after[2])] == [1, 2, 1]
    assert [len(part) for part in before[:3]] == [1, 1, 1]
    assert chat.prompts[-1].sources == ()
    assert "Munich" not in "".join(said_in(prompt) for prompt in chat.prompts[2:])


@MODES
async def test_no_other_turn_is_shown_it(chat: Chat, how: str) -> None:
    await off_the_record(chat, how)
    seen = len(chat.prompts)
    for text in ("Where do I live?", "try again", "Summarise what I have told you", "yes", "And why there?"):
        await chat.say(text)
    assert CANARY not in "".join(said_in(prompt) + str(prompt.sources) for prompt in chat.prompts[seen:]).lower()


@MODES
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
async def test_no_line_of_a_log_holds_it(chat: Chat, caplog: pytest.LogCaptureFixture, level: int, how: str) -> None:
    """S14: nor of what another turn says."""
    with caplog.at_level(level):
        await off_the_record(chat, how)
        await chat.say(f"I live in {CANARY}")
    assert [record for record in caplog.records if record.msg == "chat.turn"]
    assert [record for record in caplog.records if CANARY in str(vars(record)).lower()] == []


async def test_the_client_of_the_model_logs_nothing_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with loopback_llm() as server, open_chat_bench("sqlite", tmp_path) as bench:
            llm = build_llm("openai", LlmOptions(base_url=server.base_url, model="stub"))
            chat = bench.chat(llm=llm)
            await chat.say(TURNS[0], mode="off_record")
            await llm.aclose()
            assert server.calls == 1
    assert [record for record in caplog.records if CANARY in (str(vars(record)) + record.getMessage()).lower()] == []


@pytest.mark.parametrize("provider", ["scripted", "extractive"])
async def test_no_cache_of_the_process_holds_it(tmp_path: Path, provider: str) -> None:
    settings = Settings(data_dir=tmp_path, store_url=f"sqlite:///{tmp_path}/x.db", llm_provider=provider)  # type: ignore[arg-type]  # two of them
    canary = f"qzw{provider}canary"
    async with MemoryEngine(parts=build_parts(settings)) as engine:
        llm = ScriptedLLM(lambda _: "Well.") if provider == "scripted" else build_llm("extractive")
        async with ChatService(engine, llm=llm) as service:
            await service.send("I live in Munich", user_id="anna")
            for text in TURNS:
                await service.send(text.replace(CANARY, canary), user_id="anna", mode="off_record")
            if isinstance(llm, ScriptedLLM):
                llm.prompts.clear()
            await Chat(service=service, engine=engine, llm=llm).settled()  # type: ignore[arg-type]  # only the service
            gc.collect()
            assert len(service._coordinator._team.privacy._scans) == 1
            assert list(held_in_caches(canary)) == []
            assert sorted(set(held_in_word_caches(canary))) == []
