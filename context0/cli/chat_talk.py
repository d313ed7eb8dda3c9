"""One person's talk with the chat: its session and mode, the turn under way, and what the last one left behind."""

from collections import deque
from collections.abc import AsyncGenerator, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from context0.chat.service import ChatService
from context0.cli.loop_thread import LoopThread, Running
from context0.cli.opening import engine_for
from context0.errors import Context0Error
from context0.memory.engine import MemoryEngine
from context0.memory.inputs import check_name_or_none, check_scope
from context0.privacy.modes import check_mode
from context0.settings import Settings
from context0.wire import (
    ChatEvent,
    DoneEvent,
    ErrorEvent,
    MemoriesEvent,
    MemoryWrittenEvent,
    PrivacyEvent,
    SessionEvent,
    UsedMemory,
)
from stores.errors import StoreError
from stores.records import Memory

_MOMENT_S: Final = 0.1
"""How long the next prompt may wait for what the last turn tells yet: a person does not notice it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkStart:
    """Who talks. session_id: None begins a new one. mode: None is what holds for the session or the user."""

    user_id: str
    session_id: str | None = None
    mode: str | None = None

    def __post_init__(self) -> None:
        """Raises InvalidInput."""
        check_scope(self.user_id)
        check_name_or_none("session", self.session_id)
        if self.mode is not None:
            check_mode(self.mode)


@dataclass(slots=True)
class _Afterwards:
    """What a turn tells after `done`. came: not shown yet. written: ids of what it has remembered so far."""

    running: Running[None]
    came: deque[ChatEvent]
    written: tuple[str, ...] = ()


class Talk:
    """Used from one thread, while engine and chat live on the loop of another.

    session_id: None until a turn is kept. mode: as it was asked for here. privacy: the last turn's report.
    used: the memories that the last answer was given. written: ids of what was remembered last.
    """

    def __init__(self, loop: LoopThread, engine: MemoryEngine, chat: ChatService, start: TalkStart) -> None:
        self.loop = loop
        self.engine = engine
        self.chat = chat
        self.user_id = start.user_id
        self.session_id = start.session_id
        self.mode = start.mode
        self.privacy: Mapping[str, object] = {}
        self.used: tuple[UsedMemory, ...] = ()
        self.written: tuple[str, ...] = ()
        self._afterwards: list[_Afterwards] = []

    @property
    def mode_in_force(self) -> str:
        """The mode as far as it is known here: before the first turn what holds for the session is not."""
        return self.mode or str(self.privacy.get("mode", "normal"))

    def events(self, message: str) -> Generator[ChatEvent, None, None]:
        """Yield the events of a turn up to `done`; what comes later is for `late`. To be closed (`contextlib.closing`):
        closed before `done`, it stops the answer. A message that is refused is an `error` event too.
        """
        self.privacy, self.used = {}, ()
        stream = self.chat.stream(message, user_id=self.user_id, session_id=self.session_id, mode=self.mode)
        is_over = False
        try:
            while not is_over:
                event = self.loop.run(_next(stream))
                if event is None:
                    break
                self._take(event)
                if isinstance(event, DoneEvent):
                    is_over = True
                    self._afterwards.append(self._follow(stream))
                yield event
        except (Context0Error, StoreError) as refused:
            yield ErrorEvent(code=refused.code, message=str(refused))
        finally:
            if not is_over:
                self.loop.run(stream.aclose())

    def late(self, *, wait: bool = False) -> Iterator[ChatEvent]:
        """Yield what earlier turns told after `done`, as far as it has come; with `wait`, all of it.

        What rules remember comes within milliseconds, so that much is waited for in any case.
        """
        for turn in self._afterwards[:]:
            if wait:
                turn.running.result()
            if turn.running.ends_within(_MOMENT_S):
                self._afterwards.remove(turn)
            while turn.came:
                event = turn.came.popleft()
                if isinstance(event, MemoryWrittenEvent):
                    turn.written += event.memories
                    self.written = turn.written
                yield event

    def last_events(self) -> Iterator[ChatEvent]:
        """Give the work in the background its time, close the chat, and yield what it told."""
        self.loop.run(self.chat.aclose())
        yield from self.late(wait=True)

    def leave_session(self) -> None:
        """Let the next turn begin a new session."""
        self.session_id = None
        self.privacy, self.used = {}, ()

    def memories(self, ids: Collection[str]) -> Sequence[Memory]:
        """Return those that are still there, in this order. Raises StoreError."""
        return self.loop.run(self.engine.get_many(ids, user_id=self.user_id)) if ids else ()

    def _follow(self, stream: AsyncGenerator[ChatEvent, None]) -> "_Afterwards":
        came: deque[ChatEvent] = deque()
        return _Afterwards(self.loop.start(_rest(stream, came)), came)

    def _take(self, event: ChatEvent) -> None:
        match event:
            case SessionEvent(session_id=str(session_id)):
                self.session_id = session_id
            case PrivacyEvent(report=report):
                self.privacy = report
            case MemoriesEvent(items=items):
                self.used = items


@contextmanager
def open_talk(loop: LoopThread, settings: Settings, start: TalkStart) -> Iterator[Talk]:
    """Open stores and models, and close them at the end. Raises ConfigurationError, StoreError."""
    engine, chat, stack = loop.run(_opened(settings))
    try:
        yield Talk(loop, engine, chat, start)
    finally:
        loop.run(stack.aclose())


async def _opened(settings: Settings) -> tuple[MemoryEngine, ChatService, AsyncExitStack]:
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(engine_for(settings))
        chat = await stack.enter_async_context(ChatService(engine))
        return engine, chat, stack.pop_all()


async def _next(stream: AsyncGenerator[ChatEvent, None]) -> ChatEvent | None:
    return await anext(stream, None)


async def _rest(stream: AsyncGenerator[ChatEvent, None], came: deque[ChatEvent]) -> None:
    async for event in stream:
        came.append(event)
