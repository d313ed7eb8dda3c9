"""The source of built contexts over the stores: sessions from the chat store, memories from the documents."""

from collections.abc import Sequence
from typing import Final

from context0.clock import EPOCH, Clock
from context0.context.built import PROJECT_KEY
from stores.chat_protocol import ChatStore
from stores.filters import And, Compare, Filter, Not
from stores.protocols import DocumentStore
from stores.records import Memory, Message, Scope, Session, SessionId

_HOLDS: Final = Not(Compare("invalid_at", "gte", EPOCH))
"""Without an end: a comparison with an absent field is false."""


class StoredContext:
    """A `ContextSource`; each call is one query. It opens and closes nothing. Raises StoreError."""

    def __init__(self, chat: ChatStore, documents: DocumentStore, *, clock: Clock) -> None:
        self._chat = chat
        self._documents = documents
        self._clock = clock

    async def recent(self, session_id: SessionId, *, scope: Scope, limit: int) -> Sequence[Message]:
        return await self._chat.recent(session_id, scope=scope, limit=limit)

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        return await self._chat.get_session(session_id, scope=scope)

    async def preferences(self, *, scope: Scope, limit: int) -> Sequence[Memory]:
        return await self._newest(Compare("memory_type", "eq", "preference"), scope=scope, limit=limit)

    async def project_facts(self, project: str, *, scope: Scope, limit: int) -> Sequence[Memory]:
        return await self._newest(Compare(f"metadata.{PROJECT_KEY}", "eq", project), scope=scope, limit=limit)

    async def _newest(self, what: Filter, *, scope: Scope, limit: int) -> Sequence[Memory]:
        where = And((what, _HOLDS))
        return await self._documents.list_page(scope=scope, limit=limit, where=where, now=self._clock.now())
