"""Chats made by hand for tests: on any backend, with a scripted model and a clock that stands still.

The conversations of MongoDB have a journal before them, as `runtime` puts it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from context0.agents.base import Turn
from context0.agents.coordinator import ContextCoordinator
from context0.agents.permit import Permit
from context0.chat.service import ChatService
from context0.context.operations import classify
from context0.context.tiers import tier_of
from context0.llm.protocol import Prompt
from context0.llm.scripted import Answer, ScriptedLLM
from context0.memory.engine import MemoryEngine
from context0.privacy.modes import report_for
from context0.privacy.report import PrivacyMode
from context0.privacy.scanning import scan
from context0.wire import ChatEvent, ChatReply, DoneEvent
from stores.chat_protocol import ChatStore
from stores.records import Memory, Message, Scope, SessionId
from tests.contracts.builders import NOW
from tests.contracts.chat_bench import journal_over
from tests.engine_bench import EngineBench, Faulty, open_bench

ANNA: Final = Scope(owner="anna")
EventT = TypeVar("EventT", bound=ChatEvent)


def reply_to(prompt: Prompt) -> Answer:
    """Answer with the question, so that each answer shows whose it is."""
    return f"You said: {prompt.question}"


class Watched:
    """Puts a faulty store, or embedder, before the bench's, and keeps it for the test."""

    faulty: Faulty

    def __call__(self, store: Any) -> Faulty:
        self.faulty = Faulty(store)
        return self.faulty


@dataclass(slots=True, kw_only=True)
class Chat:
    """A chat service with what it was made of."""

    service: ChatService
    engine: MemoryEngine
    llm: ScriptedLLM
    extraction: ScriptedLLM | None = None
    session_id: str | None = None

    @property
    def prompts(self) -> Sequence[Prompt]:
        return self.llm.prompts

    @property
    def coordinator(self) -> ContextCoordinator:
        return self.service._coordinator

    async def say(self, text: str, *, user_id: str = "anna", **options: Any) -> ChatReply:
        """Send a message in the session of this talk, and wait for all that comes of it."""
        reply = await self.service.send(text, user_id=user_id, **{"session_id": self.session_id, **options})
        self.session_id = reply.session_id or self.session_id
        await self.settled()
        return reply

    async def events(self, text: str, *, user_id: str = "anna", **options: Any) -> list[ChatEvent]:
        """Return all events of a turn."""
        stream = self.service.stream(text, user_id=user_id, **{"session_id": self.session_id, **options})
        return [event async for event in stream]

    async def settled(self) -> None:
        """Return when nothing is left to do in the background."""
        while self.service._background:
            await asyncio.wait(set(self.service._background))

    async def heard(self, *, user_id: str = "anna", session_id: str | None = None) -> Sequence[Message]:
        """Return the last messages of the session."""
        page = await self.service.messages(session_id or str(self.session_id), user_id=user_id, limit=999)
        return page.items

    async def remembered(self, user_id: str = "anna") -> Sequence[Memory]:
        """Return all memories, the oldest first."""
        return (await self.engine.list(user_id=user_id, limit=999)).items[::-1]


class ChatBench:
    """One backend's storage, and the chats that were opened on it."""

    def __init__(self, engines: EngineBench, folder: Path) -> None:
        self.engines = engines
        self.clock = engines.clock
        self.folder = folder
        self._journals = 0

    def chat(
        self,
        script: Sequence[Answer] | Callable[[Prompt], Answer] = reply_to,
        *,
        llm: Any = None,
        extraction: Any = None,
        chats: Callable[[ChatStore], Any] | None = None,
        **engine: Any,
    ) -> Chat:
        """Return a chat that has opened nothing yet.

        extraction: the script of a model that reads messages. chats: what is put before the conversations, outside of
        a journal. engine: as `EngineBench.engine` takes it.
        """
        answers = ScriptedLLM(script) if llm is None else llm
        reads = None if extraction is None else ScriptedLLM(extraction)
        made = self.engines.engine(chats=lambda store: self._conversations(store, chats), **engine)
        service = ChatService(made, llm=answers, extraction_llm=reads)
        return Chat(service=service, engine=made, llm=answers, extraction=reads)

    def _conversations(self, store: ChatStore, before: Callable[[ChatStore], Any] | None) -> Any:
        if not store.local:
            self._journals += 1
            store = journal_over(store, self.folder / f"journal-{self._journals}")
        return store if before is None else before(store)


@asynccontextmanager
async def open_chat_bench(backend: str, folder: Path) -> AsyncIterator[ChatBench]:
    async with open_bench(backend, folder) as engines:
        yield ChatBench(engines, folder)


def of_type(kind: type[EventT], events: Sequence[ChatEvent]) -> list[EventT]:
    return [event for event in events if isinstance(event, kind)]


def done_of(events: Sequence[ChatEvent]) -> DoneEvent:
    (done,) = of_type(DoneEvent, events)
    return done


def said_in(prompt: Prompt) -> str:
    """Return everything that a model is shown."""
    return "\n".join(message.content for message in prompt.messages)


@dataclass(slots=True, kw_only=True)
class TurnBuilder:
    """Turns as the guardian and the classifier leave them."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, text: str, mode: PrivacyMode = "normal", **changes: Any) -> Turn:
        asked = classify(text)
        told: dict[str, Any] = {
            "id": "t1",
            "scope": ANNA,
            "session_id": SessionId("s1"),
            "asked_at": NOW,
            "mode": mode,
            "privacy": report_for(mode, scan(text)),
            "operation": asked.operation,
            "tier": tier_of(asked),
            "permit": Permit(),
        }
        return Turn(text=text, **{**told, **self.fields, **changes})


build_turn: Final = TurnBuilder()
