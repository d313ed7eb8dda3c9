"""The routes about everything that is kept of a user: take it along, erase it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from context0.api.body import LINES, BodyReader
from context0.api.encoding import answer, listed
from context0.api.errors import Refused, failure_of
from context0.api.routing import router, told
from context0.api.services import Call
from context0.memory.importing import LineReading, lines_in
from context0.memory.ingest import IngestStopped
from context0.memory.receipts import receipt_fields
from context0.memory.transfer import line, memory_line
from context0.wire.audit import AuditList, AuditRecord
from context0.wire.memories import ReceiptRecord
from context0.wire.service import ImportRecord, OwnerRecord, RefusedLine
from stores.audit import AuditLine
from stores.blocking import in_thread
from stores.cursors import CursorContext
from stores.records import HistoryEntry, Memory

routes: Final = router("me")
_PAGE: Final = 500
_MOST_TOLD: Final = 100


@routes.get("/v1/me", response_model=None, responses=told(OwnerRecord))
async def who_am_i(call: Call) -> Response:
    """Say whose memory the credential opens, so that a client can notice that it holds another user's."""
    return answer({"user_id": call.owner})


@routes.delete("/v1/me", response_model=None, responses=told(ReceiptRecord))
async def erase_me(
    call: Call,
    *,
    keep_keys: Annotated[bool, Query(description="Let the user's API keys stay; they open an empty memory.")] = False,
) -> Response:
    """Erase everything of the user in every store, the API keys too. Safe to repeat, with a token or another key.

    The signed receipt tells what each store removed; one that is not ok says: call again. A minute later everything is
    counted once more. Export first what is to be kept (`GET /v1/me/export`).
    """
    services = call.services
    services.turns.forget(call.owner)
    services.threads.forget(call.owner)
    beside = () if keep_keys else services.authenticator.held
    receipt = await services.engine.delete_all(user_id=call.owner, beside=beside)
    services.turns.forget(call.owner)
    return answer(receipt_fields(receipt))


@routes.get("/v1/me/audit", response_model=None, responses=told(AuditList, 404))
async def my_audit_trail(
    call: Call,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str | None, Query(max_length=2_048)] = None,
) -> Response:
    """Show what was done with the user's memory through this service, when, and by which credential; newest first.

    No line holds content. Each carries a code over itself and the line before, so that one that is missing shows.
    """
    trail, engine = call.services.audit, call.services.engine
    if trail is None:
        raise Refused(404, "audit_off", "this service keeps no audit trail; CONTEXT0_AUDIT switches it on")
    context, now = CursorContext(kind="audit", owner=call.owner), engine.clock.now()
    before = None if cursor is None else int(engine.cursors.decode(cursor, context, now=now)[0])
    lines = await trail.page(call.owner, limit=limit + 1, before=before)
    page = lines[:limit]
    following = engine.cursors.encode([page[-1].seq], context, now=now) if len(lines) > limit else None
    return listed([_told(line) for line in page], following)


def _told(line: AuditLine) -> Mapping[str, Any]:
    return {name: getattr(line, name) for name in AuditRecord.model_fields}


@routes.get(
    "/v1/me/export",
    response_model=None,
    responses={
        **told(None),
        200: {"description": "One record a line", "content": {LINES: {"schema": {"type": "string"}}}},
    },
)
async def export_me(call: Call) -> Response:
    """Hand out everything that is kept of the user, a JSON record a line: memories, sessions, messages, decisions.

    A record has a `kind` and a `record`; memories come in the order in which they arrived, with former versions.
    The last line has the kind `end` and counts; without it, it is incomplete.
    """
    return StreamingResponse(_exported(call), media_type=LINES)


@routes.post(
    "/v1/me/import",
    response_model=None,
    responses=told(ImportRecord),
    openapi_extra={"requestBody": {"required": False, "content": {LINES: {"schema": {"type": "string"}}}}},
)
async def import_me(call: Call) -> Response:
    """Take in what an export handed out, or lines such as {"content": "…"}, as they arrive: memories only.

    What is there already is known by the id that it had, and not added again. So after a failure send all of it again,
    or what stands behind the last line that is stored. Lines that cannot be taken are told, and the others are taken.
    """
    services, errors = call.services, list[RefusedLine]()

    def refused(number: int, reason: Exception) -> None:
        if len(errors) < _MOST_TOLD:
            failure = failure_of(reason)
            errors.append(RefusedLine(line=number, code=failure.code, message=failure.message))

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in BodyReader(services.bodies).lines(call.scope, call.receive):
            yield piece
            if services.turns.stopping:
                raise Refused(503, "stopping", "the service is stopping; send it again", {"retry-after": "1"})

    reading = LineReading(refused)
    try:
        lines = lines_in(pieces(), max_bytes=services.bodies.max_bytes)
        count = await reading.take(services.engine, lines, user_id=call.owner)
    except IngestStopped as stopped:
        cause = stopped.__cause__
        if isinstance(cause, Refused):
            message = f"{cause.detail}; the first {stopped.count.read} memories are stored"
            raise Refused(cause.status_code, cause.code, message, cause.headers) from stopped
        raise cause or stopped from stopped
    whole = ImportRecord(
        read=count.read,
        added=count.added,
        known=count.known,
        refused=reading.refused,
        passed_over=reading.passed_over.total(),
        whole=reading.whole,
        errors=tuple(sorted(errors, key=lambda one: one.line)),
    )
    return answer(whole)


async def _exported(call: Call) -> AsyncIterator[bytes]:
    engine, chat, owner = call.services.engine, call.services.chat, call.owner
    counts = {"memory": 0, "session": 0, "message": 0, "decision": 0}

    def lines(kind: str, records: Any) -> bytes:
        counts[kind] += len(records)
        return b"".join(line(kind, record) for record in records)

    waiting: list[tuple[Memory, Sequence[HistoryEntry]]] = []
    async for memory, former in engine.export(user_id=owner):
        counts["memory"] += 1
        waiting.append((memory, former))
        if len(waiting) == _PAGE:
            yield await in_thread(_memory_lines, waiting)
            waiting.clear()
    yield _memory_lines(waiting)
    cursor: str | None = None
    while True:
        sessions = await chat.sessions(user_id=owner, limit=_PAGE, cursor=cursor)
        yield lines("session", sessions.items)
        for session in sessions.items:
            async for messages in _messages(call, session.id):
                yield lines("message", messages)
        if (cursor := sessions.next_cursor) is None:
            break
    while True:
        decisions = await chat.decisions(user_id=owner, limit=_PAGE, cursor=cursor, pending=False)
        yield lines("decision", [one.model_dump() for one in decisions.items])
        if (cursor := decisions.next_cursor) is None:
            break
    yield line("end", counts)


def _memory_lines(exported: Sequence[tuple[Memory, Sequence[HistoryEntry]]]) -> bytes:
    return b"".join(memory_line(memory, former) for memory, former in exported)


async def _messages(call: Call, session_id: str) -> AsyncIterator[Any]:
    cursor: str | None = None
    while True:
        page = await call.services.chat.messages(session_id, user_id=call.owner, limit=_PAGE, cursor=cursor)
        yield page.items
        if (cursor := page.next_cursor) is None:
            return
