"""Receipts of erasures, signed with the store's key: as a program keeps them, and as anybody can have them checked."""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import orjson

from context0.memory.results import ErasureReceipt, StoreReceipt
from context0.wire.memories import ReceiptRecord
from stores.lateness import digest_of

_PURPOSE: Final = b"context0 receipt"


def receipt_fields(receipt: ErasureReceipt) -> dict[str, Any]:
    """Return the receipt as it is told to programs: JSON data but for the times, all that is signed, and `ok`."""
    return {
        "ok": receipt.ok,
        "id": receipt.id,
        "user_id": receipt.user_id,
        "erased_at": receipt.erased_at,
        "recheck_after": receipt.recheck_after,
        "checked_at": receipt.checked_at,
        "stores": [_store_fields(store) for store in receipt.stores],
        "signature": receipt.signature,
    }


def receipt_of(record: ReceiptRecord) -> ErasureReceipt:
    """Return the receipt that a program has kept."""
    stores = tuple(
        StoreReceipt(store=one.store, removed=one.removed, remaining=one.remaining, error=one.error)
        for one in record.stores
    )
    return ErasureReceipt(
        user_id=record.user_id,
        erased_at=record.erased_at,
        stores=stores,
        id=record.id,
        recheck_after=record.recheck_after,
        checked_at=record.checked_at,
        signature=record.signature,
    )


def nameless(receipt: ErasureReceipt) -> bytes:
    """Return what the store keeps of it, as JSON: a digest in the place of the name, and nothing of the content."""
    return orjson.dumps({**receipt_fields(receipt), "user_id": digest_of(receipt.user_id)})


class Signer:
    """Signs receipts so that whoever has the store can tell a true one from one that was changed."""

    def __init__(self, key: bytes) -> None:
        """key: the store's own, which its processes alone have."""
        self._key = hmac.digest(key, _PURPOSE, sha256)

    def signed(self, receipt: ErasureReceipt) -> ErasureReceipt:
        return replace(receipt, signature=self._signature(receipt))

    def verifies(self, receipt: ErasureReceipt) -> bool:
        """Say whether the receipt was signed with this key, and stands as it was."""
        return hmac.compare_digest(receipt.signature.encode("utf-8", "replace"), self._signature(receipt).encode())

    def _signature(self, receipt: ErasureReceipt) -> str:
        told = receipt_fields(receipt)
        del told["signature"]
        text = orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
        return hmac.new(self._key, text, sha256).hexdigest()


def _store_fields(store: StoreReceipt) -> Mapping[str, Any]:
    return {
        "store": store.store,
        "removed": dict(store.removed),
        "remaining": store.remaining,
        "error": store.error,
    }
