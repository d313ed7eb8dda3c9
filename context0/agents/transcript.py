"""What is kept of a turn: its two messages under numbers in a row, and what the analyst noted of the session."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from context0.agents.base import Turn
from context0.context.analysis import Analysis
from context0.context.built import MODE_KEY
from context0.context.cache import ContextCache
from context0.context.deltas import MessageAdded, SummaryChanged
from context0.context.summary import shortened
from context0.errors import InvalidInput
from context0.memory.engine import MemoryEngine
from context0.privacy.masking import masking
from context0.privacy.scanning import take_turns
from stores.records import Message, MessageId, MessageState, Session, SessionId

PERSIST_DEADLINE_S: Final = 10.0
TITLE_CHARACTERS: Final = 60
TURN_KEY: Final = "turn_id"
_ANALYSIS: Final = "analysis"
_PAIR: Final = 2


def question_id(turn_id: str) -> MessageId:
    return MessageId(f"{turn_id}-q")


def answer_id(turn_id: str) -> MessageId:
    return MessageId(f"{turn_id}-a")


class Transcript:
    """Writes turns to the chat store of an engine, and tells the built contexts of it."""

    def __init__(self, engine: MemoryEngine, contexts: ContextCache) -> None:
        self._engine = engine
        self._contexts = contexts

    @staticmethod
    def new_session_id() -> SessionId:
        return SessionId(str(uuid.uuid4()))

    async def begin(self, turn: Turn) -> tuple[Session, Message]:
        """Take the numbers of the question and its answer, and keep the question. Two writes, or one.

        A session that does not exist is made, with the beginning of the message as its title.
        Raises NotFound (a session that was deleted), Erased, TimeoutError, StoreError.
        """
        session_id = turn.session_id
        if session_id is None:
            raise InvalidInput("session_id", "a turn that is kept has a session")
        return await turn.permit.write(lambda: self._begin(turn, session_id), deadline_s=PERSIST_DEADLINE_S)

    async def _begin(self, turn: Turn, session_id: SessionId) -> tuple[Session, Message]:
        chats = await self._engine.chats()
        if turn.question is not None:
            session = await chats.get_session(session_id, scope=turn.scope)
            return replace(session, next_seq=turn.question.seq + _PAIR), turn.question
        now = self._engine.clock.now()
        title = shortened(turn.text, TITLE_CHARACTERS)
        fresh = Session(id=session_id, created_at=now, updated_at=now, title=title)
        asked = Message(
            id=question_id(turn.id),
            session_id=session_id,
            seq=0,  # the store's to give
            role="user",
            content=turn.text,
            created_at=now,
            metadata={TURN_KEY: turn.id, MODE_KEY: turn.mode},
        )
        session = await chats.reserve(fresh, scope=turn.scope, count=_PAIR, now=now, first=asked, begun_s=turn.begun_s)
        question = replace(asked, seq=session.next_seq - _PAIR)
        self._contexts.apply(turn.scope, MessageAdded(message=question))
        return session, question

    async def finish(self, turn: Turn, told: Mapping[str, object], *, state: MessageState) -> Message:
        """Keep the answer behind its question: durable when it returns. One write.

        In the mode `redact` it is masked like everything that is kept. Raises Erased, TimeoutError, StoreError.
        """
        assert turn.session is not None  # noqa: S101 - begun before
        content = turn.answer if turn.mode != "redact" else await take_turns(masking(turn.answer, None))
        answer = Message(
            id=answer_id(turn.id),
            session_id=turn.session.id,
            seq=turn.session.next_seq - 1,
            role="assistant",
            content=content,
            created_at=self._engine.clock.now(),
            state=state,
            metadata={TURN_KEY: turn.id, MODE_KEY: turn.mode, **told},
        )
        await turn.permit.write(lambda: self._put(turn, answer), deadline_s=PERSIST_DEADLINE_S)
        return answer

    async def note(self, turn: Turn, analysis: Analysis) -> None:
        """Write what changed in the session: its summary, topics, mood, open questions. At most one write."""
        session = turn.session
        if session is None:
            return
        noted = {
            "topics": list(analysis.topics),
            "sentiment": analysis.sentiment,
            "open_questions": list(analysis.open_questions),
        }
        if analysis.summary is None and session.metadata.get(_ANALYSIS) == noted:
            return
        chats = await self._engine.chats()
        await turn.permit.write(
            lambda: chats.update_session(
                session.id,
                scope=turn.scope,
                summary=analysis.summary,
                metadata={_ANALYSIS: noted},
                begun_s=turn.begun_s,
            ),
            deadline_s=PERSIST_DEADLINE_S,
        )
        if analysis.summary is not None:
            text, seq = analysis.summary
            self._contexts.apply(turn.scope, SummaryChanged(session_id=session.id, summary=text, summary_seq=seq))

    async def _put(self, turn: Turn, message: Message) -> None:
        await (await self._engine.chats()).put_messages([(turn.scope, message)], begun_s=[turn.begun_s])
        self._contexts.apply(turn.scope, MessageAdded(message=message))
