"""How a memory travels: one JSON record a line, the same in files, over HTTP and from one store to another. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from context0.errors import InvalidInput
from context0.memory.inputs import FIELD_NAMES, check_name, check_name_or_none, check_share, check_time
from stores.records import HistoryEntry, Memory, Provenance

MEMORY: Final = "memory"
END: Final = "end"
MAX_LINE_BYTES: Final = 16 << 20
OTHER_KINDS: Final = frozenset({"session", "message", "decision"})
"""What an export may hold beside memories; an import of memories passes it over."""
_KEPT: Final = (
    *("content", "memory_type", "speaker", "agent_id", "session_id", "tags", "importance"),
    *("occurred_at", "expires_at", "metadata"),
)
"""What a memory is made of anew: everything else is read from these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that was read. fields: of a memory, as `ingest` takes them, or the counts of the last line.

    exported: it is of an export, which has a last line.
    """

    kind: Literal["memory", "other", "end"]
    fields: Mapping[str, Any]
    exported: bool = True


def line(kind: str, record: object) -> bytes:
    """Return a record as a line: times as ISO text in UTC."""
    return orjson.dumps({"kind": kind, "record": record}, default=_plain, option=orjson.OPT_APPEND_NEWLINE)


def memory_line(memory: Memory, history: Sequence[HistoryEntry] = ()) -> bytes:
    """Return the line of a memory. history: its former versions, when it was changed."""
    if not history:
        return line(MEMORY, memory)
    former = [{"version": one.version, "content": one.content, "changed_at": one.changed_at} for one in history]
    return line(MEMORY, {**orjson.loads(orjson.dumps(memory, default=_plain)), "history": former})


def read_line(text: bytes) -> Line:
    """Return what a line says: of an export, or plainly the fields of one memory. Raises InvalidInput."""
    if len(text) > MAX_LINE_BYTES:
        raise InvalidInput("format", f"the line has more than {MAX_LINE_BYTES} bytes; one memory is one line")
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput("format", "the line is no JSON; write one object a line, in UTF-8") from exc
    if not isinstance(told, dict):
        raise InvalidInput("format", "the line is no JSON object; write the fields of one memory")
    if "kind" not in told:
        return Line(kind="memory", fields=told, exported=False)
    kind, record = told["kind"], told.get("record")
    if not isinstance(record, dict):
        raise InvalidInput("record", "is no JSON object")
    if not isinstance(kind, str) or kind not in {MEMORY, END, *OTHER_KINDS}:
        raise InvalidInput("kind", f"{str(kind)[:40]!r} is unknown; a line is a memory, or its fields")
    if kind == END:
        return Line(kind="end", fields=record)
    if kind in OTHER_KINDS:
        return Line(kind="other", fields={})
    return Line(kind="memory", fields=_fields_of(record))


def _fields_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what `ingest` takes from an exported memory: a second import of it is the same memory."""
    fields = {name: record[name] for name in _KEPT if record.get(name) is not None}
    fields["created_at"] = record.get("created_at")
    fields["origin_id"] = check_name("id", record.get("id"))
    if source := record.get("provenance"):
        fields["provenance"] = _provenance(source)
    return fields


def _provenance(record: object) -> Provenance:
    if not isinstance(record, dict) or not record.keys() <= {"session_id", "message_id", "agent", "trust"}:
        raise InvalidInput("provenance", "holds session_id, message_id, agent and trust")
    names = {name: check_name_or_none(name, record.get(name)) for name in ("session_id", "message_id", "agent")}
    return Provenance(**names, trust=check_share("trust", record.get("trust", 1.0)))


INGEST_NAMES: Final = FIELD_NAMES | {"created_at", "origin_id"}
"""What `ingest` takes beside what `add_many` takes: when a memory was stored first, and its id there."""


def without_origin(fields: Mapping[str, Any]) -> tuple[dict[str, Any], Any, str | None]:
    """Return the fields of `add_many`, when it was stored first, and its id there. Raises InvalidInput."""
    own = {name: value for name, value in fields.items() if name not in ("created_at", "origin_id")}
    origin = fields.get("origin_id")
    return own, check_time("created_at", fields.get("created_at")), None if origin is None else str(origin)


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
