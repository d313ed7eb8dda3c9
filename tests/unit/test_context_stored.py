"""C4, D1: preferences and a project's facts come from the stores, one query each, and last beyond a session."""

from typing import Any

import pytest

from context0.context.built import ContextKey
from context0.context.source import rebuild
from context0.context.stored import StoredContext
from stores.errors import NotFound
from stores.records import Memory, Session, SessionId
from stores.reference.chats import ReferenceChats
from stores.reference.documents import ReferenceDocuments
from tests.context_records import ANNA, NOW, SESSION, message
from tests.contracts.builders import build_document

LATER = NOW.replace(year=2027)


class Standing:
    def now(self) -> Any:
        return LATER


async def source_with(*documents: dict[str, Any]) -> tuple[StoredContext, list[Memory]]:
    store, chats = ReferenceDocuments(), ReferenceChats()
    await chats.reserve(Session(id=SESSION, created_at=NOW, updated_at=NOW, title="Trip"), scope=ANNA, count=2, now=NOW)
    await chats.put_messages([(ANNA, message(1, "hello")), (ANNA, message(2, "hi"))])
    written = []
    for at, fields in enumerate(documents):
        document = build_document(f"memory {at}", at=NOW.replace(minute=at), **fields)
        written += await store.put_many([document], scope=ANNA, now=NOW)
    return StoredContext(chats, store, clock=Standing()), written


async def test_all_four_sections_are_read_from_the_stores() -> None:
    source, written = await source_with(
        {"memory_type": "preference"},
        {"memory_type": "semantic"},
        {"memory_type": "preference", "invalid_at": NOW},
        {"memory_type": "preference", "metadata": {"project": "house"}},
        {"metadata": {"project": "garden"}},
        {"metadata": {"project": "house"}, "invalid_at": LATER},
    )
    key = ContextKey(scope=ANNA, session_id=SESSION, project="house")
    built = await rebuild(source, key, ("history", "session", "preferences", "project"))
    assert built.history is not None
    assert built.session is not None
    assert built.preferences is not None
    assert built.project is not None
    assert [one.content for one in built.history.messages] == ["hello", "hi"]
    assert built.session.title == "Trip"
    assert [one.id for one in built.preferences.memories] == [written[3].id, written[0].id]
    assert [one.id for one in built.project.memories] == [written[3].id]


async def test_an_unknown_session_is_an_error_and_not_an_empty_one() -> None:
    source, _ = await source_with()
    with pytest.raises(NotFound):
        await rebuild(source, ContextKey(scope=ANNA, session_id=SessionId("gone")), ("session",))
