"""Reads a streamed answer of an OpenAI-compatible server: bytes in, events out.

The official client builds a pydantic object for each event, which costs more than all the rest of a stream; see
load_tests/llm_client_benchmark.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from context0.llm.protocol import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

_LONGEST_LINE: Final = 16 * 1024 * 1024


class StreamEvent(NamedTuple):
    """What one event says. done: the answer is complete. failed: the server reports an error in place of an event."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    done: bool = False
    failed: bool = False


class NoEvent(ValueError):
    """A line that cannot be read. It says nothing of its content."""


_DONE: Final = StreamEvent(done=True)


async def events_of(received: AsyncIterator[bytes]) -> AsyncGenerator[StreamEvent, None]:
    """Yield the events; of server-sent events only `data:` lines matter here, one to an event. Raises NoEvent."""
    rest = b""
    async for data in received:
        rest += data
        *lines, rest = rest.split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise NoEvent("a line without an end")
        for line in lines:
            if line.startswith(b"data:"):
                yield read_event(line[5:].strip())
    if rest.startswith(b"data:"):
        yield read_event(rest[5:].strip())


def read_event(data: bytes) -> StreamEvent:
    """Raises NoEvent."""
    if data == b"[DONE]":
        return _DONE
    try:
        event: Any = orjson.loads(data)
        if event.get("error"):
            return StreamEvent(failed=True)
        text, finish_reason = "", None
        if choices := event.get("choices"):
            choice = choices[0]
            text = (choice.get("delta") or {}).get("content") or ""
            finish_reason = choice.get("finish_reason")
        usage = event.get("usage")
        return StreamEvent(str(text), finish_reason, read_usage(usage) if usage else None)
    except (ValueError, AttributeError, TypeError, LookupError) as exc:
        raise NoEvent("no JSON, or not of a completion") from exc


def read_usage(usage: dict[str, Any]) -> Usage:
    """Read the token counts, 0 where there is none. Raises TypeError or ValueError for what is no number."""
    return Usage(
        prompt_tokens=int(usage.get("prompt_tokens") or 0), completion_tokens=int(usage.get("completion_tokens") or 0)
    )
