"""The routes about index work that was given up: see it, try it again, leave it."""

from collections.abc import Awaitable
from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from context0.api.encoding import answer
from context0.api.routing import router, told
from context0.api.services import Call
from context0.wire.tasks import TaskList, TasksTaken
from stores.errors import NotFound

routes: Final = router("tasks")


@routes.get("/v1/tasks", response_model=None, responses=told(TaskList))
async def list_tasks(
    call: Call,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str | None, Query(max_length=2_048)] = None,
) -> Response:
    """Show which memories were given up, and why, and how many still wait; a worker takes up what waits by itself."""
    engine = call.services.engine
    page = await engine.failed_work(user_id=call.owner, limit=limit, cursor=cursor)
    items = [
        {"memory_id": work.id, "reason": work.reason, "attempts": work.attempts, "failed_at": work.failed_at}
        for work in page.items
    ]
    pending = await engine.pending_work(user_id=call.owner)
    return answer({"items": items, "next_cursor": page.next_cursor, "pending": pending})


@routes.post("/v1/tasks/retry", response_model=None, responses=told(TasksTaken))
async def retry_tasks(call: Call) -> Response:
    """Try everything again that was given up, at once and as if for the first time."""
    return answer({"count": await call.services.engine.retry_failed(user_id=call.owner)})


@routes.delete("/v1/tasks", response_model=None, responses=told(TasksTaken))
async def drop_tasks(call: Call) -> Response:
    """Leave everything undone that was given up, and show it no more. No memory is removed."""
    return answer({"count": await call.services.engine.drop_failed(user_id=call.owner)})


@routes.post("/v1/tasks/{memory_id}/retry", response_model=None, responses=told(TasksTaken, 404))
async def retry_task(call: Call, memory_id: str) -> Response:
    """Try one memory's work again."""
    return await _one(memory_id, call.services.engine.retry_failed([memory_id], user_id=call.owner))


@routes.delete("/v1/tasks/{memory_id}", response_model=None, responses=told(TasksTaken, 404))
async def drop_task(call: Call, memory_id: str) -> Response:
    """Leave one memory's work undone, and show it no more. The memory stays."""
    return await _one(memory_id, call.services.engine.drop_failed([memory_id], user_id=call.owner))


async def _one(memory_id: str, taken: Awaitable[int]) -> Response:
    count = await taken
    if not count:
        raise NotFound(memory_id[:80])
    return answer({"count": count})
