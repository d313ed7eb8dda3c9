"""Erasing an owner from every store, with a receipt of what was removed and what remains."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from context0.memory.learning import Learner
from context0.memory.parts import EngineParts
from context0.memory.results import ErasureReceipt, StoreReceipt
from stores.chat_protocol import ChatStore
from stores.errors import StoreError
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import Scope

log = logging.getLogger(__name__)


async def erase_owner(
    scope: Scope,
    parts: EngineParts,
    indexes: OwnerCache[OwnerIndex],
    learner: Learner,
    chats: Callable[[], Awaitable[ChatStore]],
) -> ErasureReceipt:
    """Erase the documents first, so that late index work finds nothing to index, then all that was made of them.

    Raises StoreError when the documents could not be erased; any other store that fails is told in its receipt.
    chats: opens the chat store, or raises.
    """
    now = parts.clock.now()
    removed = await parts.documents.erase(scope)
    learned = await learner.forget(scope)
    indexes.drop(scope)
    receipts = [
        await _receipt(
            parts.vectors.name, scope, lambda: _counted("vectors", parts.vectors.erase(scope)), parts.vectors.count
        )
    ]
    if "graph" not in parts.documents.covers:
        receipts.append(
            await _receipt(
                parts.graph.name, scope, lambda: _counted("relations", parts.graph.erase(scope)), parts.graph.count
            )
        )
    receipts.append(
        await _receipt(parts.chats.name, scope, partial(_erase_chats, chats, scope), partial(_count_chats, chats))
    )
    left = await parts.documents.count(scope)
    documents = StoreReceipt(store=parts.documents.name, removed={**removed, **learned}, remaining=sum(left.values()))
    return ErasureReceipt(user_id=scope.owner, erased_at=now, stores=(documents, *receipts))


async def _receipt(
    store: str,
    scope: Scope,
    erase: Callable[[], Awaitable[Mapping[str, int]]],
    count: Callable[[Scope], Awaitable[int]],
) -> StoreReceipt:
    try:
        return StoreReceipt(store=store, removed=await erase(), remaining=await count(scope))
    except StoreError as exc:
        log.warning("erase.failed", extra={"store": store, "error": exc.code})
        return StoreReceipt(store=store, removed={}, remaining=0, error=str(exc))


async def _counted(kind: str, removed: Awaitable[int]) -> Mapping[str, int]:
    return {kind: await removed}


async def _erase_chats(chats: Callable[[], Awaitable[ChatStore]], scope: Scope) -> Mapping[str, int]:
    return await (await chats()).erase(scope)


async def _count_chats(chats: Callable[[], Awaitable[ChatStore]], scope: Scope) -> int:
    return sum((await (await chats()).count(scope)).values())
