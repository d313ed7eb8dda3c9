"""The routes about memories: add, list, search, get, change, delete, history."""

from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import orjson
from fastapi import Header, Query
from starlette.responses import Response

from context0.api.encoding import answer, listed
from context0.api.routing import router, told
from context0.api.services import Call
from context0.errors import InvalidInput
from context0.wire.base import Body
from context0.wire.memories import (
    AddMemories,
    AddMemory,
    ChangeMemory,
    HistoryList,
    MemoryKind,
    MemoryList,
    MemoryRecord,
    SearchMemories,
    SearchReply,
)
from stores.blocking import off_the_loop

if TYPE_CHECKING:
    from context0.memory.inputs import MemoryChanges, MemoryFields, MemoryInput, SearchOptions

routes: Final = router("memories")
_NOT_OPTIONS: Final = frozenset({"query", "limit", "cursor"})


@routes.post("/v1/memories", status_code=201, response_model=None, responses=told(MemoryRecord, 409, status=201))
async def add_memory(
    call: Call,
    body: AddMemory,
    idempotency_key: Annotated[str | None, Header(description="The same key twice is the same memory.")] = None,
) -> Response:
    """Remember a text, durably. The same content of the same speaker and session is the same memory."""
    fields = given(body)
    if idempotency_key is not None:
        if fields.get("idempotency_key") not in (None, idempotency_key):
            raise InvalidInput("idempotency_key", "differs from the header Idempotency-Key; send one of them")
        fields["idempotency_key"] = idempotency_key
    content = fields.pop("content")
    memory = await call.services.engine.add(content, user_id=call.owner, **cast("MemoryFields", fields))
    return answer(memory, 201, {"location": f"/v1/memories/{memory.id}"})


@routes.post("/v1/memories/batch", status_code=201, response_model=None, responses=told(MemoryList, 409, status=201))
async def add_memories(call: Call, body: AddMemories) -> Response:
    """Remember up to 10,000 texts in one write; they come back in order."""
    inputs = await off_the_loop(lambda: [cast("MemoryInput", given(one)) for one in body.memories], body.memories)
    added = await call.services.engine.add_many(inputs, user_id=call.owner)
    return await call.services.encoded.page(added, status=201)


@routes.get("/v1/memories", response_model=None, responses=told(MemoryList))
async def list_memories(
    call: Call,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    cursor: Annotated[str | None, Query(max_length=2_048)] = None,
    filters: Annotated[str | None, Query(description='JSON, such as {"speaker": "Anna"}')] = None,
    memory_type: Annotated[list[MemoryKind] | None, Query(description="Only these; may be repeated.")] = None,
) -> Response:
    """Show memories page by page, newest first."""
    page = await call.services.engine.list(
        user_id=call.owner, limit=limit, cursor=cursor, filters=_filters(filters), memory_types=memory_type
    )
    return await call.services.encoded.page(page.items, page.next_cursor)


@routes.post("/v1/memories/search", response_model=None, responses=told(SearchReply))
async def search_memories(call: Call, body: SearchMemories) -> Response:
    """Find memories by meaning, word, person and date; best first."""
    options = {name: value for name, value in given(body).items() if name not in _NOT_OPTIONS and value is not None}
    found = await call.services.engine.search(
        body.query, user_id=call.owner, limit=body.limit, cursor=body.cursor, **cast("SearchOptions", options)
    )
    return await call.services.encoded.found(found)


@routes.get("/v1/memories/{memory_id}", response_model=None, responses=told(MemoryRecord, 404))
async def get_memory(call: Call, memory_id: str) -> Response:
    """Show one memory."""
    return answer(await call.services.engine.get(memory_id, user_id=call.owner))


@routes.patch("/v1/memories/{memory_id}", response_model=None, responses=told(MemoryRecord, 404, 409))
async def change_memory(call: Call, memory_id: str, body: ChangeMemory) -> Response:
    """Change a memory; what it said before stays in its history."""
    changes = cast("MemoryChanges", given(body))
    return answer(await call.services.engine.update(memory_id, user_id=call.owner, **changes))


@routes.delete("/v1/memories/{memory_id}", status_code=204, response_model=None, responses=told(None, 404, status=204))
async def delete_memory(call: Call, memory_id: str) -> Response:
    """Forget one memory with its history."""
    await call.services.engine.delete(memory_id, user_id=call.owner)
    return Response(status_code=204)


@routes.get("/v1/memories/{memory_id}/history", response_model=None, responses=told(HistoryList, 404))
async def memory_history(call: Call, memory_id: str) -> Response:
    """Show every version of a memory's content, oldest first."""
    return listed(await call.services.engine.history(memory_id, user_id=call.owner))


def given(body: Body) -> dict[str, Any]:
    """Return the fields that were sent."""
    return {name: getattr(body, name) for name in body.model_fields_set}


def _filters(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except ValueError as exc:
        raise InvalidInput("filters", 'is no JSON; write for example {"speaker": "Anna"}') from exc
