"""The requests about index work that was given up, and how their answers are read. No I/O."""

from typing import Final

from context0.sdk.answers import nothing, reading
from context0.sdk.paging import Listed
from context0.sdk.requests import Call, Request, query_of, segment
from context0.wire.tasks import TaskList, TaskRecord, TasksTaken

_TASKS: Final = "/v1/tasks"
_PAGE: Final = 100


def page(limit: int, cursor: str | None) -> Call[TaskList]:
    query = query_of(limit=limit, cursor=cursor)
    return Call(request=Request(method="GET", path=_TASKS, query=query), read=reading(TaskList))


def pages(cursor: str | None) -> Call[Listed[TaskRecord]]:
    call = page(_PAGE, cursor)
    return Call(request=call.request, read=call.read)


def retry(memory_id: str) -> Call[None]:
    """Not repeated without an answer: what is tried again is not given up any more, and would not be found."""
    return Call(request=Request(method="POST", path=f"{_path(memory_id)}/retry", repeat="refused"), read=nothing)


def retry_all() -> Call[TasksTaken]:
    return Call(request=Request(method="POST", path=f"{_TASKS}/retry"), read=reading(TasksTaken))


def drop(memory_id: str) -> Call[None]:
    return Call(request=Request(method="DELETE", path=_path(memory_id)), read=nothing)


def drop_all() -> Call[TasksTaken]:
    return Call(request=Request(method="DELETE", path=_TASKS), read=reading(TasksTaken))


def _path(memory_id: str) -> str:
    return f"{_TASKS}/{segment('memory_id', memory_id)}"
