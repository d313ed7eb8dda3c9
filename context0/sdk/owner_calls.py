"""The requests about the service, and about all that is kept of a user, and how their answers are read. No I/O."""

from collections.abc import Mapping
from typing import Final

from pydantic import TypeAdapter

from context0.sdk.answers import reading, reading_as
from context0.sdk.requests import Call, Request, query_of
from context0.wire.audit import AuditList
from context0.wire.memories import ReceiptRecord
from context0.wire.service import Health, OwnerRecord

_ME: Final = "/v1/me"
_JSON: Final[TypeAdapter[Mapping[str, object]]] = TypeAdapter(Mapping[str, object])


def health() -> Call[Health]:
    return Call(request=Request(method="GET", path="/healthz"), read=reading(Health))


def ready() -> Call[Health]:
    """A service that cannot serve says why in the same shape, so its 503 is an answer."""
    request = Request(method="GET", path="/readyz", repeat="unsent")
    return Call(request=request, read=reading(Health), also=frozenset({503}))


def performance() -> Call[Mapping[str, object]]:
    return Call(request=Request(method="GET", path="/api/performance/metrics"), read=reading_as(_JSON))


def owner() -> Call[OwnerRecord]:
    return Call(request=Request(method="GET", path=_ME), read=reading(OwnerRecord))


def erase(*, keep_keys: bool = False) -> Call[ReceiptRecord]:
    """Sent once where the key ends with it: a second time it would open nothing any more."""
    query = {"keep_keys": "true"} if keep_keys else {}
    request = Request(method="DELETE", path=_ME, query=query, repeat="always" if keep_keys else "unsent")
    return Call(request=request, read=reading(ReceiptRecord))


def audit(limit: int, cursor: str | None) -> Call[AuditList]:
    query = query_of(limit=limit, cursor=cursor)
    return Call(request=Request(method="GET", path=f"{_ME}/audit", query=query), read=reading(AuditList))


def export() -> Request:
    return Request(method="GET", path=f"{_ME}/export", headers={"accept": "application/x-ndjson"})
