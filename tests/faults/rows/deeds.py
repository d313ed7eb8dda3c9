"""What callers do with the stores on MongoDB, one kind of call each, and how often the store holds its effect."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from stores.audit import AuditLine
from stores.key_protocol import ApiKey
from stores.lateness import digest_of
from stores.mongo.audit import MongoAudit
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.mongo.keys import MongoKeys
from stores.mongo.replies import MongoReplies
from stores.records import Document, IndexMark, Scope
from stores.reply_protocol import Reply, ReplyClaim
from tests.contracts.builders import FUTURE, NOW, build_document
from tests.contracts.chat_bench import build_decision, build_message, build_session

_MANY: Final = 100
_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class Deed:
    """act: the call. is_right: of its answer. effects: how many effects are there afterwards; None of a read."""

    act: Callable[[], Awaitable[Any]]
    is_right: Callable[[Any], bool]
    effects: Callable[[], Awaitable[int]] | None = None


class Stores:
    """All stores of one database."""

    def __init__(self, database: MongoDatabase) -> None:
        self.documents = MongoDocuments(database)
        self.chats = MongoChats(database)
        self.keys = MongoKeys(database)
        self.replies = MongoReplies(database)
        self.audit = MongoAudit(database)

    async def opened(self, stack: AsyncExitStack) -> "Stores":
        """Open all of them; the stack closes them."""
        for store in (self.documents, self.chats, self.keys, self.replies, self.audit):
            await store.open()
            stack.push_async_callback(store.aclose)
        return self


async def add(stores: Stores, owner: str) -> Deed:
    scope = Scope(owner=owner)
    document = build_document(scope=scope)

    async def effects() -> int:
        return len(await stores.documents.list_page(scope=scope, limit=_MANY, now=NOW))

    return Deed(
        lambda: stores.documents.put_many([document], scope=scope, now=NOW), lambda told: len(told) == 1, effects
    )


async def change(stores: Stores, owner: str) -> Deed:
    """Each version that there was is an effect."""
    scope, first = await _added(stores, owner)
    later = replace(first, memory=replace(first.memory, content="Anna moved to Rome", version=2))

    async def effects() -> int:
        return len(await stores.documents.history(first.memory.id, scope=scope, now=NOW)) - 1

    return Deed(
        lambda: stores.documents.update(later, scope=scope, expected_version=1, now=NOW),
        lambda told: told is None,
        effects,
    )


async def delete(stores: Stores, owner: str) -> Deed:
    scope, document = await _added(stores, owner)

    async def effects() -> int:
        return 1 - len(await stores.documents.get_many([document.memory.id], scope=scope, now=NOW))

    return Deed(lambda: stores.documents.delete(document.memory.id, scope=scope, now=NOW), bool, effects)


async def mark(stores: Stores, owner: str) -> Deed:
    scope, document = await _added(stores, owner)
    done = IndexMark(document.memory.id, 1, "done")

    async def effects() -> int:
        return 1 - await stores.documents.count_pending(scope)

    return Deed(lambda: stores.documents.mark([done], scope=scope), lambda told: told == 1, effects)


async def erase(stores: Stores, owner: str) -> Deed:
    scope, _ = await _added(stores, owner)

    async def effects() -> int:
        return 1 - len(await stores.documents.list_page(scope=scope, limit=_MANY, now=NOW))

    return Deed(lambda: stores.documents.erase(scope), lambda told: told["memories"] == 1, effects)


async def reserve(stores: Stores, owner: str) -> Deed:
    """Numbers that a call took in vain are skipped; one that is answered has taken its own, and no more."""
    scope = Scope(owner=owner)

    async def effects() -> int:
        return len(await stores.chats.list_sessions(scope=scope, limit=_MANY))

    return Deed(
        lambda: stores.chats.reserve(build_session(), scope=scope, count=1, now=NOW),
        lambda told: told.next_seq == 2,
        effects,
    )


async def say(stores: Stores, owner: str) -> Deed:
    scope, message = Scope(owner=owner), build_message(1)
    session = await stores.chats.reserve(build_session(), scope=scope, count=1, now=NOW)

    async def effects() -> int:
        return len(await stores.chats.recent(session.id, scope=scope, limit=_MANY))

    return Deed(lambda: stores.chats.put_messages([(scope, message)]), lambda told: told is None, effects)


async def end_session(stores: Stores, owner: str) -> Deed:
    scope = Scope(owner=owner)
    session = await stores.chats.reserve(build_session(), scope=scope, count=1, now=NOW, first=build_message(1))

    async def effects() -> int:
        return 1 - len(await stores.chats.recent(session.id, scope=scope, limit=_MANY))

    return Deed(lambda: stores.chats.delete_session(session.id, scope=scope), bool, effects)


async def decide(stores: Stores, owner: str) -> Deed:
    scope, decision = Scope(owner=owner), build_decision(f"decision of {owner}")
    await stores.chats.put_decisions([decision], scope=scope)

    async def effects() -> int:
        return len(await stores.chats.list_decisions(scope=scope, limit=_MANY, state="undone"))

    return Deed(
        lambda: stores.chats.decide(decision.id, "undone", scope=scope, now=NOW),
        lambda told: told.state == "undone",
        effects,
    )


async def claim(stores: Stores, owner: str) -> Deed:
    mine = _claim_of(owner)

    async def effects() -> int:
        return await stores.replies.count(mine.scope)

    return Deed(lambda: _claimed(stores, mine), lambda told: told.holder == mine.holder, effects)


async def keep(stores: Stores, owner: str) -> Deed:
    mine = _claim_of(owner)
    await _claimed(stores, mine)

    async def effects() -> int:
        there = await _claimed(stores, replace(mine, holder="another"))
        return int(there.reply is not None and there.holder == mine.holder)

    return Deed(lambda: stores.replies.keep(mine, Reply(status=200, body=b"yes")), bool, effects)


async def make_key(stores: Stores, owner: str) -> Deed:
    key = _key_of(owner)

    async def effects() -> int:
        return len(await stores.keys.list_page(owner=owner, limit=_MANY))

    return Deed(lambda: stores.keys.put(key), lambda told: told is None, effects)


async def revoke(stores: Stores, owner: str) -> Deed:
    key = _key_of(owner)
    await stores.keys.put(key)

    async def effects() -> int:
        found = await stores.keys.find(key.id)
        return int(found is not None and found.revoked_at is not None)

    return Deed(lambda: stores.keys.revoke([key.id], now=NOW), lambda told: told == 1, effects)


async def audit(stores: Stores, owner: str) -> Deed:
    """Half of the lines is no effect, and no half."""
    digest = digest_of(owner)
    lines = [AuditLine(owner=digest, seq=seq, at=NOW, actor="key:3f2a", action="GET") for seq in range(1, _LINES + 1)]

    async def effects() -> int:
        return len(await stores.audit.list_page(digest, limit=_MANY)) // _LINES

    return Deed(lambda: stores.audit.append(lines), lambda told: told is None, effects)


async def read(stores: Stores, owner: str) -> Deed:
    scope, document = await _added(stores, owner)
    return Deed(
        lambda: stores.documents.get_many([document.memory.id], scope=scope, now=NOW),
        lambda told: told == [document.memory],
    )


async def count(stores: Stores, owner: str) -> Deed:
    scope, _ = await _added(stores, owner)
    return Deed(lambda: stores.documents.count(scope), lambda told: told["memories"] == 1)


async def _added(stores: Stores, owner: str) -> tuple[Scope, Document]:
    scope = Scope(owner=owner)
    document = build_document(scope=scope)
    await stores.documents.put_many([document], scope=scope, now=NOW)
    return scope, document


def _claim_of(owner: str) -> ReplyClaim:
    return ReplyClaim(id=f"claim of {owner}", scope=Scope(owner=owner), fingerprint="same", holder=f"holder of {owner}")


async def _claimed(stores: Stores, mine: ReplyClaim) -> Any:
    return await stores.replies.claim(mine, now=NOW, until=FUTURE, expires_at=FUTURE)


def _key_of(owner: str) -> ApiKey:
    return ApiKey(id=f"key of {owner}", owner=owner, digest=bytes(32), created_at=NOW)


DEEDS: Final[Mapping[str, Callable[[Stores, str], Awaitable[Deed]]]] = {
    deed.__name__: deed
    for deed in (
        *(add, change, delete, mark, erase, reserve, say, end_session, decide),
        *(claim, keep, make_key, revoke, audit, read, count),
    )
}
