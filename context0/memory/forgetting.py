"""Erasing users, and what comes after it: the second count, and other processes, which have to forget them too."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from context0.embeddings.wrapper import Wrapper
from context0.errors import ConfigurationError, InvalidInput
from context0.memory.bulk import BulkEngine
from context0.memory.changes import OwnerErased
from context0.memory.erasing import Holders, OwnerStore, count_left, erase_owner
from context0.memory.inputs import check_scope
from context0.memory.measuring import measured
from context0.memory.parts import EngineParts
from context0.memory.receipts import nameless
from context0.memory.results import ErasureReceipt
from context0.memory.word_caches import forget_words
from context0.settings import Settings
from stores.audit import AuditStore
from stores.errors import StoreError
from stores.lateness import digest_of
from stores.records import Scope

log = logging.getLogger(__name__)

RECHECK_AFTER: Final = timedelta(seconds=60)
_ID_BYTES: Final = 12
_LOOK_BACK_S: Final = 900.0
"""Longer than a process that runs may be without a look at who was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    receipt: ErasureReceipt
    beside: Sequence[OwnerStore]


class ForgettingEngine(BulkEngine):
    """Each call names its user. What is erased is noted in the store first: see `stores.lateness`."""

    def __init__(self, settings: Settings | None = None, *, parts: EngineParts | None = None) -> None:
        """Make an engine from settings (default: the environment), or from parts made by hand."""
        super().__init__(settings, parts=parts)
        self._due: list[_Due] = []
        self._erased: frozenset[tuple[str, int]] = frozenset()

    @measured
    async def delete_all(self, *, user_id: str, beside: Sequence[OwnerStore] = ()) -> ErasureReceipt:
        """Erase everything of the user in every store, and return the signed receipt. Safe to repeat.

        Whatever was begun before, in this process or another one, writes nothing of the user any more; what is begun
        afterwards works as always. A minute later everything is counted again (`recheck`). beside: what else holds
        something of the user, such as the service's API keys. A receipt that is not `ok` names the store that failed:
        call again. Raises StoreError when the documents themselves could not be erased.
        """
        scope = check_scope(user_id)
        await self._ready()
        now = self._parts.clock.now()
        self._tell(scope, OwnerErased())
        async with AsyncExitStack() as stack:
            for quiet in self._quiet:  # who is at work for the owner must not write any more
                await stack.enter_async_context(quiet(scope))
            await stack.enter_async_context(self._indexer.writing)
            stores = await erase_owner(scope, self._holders(beside))
        self._tell(scope, OwnerErased())
        receipt = ErasureReceipt(
            user_id=scope.owner,
            erased_at=now,
            stores=stores,
            id=secrets.token_hex(_ID_BYTES),
            recheck_after=now + RECHECK_AFTER,
        )
        signed = await self._signed(receipt)
        self._due.append(_Due(receipt=signed, beside=beside))
        return signed

    async def recheck(self, receipt: ErasureReceipt, *, beside: Sequence[OwnerStore] = ()) -> ErasureReceipt:
        """Count again what there is from before an erasure, in every store, and return the signed outcome.

        What the user has told since is not counted. Vectors that came late to a store of their own are removed, and
        what a search that was under way has left in the memory of this process is forgotten. The outcome is kept
        without the name, see `erasure`. Raises InvalidInput for a receipt that is not true.
        """
        if not await self.verify_receipt(receipt):
            raise InvalidInput("receipt", "its signature is not this store's; give it as it was returned")
        scope = Scope(owner=receipt.user_id)
        stores = await count_left(scope, receipt.erased_at, self._holders(beside))
        self._forget(scope)
        return await self._signed(replace(receipt, stores=stores, checked_at=self._parts.clock.now()))

    async def verify_receipt(self, receipt: ErasureReceipt) -> bool:
        """Say whether a receipt was made by this store, and stands as it was made."""
        await self._ready()
        return self._signer.verifies(receipt)

    async def erasure(self, receipt_id: str) -> bytes | None:
        """Return what is kept of an erasure, as JSON: its last receipt, with a digest in the place of the name."""
        await self._ready()
        return await self._parts.documents.get_meta(_key(receipt_id))

    async def audit_trail(self) -> tuple[AuditStore, bytes]:
        """Return where the service notes what it did, open, and the key of the notes. Raises ConfigurationError."""
        await self._ready()
        store = self._parts.audit
        if store is None:
            raise ConfigurationError("an engine made of parts has no audit trail, unless it is one of the parts")
        await store.open()
        return store, self._audit_key

    async def flush(self) -> int:
        """Do the background work that is due now, and return how many memories it took up."""
        await self._ready()
        await self._recheck_due()
        return await super().flush()

    async def _signed(self, receipt: ErasureReceipt) -> ErasureReceipt:
        """Return the receipt signed, and kept."""
        signed = self._signer.signed(receipt)
        await self._parts.documents.put_meta(_key(signed.id), nameless(signed), replace=True)
        return signed

    async def _look_after(self) -> None:
        """Count again what was erased a minute ago, and forget who was erased by another process."""
        await self._recheck_due()
        erased = await self._parts.documents.erasures(within_s=_LOOK_BACK_S)
        known, self._erased = self._erased, erased
        digests = {digest for digest, _ in erased - known}
        for scope in [scope for scope in self._owners_at_hand() if digest_of(scope.owner) in digests]:
            self._forget(scope)

    async def _recheck_due(self) -> None:
        now, due = self._parts.clock.now(), self._due
        self._due = [one for one in due if one.receipt.recheck_after is not None and one.receipt.recheck_after > now]
        for one in due:
            if one in self._due:
                continue
            try:
                checked = await self.recheck(one.receipt, beside=one.beside)
            except StoreError as exc:
                self._due.append(one)
                log.warning("erase.not_rechecked", extra={"receipt": one.receipt.id, "error": exc.code})
            else:
                level = logging.INFO if checked.ok else logging.ERROR
                log.log(level, "erase.rechecked", extra={"receipt": checked.id, "ok": checked.ok})

    def _holders(self, beside: Sequence[OwnerStore]) -> Holders:
        return Holders(
            parts=self._parts,
            learner=self._learner,
            chats=self.chats,
            tokens=self._answers.tokens,
            forget=self._forget,
            beside=beside,
        )

    def _forget(self, scope: Scope) -> Mapping[str, int]:
        """Let go of everything in the memory of this process that was made of the owner's texts.

        Vectors, words and questions of all owners go, since nothing tells whose they are: so their number is in no
        receipt.
        """
        index_bytes, embedder = self._indexes.drop(scope), self._parts.embedder
        if isinstance(embedder, Wrapper):
            embedder.forget()
        self._tell(scope, OwnerErased())
        self._gate.forget(scope.owner)
        self._reader.forget()
        forget_words()
        return {"index_bytes": index_bytes}


def _key(receipt_id: str) -> str:
    return f"erasure:{receipt_id}"
