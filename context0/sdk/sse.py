"""Reads server-sent events: bytes in, in pieces of any size, whole events out. No I/O.

As the HTML standard says (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream),
except that text which is not UTF-8 is an error here: a token must not become another one.
"""

import re
from dataclasses import dataclass
from typing import Final

from context0.sdk.errors import Unreadable

_LINE_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"
_LONGEST_EVENT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event. id: the last id that was told, here or before; None if there was none yet."""

    event: str
    data: str
    id: str | None


class EventDecoder:
    """Holds what has come of the next event. retry_s: how long the service wants a client to wait, if it said."""

    def __init__(self) -> None:
        self.retry_s: float | None = None
        self._line = bytearray()
        self._is_first_line = True
        self._skips_newline = False
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id: str | None = None

    def feed(self, received: bytes) -> list[ServerEvent]:
        """Return the events that are complete with these bytes. Raises Unreadable."""
        if self._skips_newline and received:  # the second half of a CR LF
            received = received[received.startswith(b"\n") :]
            self._skips_newline = False
            if not received:
                return []
        self._skips_newline = self._skips_newline or received.endswith(b"\r")
        events: list[ServerEvent] = []
        rest, *others = _LINE_ENDS.split(received)
        for piece in others:
            events += self._take(bytes(self._line + rest))
            self._line.clear()
            rest = piece
        self._line += rest
        if self._size + len(self._line) > _LONGEST_EVENT:
            raise Unreadable("an event of the stream has no end")
        return events

    def _take(self, line: bytes) -> tuple[ServerEvent, ...]:
        if self._is_first_line:
            line, self._is_first_line = line.removeprefix(_BOM), False
        if not line:
            return self._dispatched()
        name, _, value = line.partition(b":")
        self._keep(name, value.removeprefix(b" "))
        return ()

    def _keep(self, name: bytes, value: bytes) -> None:
        match name:
            case b"data":
                self._data.append(_text(value))
                self._size += len(value)
            case b"event":
                self._event = _text(value)
            case b"id" if b"\0" not in value:
                self._id = _text(value)
            case b"retry" if value.isdigit():
                self.retry_s = int(value[:9]) / 1000

    def _dispatched(self) -> tuple[ServerEvent, ...]:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        if not data:
            return ()
        return (ServerEvent(event=event or "message", data="\n".join(data), id=self._id),)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as exc:
        raise Unreadable("the stream holds text that is not UTF-8") from exc
