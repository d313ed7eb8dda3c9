"""The requests about memories, and how their answers are read. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Final

from context0.sdk.answers import nothing, reading
from context0.sdk.errors import InvalidInput
from context0.sdk.options import ListOptions, MemoryChanges, MemoryFields, MemoryInput, SearchOptions
from context0.sdk.paging import Listed, PageOf
from context0.sdk.requests import Call, Request, json_of, query_of, segment
from context0.wire.memories import HistoryList, MemoryList, MemoryRecord, SearchReply, SourceReceiptRecord

MEMORIES: Final = "/v1/memories"
QUARANTINE: Final = "/v1/quarantine"
_PAGE: Final = 100


def add(content: str, fields: MemoryFields) -> Call[MemoryRecord]:
    """May be repeated: exactly the same again, or the same key again, is the same memory."""
    body = json_of({"content": content, **_given(fields)})
    return Call(request=Request(method="POST", path=MEMORIES, body=body), read=reading(MemoryRecord))


def add_many(memories: Sequence[MemoryInput]) -> Call[MemoryList]:
    if isinstance(memories, str | bytes) or not isinstance(memories, Sequence):
        raise InvalidInput("give a list of memories, each with its content", field="memories")
    if not all(isinstance(one, Mapping) for one in memories):
        raise InvalidInput('each is a dictionary, such as {"content": "…"}', field="memories")
    body = json_of({"memories": [_given(one) for one in memories]})
    return Call(request=Request(method="POST", path=f"{MEMORIES}/batch", body=body), read=reading(MemoryList))


def get(memory_id: str) -> Call[MemoryRecord]:
    return Call(request=Request(method="GET", path=_path(memory_id)), read=reading(MemoryRecord))


def page(limit: int, cursor: str | None, options: ListOptions) -> Call[MemoryList]:
    """Filters travel as JSON in the address, kinds of memories as one parameter each."""
    given = _given(options)
    filters, kinds = given.pop("filters", None), given.pop("memory_types", None)
    if given:
        raise InvalidInput(f"{next(iter(given))!r} is unknown; known are filters and memory_types", field="options")
    query: dict[str, str | Sequence[str]] = {**query_of(limit=limit, cursor=cursor)}
    if filters is not None:
        query["filters"] = json_of(filters).decode()
    if kinds is not None:
        query["memory_type"] = _texts("memory_types", kinds)
    return Call(request=Request(method="GET", path=MEMORIES, query=query), read=reading(MemoryList))


def pages(options: ListOptions, *, page_size: int = _PAGE) -> PageOf[MemoryRecord]:
    """Return what makes the request for each page of a listing."""

    def page_of(cursor: str | None) -> Call[Listed[MemoryRecord]]:
        call = page(page_size, cursor, options)
        return Call(request=call.request, read=call.read)

    return page_of


def search(query: str, limit: int, cursor: str | None, options: SearchOptions) -> Call[SearchReply]:
    body = json_of({"query": query, "limit": limit, **_given({"cursor": cursor, **options})})
    return Call(request=Request(method="POST", path=f"{MEMORIES}/search", body=body), read=reading(SearchReply))


def change(memory_id: str, changes: MemoryChanges) -> Call[MemoryRecord]:
    """Not repeated without an answer: each change is a version in the history."""
    request = Request(method="PATCH", path=_path(memory_id), body=json_of(dict(changes)), repeat="refused")
    return Call(request=request, read=reading(MemoryRecord))


def delete(memory_id: str) -> Call[None]:
    return Call(request=Request(method="DELETE", path=_path(memory_id)), read=nothing)


def history(memory_id: str) -> Call[HistoryList]:
    return Call(request=Request(method="GET", path=f"{_path(memory_id)}/history"), read=reading(HistoryList))


def quarantined(limit: int, cursor: str | None) -> Call[MemoryList]:
    query: dict[str, str | Sequence[str]] = {**query_of(limit=limit, cursor=cursor)}
    return Call(request=Request(method="GET", path=QUARANTINE, query=query), read=reading(MemoryList))


def release(memory_id: str) -> Call[MemoryRecord]:
    """May be repeated: what is out stays out."""
    path = f"{QUARANTINE}/{segment('memory_id', memory_id)}/release"
    return Call(request=Request(method="POST", path=path), read=reading(MemoryRecord))


def delete_source(agent_id: str | None, session_id: str | None) -> Call[SourceReceiptRecord]:
    told = {"agent_id": agent_id, "session_id": session_id}
    query: dict[str, str | Sequence[str]] = {name: value for name, value in told.items() if value is not None}
    return Call(request=Request(method="DELETE", path="/v1/sources", query=query), read=reading(SourceReceiptRecord))


def _path(memory_id: str) -> str:
    return f"{MEMORIES}/{segment('memory_id', memory_id)}"


def _given(fields: Mapping[str, object]) -> dict[str, object]:
    """Return what was said; None is left out, so that the service's own default holds."""
    return {name: value for name, value in fields.items() if value is not None}


def _texts(name: str, values: object) -> Sequence[str]:
    if isinstance(values, str) or not isinstance(values, Sequence | set | frozenset):
        raise InvalidInput("give a list of texts", field=name)
    return sorted(map(str, values)) if isinstance(values, set | frozenset) else [str(value) for value in values]
