"""B9, S16: what each privacy mode lets a turn read, write and send, whose word counts, and what if it is unknown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from context0.agents.base import Turn
from context0.agents.coordinator import WITHHELD_ANSWER
from context0.chat.service import ChatService
from context0.errors import InvalidInput
from context0.llm.scripted import ScriptedLLM
from context0.privacy.report import PRIVACY_MODES
from context0.wire import PrivacyEvent
from stores.errors import NotFound
from stores.records import Scope
from tests.chat_bench import Chat, ChatBench, Watched, of_type, said_in

MAIL: Final = "anna@example.com"
SECRET: Final = "hunter2canary"
TELLING: Final = f"My mail is {MAIL} and my password is {SECRET}, and I live in Munich"
ANNA: Final = Scope(owner="anna")


def nothing_secret_in(*told: Any) -> bool:
    text = "".join(map(str, told))
    return MAIL not in text and SECRET not in text


async def counts(chat: Chat) -> tuple[dict[str, int], int]:
    return await (await chat.engine.chats()).count(ANNA), len(await chat.remembered())


async def test_read_only_uses_memory_and_history_and_writes_nothing(chat: Chat) -> None:
    await chat.say("I live in Munich near the river")
    before, session = await counts(chat), await chat.service.session(str(chat.session_id), user_id="anna")
    for text in ("Where do I live near the river?", "I like bread", "Summarise what I told you"):
        reply = await chat.say(text, mode="read_only")
        assert (reply.mode, reply.message_id, reply.memories_written) == ("read_only", None, ())
        assert reply.session_id == chat.session_id, "whoever goes on goes on in the same session"
    assert "I live in Munich near the river" in said_in(chat.prompts[1])
    assert "You said: I live in Munich" in said_in(chat.prompts[1])
    assert await counts(chat) == before
    assert await chat.service.session(str(chat.session_id), user_id="anna") == session


async def test_read_only_makes_no_session(chat: Chat) -> None:
    reply = await chat.say("I like bread", mode="read_only")
    assert (reply.session_id, reply.message_id, await counts(chat)) == (
        None,
        None,
        ({"sessions": 0, "messages": 0, "profiles": 0, "decisions": 0}, 0),
    )
    with pytest.raises(NotFound):
        await chat.say("I like bread", mode="read_only", session_id="nowhere")


async def test_read_only_is_shown_the_summary_of_a_long_talk(chat: Chat) -> None:
    await chat.say("The cat is called Minka")
    chats = await chat.engine.chats()
    session = str(chat.session_id)
    await chats.update_session(session, scope=ANNA, summary=("They spoke of the harbour.", 1))  # type: ignore[arg-type]  # a session's id
    await chat.say("What did we speak of?", mode="read_only")
    assert "They spoke of the harbour." in said_in(chat.prompts[-1])


@pytest.fixture
async def redacting(chats: ChatBench) -> AsyncIterator[Chat]:
    """A chat whose user said something unmasked before."""
    chat = chats.chat()
    await chat.say(TELLING)
    yield chat


async def test_redact_masks_what_is_kept_sent_and_embedded(chats: ChatBench) -> None:
    chat = chats.chat(extraction=lambda _: '{"memories": []}')
    embedder = chats.engines.embedder
    for text in (TELLING, f"Is {MAIL} my mail? And is it right that my password is {SECRET}?", "try again", "yes"):
        reply = await chat.say(text, mode="redact")
        assert reply.mode == "redact"
    assert nothing_secret_in(await chat.heard(), await chat.remembered(), embedder.calls)
    assert nothing_secret_in(await chat.service.sessions(user_id="anna"))
    assert nothing_secret_in(*(said_in(prompt) + str(prompt) for prompt in chat.prompts))
    assert chat.extraction is not None
    assert nothing_secret_in(*map(str, chat.extraction.prompts))
    assert "[email]" in (await chat.heard())[0].content
    assert any("[email]" in memory.content for memory in await chat.remembered())


async def test_redact_masks_what_was_said_before_it(redacting: Chat, chats: ChatBench) -> None:
    """Memories, history and the summary stay as they are, and go masked to the model, and into searches."""
    chats.engines.embedder.calls.clear()
    seen = len(redacting.prompts)
    for text in ("What is my mail and my password?", "And what about it?", "try again", "Summarise what I told you"):
        await redacting.say(text, mode="redact")
    shown = [said_in(prompt) + str(prompt) for prompt in redacting.prompts[seen:]]
    assert any("[email]" in text for text in shown)
    assert nothing_secret_in(*shown)
    assert nothing_secret_in(chats.engines.embedder.calls)


async def test_redact_masks_what_the_analyst_s_model_is_shown(chats: ChatBench) -> None:
    teller = chats.chat()
    await teller.say(TELLING)
    analyst = ScriptedLLM(lambda _: '{"topics": [], "sentiment": "neutral", "open_questions": [], "summary": ""}')
    chat = chats.chat()
    chat.coordinator._team.analyst._llm = analyst
    chat.session_id = teller.session_id
    for number in range(20):
        await chat.say(f"message {number}", mode="redact")
    assert analyst.calls == 20
    assert any("[email]" in said_in(prompt) for prompt in analyst.prompts)
    assert nothing_secret_in(*map(said_in, analyst.prompts))
    assert nothing_secret_in((await chat.service.session(str(chat.session_id), user_id="anna")).summary)


async def test_redact_masks_the_answer_that_is_kept(chats: ChatBench) -> None:
    chat = chats.chat(lambda _: f"Write to {MAIL}")
    reply = await chat.say("How do I reach her?", mode="redact")
    assert reply.text == f"Write to {MAIL}", "what the model says is the reader's"
    assert (await chat.heard())[-1].content == "Write to [email]"


async def test_the_report_tells_what_was_found_without_the_text(chat: Chat) -> None:
    (event,) = of_type(PrivacyEvent, await chat.events(TELLING, mode="redact"))
    assert (event.report["found"], event.report["masked"]) == ({"email": 1, "password": 1}, True)
    assert nothing_secret_in(event)


@pytest.mark.parametrize("user", [None, "read_only", "redact"])
@pytest.mark.parametrize("session", [None, "normal", "redact", "read_only"])
@pytest.mark.parametrize("turn", [None, "normal", "off_record"])
async def test_the_nearest_word_counts(
    chats: ChatBench, turn: str | None, session: str | None, user: str | None
) -> None:
    chat = chats.chat()
    await chat.say("hello there")
    await chat.service.set_mode(user, user_id="anna")
    await chat.service.set_mode(session, user_id="anna", session_id=chat.session_id)
    wanted = turn or session or user or "normal"
    assert (await chat.say("I like bread", mode=turn)).mode == wanted
    assert await chat.service.mode(user_id="anna", session_id=chat.session_id) == (session or user or "normal")
    later = chats.chat()
    later.session_id = chat.session_id
    assert (await later.say("I like tea", mode=turn)).mode == wanted, "also after a restart"


async def test_a_mode_that_is_none_is_refused(chat: Chat) -> None:
    await chat.say("hello there")
    for mode in ("secret", "", "NORMAL", "off-record"):
        with pytest.raises(InvalidInput):
            await chat.service.set_mode(mode, user_id="anna")
        with pytest.raises(InvalidInput):
            await chat.say("hello", mode=mode)
    with pytest.raises(NotFound):
        await chat.service.set_mode("redact", user_id="anna", session_id="nowhere")
    assert {await chat.service.mode(user_id="anna")} == {"normal"}


async def test_a_mode_that_is_set_during_a_turn_holds_for_the_next_and_stays(chats: ChatBench) -> None:
    """What the analyst notes of a session does not take the place of what the user set meanwhile."""
    chat = chats.chat()
    await chat.say("hello there")
    session = str(chat.session_id)
    async for event in chat.service.stream("I like bread", user_id="anna", session_id=session):
        if event.type == "token":
            await chat.service.set_mode("read_only", user_id="anna", session_id=session)
    await chat.settled()
    metadata = (await chat.service.session(session, user_id="anna")).metadata
    assert (metadata["mode"], "analysis" in metadata) == ("read_only", True)
    other = chats.chat()
    other.session_id = session
    assert (await other.say("I like tea")).mode == "read_only"


async def test_a_mode_that_another_process_sets_for_a_session_holds_from_the_next_turn_on(chats: ChatBench) -> None:
    chat, other = chats.chat(), chats.chat()
    await chat.say("hello there")
    await other.service.set_mode("read_only", user_id="anna", session_id=chat.session_id)
    assert (await chat.say("I like bread")).mode == "normal", "it learns of it by this turn's numbers"
    assert (await chat.say("I like tea")).mode == "read_only"
    await chat.service.set_mode("redact", user_id="anna", session_id=chat.session_id)
    assert (await chat.say("I like milk")).mode == "redact"


async def test_a_new_session_s_mode_needs_no_query(chats: ChatBench) -> None:
    watched = Watched()
    chat = chats.chat(chats=watched)
    for text in ("hello there", "I like bread", "I like tea"):
        await chat.say(text)
    assert (watched.faulty.calls["get_session"], watched.faulty.calls["get_profile"]) == (0, 1)


async def test_a_mode_that_is_read_while_it_is_set_does_not_hide_it(chats: ChatBench) -> None:
    watched = Watched()
    chat = chats.chat(chats=watched)
    read, go_on = asyncio.Event(), asyncio.Event()
    await chat.engine.chats()

    async def wait() -> None:
        read.set()
        await go_on.wait()

    store = watched.faulty._store
    plain = store.get_profile

    async def slow(scope: Scope) -> Any:
        profile = await plain(scope)
        if not read.is_set():
            await wait()
        return profile

    watched.faulty._store = _With(store, get_profile=slow)
    turn = asyncio.create_task(chat.service.send("hello", user_id="anna"))
    await read.wait()
    await chat.service.set_mode("off_record", user_id="anna")
    go_on.set()
    await turn
    assert (await chat.say("I like bread", session_id=None)).mode == "off_record"


class _With:
    """A store with another method in the place of one."""

    def __init__(self, store: Any, **methods: Any) -> None:
        self._store = store
        vars(self).update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("fault", ["down", "hang"])
@pytest.mark.parametrize("method", ["get_profile", "get_session"])
async def test_without_the_user_s_choice_nothing_is_read_or_kept_and_what_is_sent_is_masked(
    chats: ChatBench, method: str, fault: str
) -> None:
    watched = Watched()
    chat = chats.chat(chats=watched)
    chat.service._modes_deadline_s = 0.05
    session = (await chats.chat().say("I live in Munich")).session_id
    await chat.engine.chats()
    getattr(watched.faulty, fault)(method)
    reply = await chat.say(TELLING, session_id=session)
    assert (reply.mode, reply.message_id, reply.memories_used) == ("off_record", None, ())
    assert set(reply.degraded) == {"profile"}
    assert nothing_secret_in(said_in(chat.prompts[-1]))
    assert chat.prompts[-1].missing, "no answer may take it for an empty memory"
    watched.faulty.repair()
    assert (await chat.say("I like bread", session_id=session)).mode == "normal"
    assert {memory.content for memory in await chat.remembered()} == {"I live in Munich", "I like bread"}


class BrokenGuardian:
    """Before the guardian of a chat: it fails, or never ends."""

    def __init__(self, service: ChatService, fault: str) -> None:
        self._guardian = service._coordinator._team.privacy
        self._fault = fault
        self.name, self.deadline_s, self.fallback = self._guardian.name, 0.05, self._guardian.fallback

    async def run(self, turn: Turn) -> Turn:
        if self._fault == "slow":
            await asyncio.Event().wait()
        raise RuntimeError(turn.text)


@pytest.mark.parametrize("fault", ["fails", "slow"])
@pytest.mark.parametrize("mode", PRIVACY_MODES)
async def test_a_turn_whose_message_could_not_be_looked_at_is_off_the_record(
    chats: ChatBench, mode: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    chat = chats.chat()
    team = chat.coordinator._team
    object.__setattr__(team, "privacy", BrokenGuardian(chat.service, fault))
    reply = await chat.say(TELLING, mode=mode)
    assert (reply.mode, reply.message_id, list(reply.degraded)) == ("off_record", None, ["privacy_guardian"])
    assert reply.privacy["checked"] is False
    assert (reply.text == WITHHELD_ANSWER) == (reply.state == "fallback") == (mode == "redact")
    assert len(chat.prompts) == (0 if mode == "redact" else 1)
    assert await counts(chat) == ({"sessions": 0, "messages": 0, "profiles": 0, "decisions": 0}, 0)
    assert nothing_secret_in(*(vars(record) for record in caplog.records)), "an error's text may be what a person said"
