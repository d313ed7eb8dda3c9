"""What is answered with, as JSON: records and pages of them; a memory that is told again is not encoded again."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, Final
from weakref import ref

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from context0.memory.results import SearchResult
from stores.blocking import in_thread_if
from stores.records import Memory

_RESULT: Final = tuple(field.name for field in fields(SearchResult) if field.name != "items")
_INLINE_MEMORIES: Final = 100
_MOST: Final = 8_192
"""Memories whose JSON is held: about 1 KB each."""


class EncodedMemories:
    """The JSON of memories for as long as somebody holds them, such as an answer that is kept: 4 us of 5 are saved.

    A memory that is erased or changed is let go by the cache of answers; with it goes what is held here.
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[ref[Memory], orjson.Fragment]] = {}

    def __len__(self) -> int:
        return len(self._held)

    async def found(self, result: SearchResult) -> Response:
        """Return the answer of a search."""
        return await in_thread_if(len(result.items) > _INLINE_MEMORIES, partial(self._found, result))

    async def page(self, memories: Sequence[Memory], next_cursor: str | None = None, *, status: int = 200) -> Response:
        """Return a page. Each memory is encoded by itself, and the event loop turns in between."""
        work = partial(self._page, memories, next_cursor, status)
        return await in_thread_if(len(memories) > _INLINE_MEMORIES, work)

    def _found(self, result: SearchResult) -> Response:
        items = [
            {
                "memory": self._json(one.memory),
                "score": one.score,
                "arms": one.arms,
                "same": one.same,
                "explanation": one.explanation,
            }
            for one in result.items
        ]
        return answer({"items": items} | {name: getattr(result, name) for name in _RESULT})

    def _page(self, memories: Sequence[Memory], next_cursor: str | None, status: int) -> Response:
        return listed([self._json(memory) for memory in memories], next_cursor, status=status)

    def _json(self, memory: Memory) -> orjson.Fragment:
        key = id(memory)
        held = self._held.get(key)
        if held is not None and held[0]() is memory:
            return held[1]
        json = orjson.Fragment(orjson.dumps(memory, default=plain))
        if len(self._held) < _MOST:
            self._held[key] = ref(memory, lambda gone: self._let_go(key, gone)), json
        return json

    def _let_go(self, key: int, gone: "ref[Memory]") -> None:
        held = self._held.get(key)
        if held is not None and held[0] is gone:
            del self._held[key]


class Answer(Response):
    """JSON that is there. Starlette's own way to make the same headers takes 4 us.

    may_be_kept: False for what no store may hold, not even to repeat it.
    """

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str], *, may_be_kept: bool = True) -> None:
        self.may_be_kept = may_be_kept
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
            (b"content-length", str(len(body)).encode()),
            (b"content-type", b"application/json"),
        ]


def answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None, *, may_be_kept: bool = True
) -> Response:
    """Return records, or lists of them, as JSON."""
    return Answer(orjson.dumps(value, default=plain), status, headers or {}, may_be_kept=may_be_kept)


def listed(items: Any, next_cursor: str | None = None, *, status: int = 200) -> Response:
    """Return a page."""
    return answer({"items": items, "next_cursor": next_cursor}, status)


def plain(value: object) -> Any:
    """Return what orjson can encode of a value that it does not know."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    if isinstance(value, set | frozenset):
        return sorted(value)
    try:
        return dict(value)  # type: ignore[call-overload]  # any mapping
    except (TypeError, ValueError):
        return list(value)  # type: ignore[call-overload]  # any collection
