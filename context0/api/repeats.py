"""Requests with an Idempotency-Key: one effect, and the same reply again, for as long as replies are kept.

What was asked under a key, and its reply, lie in the document store, by owner, route and key. A process that is killed
between the effect and the reply leaves the key taken; whoever repeats the request after its lease is over carries it
out again, which additions and turns of chats know: they are the same memory, and the same turn. So it is with a turn of
which nothing may be kept: its reply is not.
"""

import asyncio
import logging
import time
import uuid
import zlib
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from context0.api.encoding import Answer
from context0.api.errors import Refused
from context0.api.routing import JsonRoute
from context0.api.services import Call
from context0.cache.keys import digest
from context0.errors import IdempotencyMismatch
from context0.memory.background import end
from context0.memory.engine import MemoryEngine
from stores.errors import StoreError
from stores.records import Scope
from stores.reply_protocol import Reply, ReplyClaim, ReplyStore

log = logging.getLogger(__name__)

HEADER: Final = b"idempotency-key"
REPLAYED: Final = "idempotency-replayed"
LONGEST_KEY: Final = 255
LEASE_S: Final = 15.0
"""After so long without a word of its process a request that is under way counts as lost."""
_HOLD_EVERY_S: Final = 5.0
_SWEEP_EVERY_S: Final = 60.0
_MOST_BYTES: Final = 4 << 20
_TOO_LARGE: Final = 413
_KEPT_HEADERS: Final = frozenset({"location", "x-context0-session"})


class Repeats:
    """Carries out requests that have a key. kept_s: how long a reply is."""

    def __init__(self, engine: MemoryEngine, *, kept_s: float) -> None:
        self._engine = engine
        self._kept = timedelta(seconds=kept_s)
        self._running: set[asyncio.Task[Response]] = set()
        self._swept_at_s = 0.0
        engine.attach(self.aclose)

    async def answer(self, call: Call, route: JsonRoute) -> Response:
        """Return the reply: of before, or by doing it. Once begun it is done to its end, whoever has gone.

        Raises Refused: 409 while it is under way; IdempotencyMismatch where the key stands for something else.
        """
        store, claim = await self._engine.replies(), _claim_of(call, route)
        now = await self._engine.store_now()
        lease = timedelta(seconds=LEASE_S)
        record = await store.claim(claim, now=now, until=now + lease, expires_at=now + self._kept)
        if record.fingerprint != claim.fingerprint:
            raise IdempotencyMismatch("this Idempotency-Key was used for another request; use a new one")
        if record.reply is not None:
            return _replayed(record.reply)
        if record.holder != claim.holder:
            raise Refused(
                409, "in_flight", "the same request is under way; wait, then send it again", {"retry-after": "1"}
            )
        running = asyncio.create_task(self._carried_out(call, route, store, claim), name="context0-keyed")
        self._running.add(running)
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    async def aclose(self) -> None:
        """Give up what still runs. Twice is harmless."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _carried_out(self, call: Call, route: JsonRoute, store: ReplyStore, claim: ReplyClaim) -> Response:
        """Do it, holding the key meanwhile; a failure frees it. A reply that cannot be kept is given all the same."""
        named = Call(call.scope, _nothing_more, call.content, effect=claim.id)
        holding = asyncio.create_task(self._hold(store, claim), name="context0-keyed-hold")
        is_done = False
        try:
            response = await route.answer(named)
            is_done = True
        finally:
            await end(holding)
            if not is_done:
                await self._quietly(store.release(claim))
        is_kept = not isinstance(response, Answer) or response.may_be_kept
        await self._quietly(store.keep(claim, _kept(response)) if is_kept else store.release(claim))
        await self._sweep(store)
        return response

    async def _hold(self, store: ReplyStore, claim: ReplyClaim) -> None:
        while True:
            await asyncio.sleep(_HOLD_EVERY_S)
            until = await self._engine.store_now() + timedelta(seconds=LEASE_S)
            await self._quietly(store.hold(claim, until=until))

    async def _sweep(self, store: ReplyStore) -> None:
        if time.monotonic() - self._swept_at_s >= _SWEEP_EVERY_S:
            self._swept_at_s = time.monotonic()
            await self._quietly(store.sweep(now=await self._engine.store_now()))

    async def _quietly(self, work: Any) -> None:
        """The effect is there, or is not: a record that cannot be written makes a repetition dearer, not wrong."""
        try:
            await work
        except StoreError as failed:
            log.warning("api.reply_not_kept", extra={"error": failed.code})

    def _ended(self, task: "asyncio.Task[Response]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: the client may be gone


def key_of(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """Return what the header says; None without one."""
    for name, value in headers:
        if name == HEADER:
            return value
    return None


def _claim_of(call: Call, route: JsonRoute) -> ReplyClaim:
    key = key_of(call.scope["headers"]) or b""
    if not 0 < len(key) <= LONGEST_KEY or not all(0x21 <= byte <= 0x7E for byte in key):
        told = f"Idempotency-Key: send 1 to {LONGEST_KEY} printable ASCII characters without spaces"
        raise Refused(422, "invalid_input", told)
    method, path = call.scope["method"], call.scope["path"]
    headers = sorted(name + b"\0" + value for name, value in call.scope["headers"] if name in route.header_names)
    return ReplyClaim(
        id=digest(call.owner, method, route.path, key).hex(),
        scope=Scope(owner=call.owner),
        fingerprint=digest(method, path, call.scope["query_string"], call.content, *headers).hex(),
        holder=uuid.uuid4().hex,
    )


def _kept(response: Response) -> Reply:
    """Return what is kept of an answer; of one that is too large only that it was given."""
    body = zlib.compress(bytes(response.body), 1)
    if len(body) > _MOST_BYTES:
        return Reply(status=_TOO_LARGE)
    told = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers)
    headers = {name: value for name, value in told if name in _KEPT_HEADERS}
    return Reply(status=response.status_code, body=body, headers=headers)


def _replayed(reply: Reply) -> Response:
    headers = {**reply.headers, REPLAYED: "true"}
    if reply.status == _TOO_LARGE:
        raise Refused(409, "reply_too_large", "this was done before, and its reply was too large to keep; read it")
    body = zlib.decompress(reply.body)
    return Answer(body, reply.status, headers) if body else Response(status_code=reply.status, headers=headers)


async def _nothing_more() -> Any:
    """The client of a request with a key is not watched: what was begun is done."""
    await asyncio.Event().wait()
