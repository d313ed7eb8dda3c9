"""Built contexts read from an engine: its chat store and its memories."""

from collections.abc import Sequence
from typing import Any, Final

from context0.context.built import PROJECT_KEY
from context0.memory.engine import MemoryEngine
from stores.records import Memory, Message, Scope, Session, SessionId

_HOLDS: Final[dict[str, Any]] = {"NOT": {"invalid_at": {"gt": "1970-01-01T00:00:00Z"}}}


class EngineSource:
    """See `ContextSource`. Each call is one query; the first one of a conversation opens the chat store."""

    def __init__(self, engine: MemoryEngine) -> None:
        self._engine = engine

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        return await (await self._engine.chats()).recent(session_id, scope=scope, limit=limit, before=before)

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        return await (await self._engine.chats()).get_session(session_id, scope=scope)

    async def preferences(self, *, scope: Scope, limit: int) -> Sequence[Memory]:
        page = await self._engine.list(user_id=scope.owner, limit=limit, memory_types=["preference"], filters=_HOLDS)
        return page.items

    async def project_facts(self, project: str, *, scope: Scope, limit: int) -> Sequence[Memory]:
        filters = {f"metadata.{PROJECT_KEY}": project, **_HOLDS}
        return (await self._engine.list(user_id=scope.owner, limit=limit, filters=filters)).items
