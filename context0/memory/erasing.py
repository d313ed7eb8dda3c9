"""Erasing an owner from every store, with a receipt of what was removed and what remains."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from context0.cache.owner_tokens import OwnerTokens
from context0.clock import to_ms
from context0.memory.learning import Learner
from context0.memory.parts import EngineParts
from context0.memory.results import StoreReceipt
from stores.chat_protocol import ChatStore
from stores.errors import StoreError
from stores.protocols import GraphStore, VectorStore
from stores.records import Keyset, Scope
from stores.reply_protocol import ReplyStore

log = logging.getLogger(__name__)

_PAGE: Final = 1_000
_LATER: Final = "left as it is until everything else is erased; call again"
_UNTOLD: Final = (
    "it could not be reached: what lies there cannot be read any more once the texts are gone, and ends by itself"
    " within its time to live; call again"
)


class OwnerStore(Protocol):
    """Something beside the engine's own stores that holds what is an owner's: API keys, records of requests."""

    @property
    def name(self) -> str: ...

    async def erase(self, scope: Scope) -> Mapping[str, int]:
        """Remove everything of the owner, and return what was removed, by kind. Safe to repeat. Raises StoreError."""

    async def count(self, scope: Scope, *, before: datetime | None = None) -> int:
        """Return how many records the owner has; before: only older ones. Raises StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Who holds something of an owner. chats: opens the chat store, or raises. tokens: of a cache that is shared.

    forget: lets go of what this process holds in memory, and returns how much that was, by kind.
    """

    parts: EngineParts
    learner: Learner
    chats: Callable[[], Awaitable[ChatStore]]
    tokens: OwnerTokens | None
    forget: Callable[[Scope], Mapping[str, int]]
    beside: Sequence[OwnerStore] = ()


async def erase_owner(scope: Scope, holders: Holders) -> tuple[StoreReceipt, ...]:
    """Erase the documents first, so that late work finds that it is late, then all that was made of them.

    Raises StoreError when the documents could not be erased; any other store that fails is told in its receipt.
    """
    parts = holders.parts
    removed = await parts.documents.erase(scope)
    learned = await holders.learner.forget(scope)
    memory = StoreReceipt(store="memory", removed=holders.forget(scope), remaining=0)
    receipts = [await _rebuildable("vectors", parts.vectors, scope)]
    if "graph" not in parts.documents.covers:
        receipts.append(await _rebuildable("relations", parts.graph, scope))
    receipts.append(memory)
    if parts.shared is not None and holders.tokens is not None:
        told = await holders.tokens.replaced(scope.owner)
        error = None if told else _UNTOLD
        receipts.append(StoreReceipt(store=parts.shared.name, removed={"words": int(told)}, remaining=0, error=error))
    receipts.append(
        await _receipt(parts.chats.name, partial(_erase_chats, holders, scope), partial(_count_chats, holders, scope))
    )
    if parts.replies is not None:
        kept = parts.replies
        receipts.append(await _receipt(kept.name, partial(_erase_replies, kept, scope), partial(kept.count, scope)))
    left = await parts.documents.count(scope)
    documents = StoreReceipt(store=parts.documents.name, removed={**removed, **learned}, remaining=sum(left.values()))
    receipts.insert(0, documents)
    is_whole = all(receipt.ok for receipt in receipts)
    beside = [await _beside(store, scope, is_whole=is_whole) for store in holders.beside]
    return (*receipts, *beside)


async def count_left(scope: Scope, erased_at: datetime, holders: Holders) -> tuple[StoreReceipt, ...]:
    """Count again what there is from before the erasure, in every store; what is newer is the owner's new beginning.

    Vectors that came late to a store of their own are removed, where the owner has no memory that they could be of.
    """
    documents, vectors = holders.parts.documents, holders.parts.vectors
    receipts = [await _receipt(documents.name, _nothing, partial(_count_documents, holders, scope, erased_at))]
    if not vectors.derived:
        receipts.append(
            await _receipt(vectors.name, partial(_erase_late, holders, scope), partial(_count_stray, holders, scope))
        )
    receipts += [
        await _receipt(store.name, _nothing, partial(store.count, scope, before=erased_at)) for store in holders.beside
    ]
    receipts.append(
        await _receipt(holders.parts.chats.name, _nothing, partial(_count_sessions, holders, scope, erased_at))
    )
    return tuple(receipts)


async def _receipt(
    store: str, erase: Callable[[], Awaitable[Mapping[str, int]]], count: Callable[[], Awaitable[int]]
) -> StoreReceipt:
    try:
        return StoreReceipt(store=store, removed=await erase(), remaining=await count())
    except StoreError as exc:
        log.warning("erase.failed", extra={"store": store, "error": exc.code})
        return StoreReceipt(store=store, removed={}, remaining=0, error=str(exc))


async def _beside(store: OwnerStore, scope: Scope, *, is_whole: bool) -> StoreReceipt:
    """Erase what is beside the engine's stores, unless these have to be erased again: by the same key, for example."""
    if not is_whole:
        return StoreReceipt(store=store.name, removed={}, remaining=0, error=_LATER)
    return await _receipt(store.name, partial(store.erase, scope), partial(store.count, scope))


async def _nothing() -> Mapping[str, int]:
    return {}


async def _erase_replies(replies: ReplyStore, scope: Scope) -> Mapping[str, int]:
    await replies.open()
    return {"replies": await replies.erase(scope)}


async def _rebuildable(kind: str, store: VectorStore | GraphStore, scope: Scope) -> StoreReceipt:
    async def erase() -> Mapping[str, int]:
        return {kind: await store.erase(scope)}

    return await _receipt(store.name, erase, partial(store.count, scope))


async def _erase_chats(holders: Holders, scope: Scope) -> Mapping[str, int]:
    return await (await holders.chats()).erase(scope)


async def _count_chats(holders: Holders, scope: Scope) -> int:
    return sum((await (await holders.chats()).count(scope)).values())


async def _count_documents(holders: Holders, scope: Scope, erased_at: datetime) -> int:
    since_ms, left = to_ms(erased_at), 0
    async for rows in holders.parts.documents.scan(scope=scope, vectors=False):
        left += sum(row.updated_ms < since_ms for row in rows)
    return left


async def _erase_late(holders: Holders, scope: Scope) -> Mapping[str, int]:
    has_memories = (await holders.parts.documents.count(scope))["memories"]
    return {"vectors": 0 if has_memories else await holders.parts.vectors.erase(scope)}


async def _count_stray(holders: Holders, scope: Scope) -> int:
    """Return how many vectors there are beyond one a memory."""
    memories = (await holders.parts.documents.count(scope))["memories"]
    return max(0, await holders.parts.vectors.count(scope) - memories)


async def _count_sessions(holders: Holders, scope: Scope, erased_at: datetime) -> int:
    chats, after, left = await holders.chats(), None, 0
    while page := await chats.list_sessions(scope=scope, limit=_PAGE, after=after):
        left += sum(session.created_at < erased_at for session in page)
        after = Keyset(to_ms(page[-1].updated_at), page[-1].id)
    return left
