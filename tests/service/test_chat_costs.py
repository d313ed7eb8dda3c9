"""B5, B6, C4: what a turn costs: calls of the model on every backend, commands on MongoDB behind a journal."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from context0.chat.service import ChatService
from context0.llm.scripted import ScriptedLLM
from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from context0.memory.rules.facts import decide_extraction
from context0.wire import TokenEvent
from stores.local.vectors import LocalVectors
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.monitoring import CommandCounter
from tests.chat_bench import Chat, ChatBench, reply_to
from tests.contracts.chat_bench import journal_over
from tests.engine_bench import FakeClock, HashingEmbedder
from tests.mongo_server import database_url, fresh_name

NONE: Final = "Where do I live?"
SIMPLE: Final = "I live in Munich"
FULL: Final = (
    "So yesterday was quite a day: first the train was late, then my sister rang because her landlord wants to sell the"
    " flat, and in the evening we decided that she will move in with us in October until she has found another one."
)


@pytest.mark.parametrize(("text", "reading"), [(NONE, "none"), (SIMPLE, "simple"), (FULL, "full")])
async def test_one_call_answers_and_only_a_full_reading_takes_another(
    chats: ChatBench, text: str, reading: str
) -> None:
    assert decide_extraction(text) == reading
    chat = chats.chat(extraction=lambda _: '{"memories": []}')
    assert chat.extraction is not None
    at_first: list[tuple[int, int]] = []
    async for event in chat.service.stream(text, user_id="anna"):
        if isinstance(event, TokenEvent) and not at_first:
            at_first.append((chat.llm.calls, chat.extraction.calls))
    await chat.settled()
    assert at_first == [(1, 0)]
    assert (chat.llm.calls, chat.extraction.calls) == (1, int(reading == "full"))


async def test_without_a_model_that_reads_there_is_one_call_whatever_is_said(chat: Chat) -> None:
    for calls, text in enumerate((NONE, SIMPLE, FULL, "Hello!", "try again"), start=1):
        await chat.say(text)
        assert chat.llm.calls == calls


class Counted:
    """Chats on one database, and the commands that they send."""

    def __init__(self, url: str, folder: Path) -> None:
        self.counter = CommandCounter()
        self._url = url
        self._folder = folder
        self._engines: list[MemoryEngine] = []
        self._databases: list[MongoDatabase] = []

    async def chat(self) -> Chat:
        """Return a chat as in a process that was just started: everything is open, and nothing is known."""
        database = MongoDatabase(self._url, options=MongoOptions(min_pool=0, listeners=(self.counter,), timeout_s=60.0))
        documents = MongoDocuments(database)
        place = self._folder / f"journal-{len(self._engines)}"
        parts = EngineParts(
            documents=documents,
            graph=MongoGraph(database),
            chats=journal_over(MongoChats(database), place),
            vectors=LocalVectors(documents, staleness_s=3600.0),
            embedder=HashingEmbedder(),
            clock=FakeClock(),
            limits=Limits(index_interval_s=3600.0, owner_index_staleness_s=3600.0),
        )
        engine, llm = MemoryEngine(parts=parts), ScriptedLLM(reply_to)
        service = ChatService(engine, llm=llm)
        self._engines.append(engine)
        self._databases.append(database)
        await engine.chats()
        await engine.search("warm", user_id="nobody")
        return Chat(service=service, engine=engine, llm=llm)

    async def cost(self, chat: Chat, text: str, **options: Any) -> tuple[list[str], list[str]]:
        """Return the commands before the first token, and from there to `done`; none may come twice in a turn."""
        self.counter.reset()
        before: list[str] | None = None
        until: list[str] = []
        stream = chat.service.stream(text, user_id="anna", **{"session_id": chat.session_id, **options})
        async for event in stream:
            if event.type == "token" and before is None:
                before = self._named()
            if event.type == "done":
                until = self._named()[len(before or ()) :]
                sent = [(name, collection, _bare(body)) for name, collection, body in self.counter.sent]
                chat.session_id = event.session_id
        await chat.settled()
        assert before is not None
        twice = [each for each in sent if each[0] in ("find", "aggregate") and sent.count(each) > 1]
        assert twice == []
        return before, until

    def _named(self) -> list[str]:
        return [f"{name} {collection}" for name, collection, _ in self.counter.sent]

    async def aclose(self) -> None:
        await self._databases[0].handle.client.drop_database(self._databases[0].handle.name)
        for engine in self._engines:
            await engine.aclose()


def _bare(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("lsid", "maxTimeMS", "$clusterTime")}


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    opened = Counted(database_url(fresh_name()), tmp_path)
    try:
        yield opened
    finally:
        await opened.aclose()


RESERVE: Final = "findAndModify chat_sessions"
FETCH: Final = "find memories"
STORE: Final = "insert memories"
ANALYSIS: Final = "Summarise everything that I have told you about Munich"


async def test_a_warm_turn_reserves_and_fetches_and_no_more(counted: Counted) -> None:
    """B6: ≤ 5 before the first token, ≤ 2 from there to `done`."""
    chat = await counted.chat()
    await chat.say("I live in Munich near the river")
    await chat.say("The river is green")
    for text, written in (("Where do I live near the river?", []), ("I like bread", [FETCH, STORE]), ("yes?", [])):
        before, until = await counted.cost(chat, text)
        assert set(before) <= {RESERVE, FETCH}
        assert (len(before) <= 2, until) == (True, written)
    before, until = await counted.cost(chat, "We walked along the Isar until it rained")
    assert (len(before) <= 2, until) == (True, [STORE])
    before, until = await counted.cost(chat, "Hello!")
    assert (before, until) == ([RESERVE], [])


PROFILE: Final = "find chat_profiles"
SESSION: Final = "find chat_sessions"
HISTORY: Final = "find chat_messages"
INDEX: Final = ("aggregate memories", "aggregate memory_history", "find memories")
"""Once an owner in each process: how large it is, and its index."""


async def cold(counted: Counted, *, knows_owner: bool) -> Chat:
    """Return a chat in a process that knows nothing of the session of `teller`, and perhaps of the owner's memories."""
    teller = await counted.chat()
    await teller.say("I live in Munich near the river", project="house")
    await (await teller.engine.chats()).flush()  # type: ignore[attr-defined]  # behind a journal
    chat = await counted.chat()
    if knows_owner:
        await chat.engine.search("Munich", user_id="anna")
    chat.session_id = teller.session_id
    return chat


async def test_a_new_session_reads_the_mode_and_nothing_that_it_cannot_have(counted: Counted) -> None:
    chat = await cold(counted, knows_owner=True)
    chat.session_id = None
    before, until = await counted.cost(chat, "Where do I live near the river?")
    assert (sorted(before), until) == (sorted([PROFILE, RESERVE, FETCH]), [])


@pytest.mark.parametrize(
    ("text", "search"), [("Where do I live near the river?", [FETCH]), ("try again", []), ("Hello!", [])]
)
async def test_a_session_that_this_process_does_not_know_costs_five_commands(
    counted: Counted, text: str, search: list[str]
) -> None:
    """B6: both modes, the numbers, the history, the memories."""
    chat = await cold(counted, knows_owner=True)
    before, until = await counted.cost(chat, text)
    assert (sorted(before), until) == (sorted([PROFILE, SESSION, RESERVE, HISTORY, *search]), [])
    warm, _ = await counted.cost(chat, text)
    assert set(warm) <= {RESERVE, FETCH}
    assert len(warm) <= 2


async def test_the_first_search_of_an_owner_in_a_process_reads_the_index_beside(counted: Counted) -> None:
    chat = await cold(counted, knows_owner=False)
    before, _ = await counted.cost(chat, "Where do I live near the river?")
    assert sorted(before) == sorted([PROFILE, SESSION, RESERVE, HISTORY, FETCH, *INDEX])


async def test_a_full_turn_of_a_project_reads_preferences_and_facts_once(counted: Counted) -> None:
    """C3: what is built once serves the turns after it."""
    chat = await cold(counted, knows_owner=True)
    before, until = await counted.cost(chat, ANALYSIS, project="house")
    assert (sorted(before), until) == (sorted([PROFILE, SESSION, RESERVE, HISTORY, *[FETCH] * 3]), [STORE])
    warm, _ = await counted.cost(chat, ANALYSIS, project="house")
    assert sorted(warm) == sorted([RESERVE, FETCH])
