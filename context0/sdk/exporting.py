"""Reads an export line by line, and makes sure that it is whole. No I/O."""

import json
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final

from context0.sdk.answers import error_of, is_success
from context0.sdk.errors import StreamCut, Unreadable
from context0.sdk.requests import Request
from context0.sdk.retrying import Failure, Pace, answered
from context0.sdk.streaming import Following, Read, Told

MEMORIES_ONLY: Final = frozenset({"memory"})
_END: Final = "end"
_LONGEST_LINE: Final = 64 * 1024 * 1024
_INCOMPLETE: Final = "the export broke off; what came so far is not all of it, start again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One record. kind: memory, session, message or decision. record: as it is stored, in JSON's types."""

    kind: str
    record: Mapping[str, object]


def exported(request: Request, pace: Pace, *, kinds: frozenset[str] | None = None) -> Following[Exported]:
    """Yield what is to be done for an export; `kinds` are told, None is all.

    Raises StreamCut when it ends before its last line, or is not what that counts.
    """
    opened = yield from answered(request, pace)
    if not is_success(opened):
        raise error_of(opened)
    counts: Counter[str] = Counter()
    rest = bytearray()
    while True:
        received = yield Read()
        if isinstance(received, Failure):
            raise StreamCut(_INCOMPLETE) from received.error
        if not isinstance(received, bytes) or not received:
            raise StreamCut(_INCOMPLETE)
        rest += received
        *lines, last = rest.split(b"\n")
        rest = bytearray(last)
        if len(rest) > _LONGEST_LINE:
            raise Unreadable("a line of the export has no end")
        if (yield from _told(lines, counts, kinds)):
            return


def _told(
    lines: list[bytearray], counts: Counter[str], kinds: frozenset[str] | None
) -> Generator[Told[Exported], object, bool]:
    """Hand out the records of whole lines. Returns whether the last line was among them."""
    for line in filter(None, lines):
        one = _read(bytes(line))
        if one.kind == _END:
            if {kind: count for kind, count in one.record.items() if count} != counts:
                raise StreamCut("the export is not whole: it counts other records than it holds; start again")
            return True
        counts[one.kind] += 1
        if kinds is None or one.kind in kinds:
            yield Told(event=one)
    return False


def _read(line: bytes) -> Exported:
    try:
        told = json.loads(line)
        return Exported(kind=str(told["kind"]), record=dict(told["record"]))
    except (ValueError, TypeError, KeyError) as exc:
        raise Unreadable("a line of the export could not be read") from exc
