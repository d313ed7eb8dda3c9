"""The routes about memories that are kept back, and about all that came from one source."""

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from context0.api.encoding import answer
from context0.api.routing import router, told
from context0.api.services import Call
from context0.wire.memories import MemoryList, MemoryRecord, Name, SourceReceiptRecord

routes: Final = router("quarantine")


@routes.get("/v1/quarantine", response_model=None, responses=told(MemoryList))
async def list_quarantine(
    call: Call,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    cursor: Annotated[str | None, Query(max_length=2_048)] = None,
) -> Response:
    """Show the memories that are kept back page by page, newest first; `quarantine` of each says why."""
    page = await call.services.engine.quarantined(user_id=call.owner, limit=limit, cursor=cursor)
    return await call.services.encoded.page(page.items, page.next_cursor)


@routes.post("/v1/quarantine/{memory_id}/release", response_model=None, responses=told(MemoryRecord, 404, 409))
async def release_memory(call: Call, memory_id: str) -> Response:
    """Let a memory out of quarantine: it is found from now on. To be rid of it, delete it as any memory."""
    return answer(await call.services.engine.release(memory_id, user_id=call.owner))


@routes.delete("/v1/sources", response_model=None, responses=told(SourceReceiptRecord))
async def delete_source(
    call: Call,
    agent_id: Annotated[Name | None, Query(description="What this agent wrote.")] = None,
    session_id: Annotated[Name | None, Query(description="What came in this session.")] = None,
) -> Response:
    """Delete all that came from a source, what is in quarantine included; with both, what the agent wrote there."""
    receipt = await call.services.engine.delete_source(user_id=call.owner, agent_id=agent_id, session_id=session_id)
    return answer({"ok": receipt.ok, **asdict(receipt)})
