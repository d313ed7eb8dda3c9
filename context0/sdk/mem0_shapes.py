"""What Mem0's verbs take and return, and how that becomes Context0's and comes of it. No I/O."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NotRequired, TypedDict

from context0.sdk.errors import InvalidInput
from context0.sdk.options import MemoryChanges, MemoryInput
from context0.wire.memories import HistoryRecord, MemoryRecord

Messages = str | Mapping[str, object] | Sequence[Mapping[str, object]]
LIMIT: Final = 20
_NOT_KEPT: Final = frozenset({"system", "developer", "tool", "function"})


class AddOptions(TypedDict, total=False):
    """timestamp: when it was said: seconds since 1970, or a time. expiration_date: the last day, UTC, it is kept."""

    timestamp: float | str | datetime | None
    expiration_date: str | date | None


class SearchMore(TypedDict, total=False):
    """top_k: the same as limit. threshold: as `min_relevance` of `client.memories.search`, 0 to 2."""

    top_k: int | None
    threshold: float | None


class Mem0Memory(TypedDict):
    """A memory as Mem0 shows it. Times are ISO text."""

    id: str
    memory: str
    hash: str
    metadata: dict[str, object]
    created_at: str
    updated_at: str
    user_id: str
    agent_id: NotRequired[str]
    run_id: NotRequired[str]
    role: NotRequired[str]
    score: NotRequired[float]


class Mem0Results(TypedDict):
    """results: best first, or newest first. degraded: the parts of a search that could not answer; Mem0 has no such."""

    results: list[Mem0Memory]
    degraded: NotRequired[list[str]]


class Mem0Added(TypedDict):
    """One memory that was kept."""

    id: str
    memory: str
    event: str


class Mem0Additions(TypedDict):
    """What was kept, in order."""

    results: list[Mem0Added]


class Mem0Version(TypedDict):
    """One change of a memory."""

    id: str
    memory_id: str
    old_memory: str | None
    new_memory: str
    event: str
    created_at: str
    updated_at: str
    is_deleted: bool


class Mem0Message(TypedDict):
    """That something was done."""

    message: str


def common_to(
    agent_id: str | None, run_id: str | None, metadata: Mapping[str, object] | None, options: AddOptions
) -> MemoryInput:
    """Return what all messages of an `add` share. Raises InvalidInput for an unknown option."""
    unknown = sorted(set(options) - set(AddOptions.__annotations__))
    if unknown:
        raise InvalidInput("is unknown here; see README, Moving over from Mem0", field=unknown[0][:80])
    common: MemoryInput = {"content": ""}
    if agent_id is not None:
        common["agent_id"] = agent_id
    if run_id is not None:
        common["session_id"] = run_id
    if metadata is not None:
        common["metadata"] = metadata
    if options.get("timestamp") is not None:
        common["occurred_at"] = _moment(options["timestamp"])
    if options.get("expiration_date") is not None:
        common["expires_at"] = _end_of(options["expiration_date"])
    return common


def changes_of(text: str | None, data: str | None, metadata: Mapping[str, object] | None) -> MemoryChanges:
    """Return what an `update` changes. Raises InvalidInput for two texts, and for nothing."""
    if text is not None and data is not None and text != data:
        raise InvalidInput("says something else than data, its older name; give one of them", field="text")
    changes: MemoryChanges = {}
    content = text if text is not None else data
    if content is not None:
        changes["content"] = content
    if metadata is not None:
        changes["metadata"] = metadata
    if not changes:
        raise InvalidInput("give a text or metadata; there is nothing to change", field="text")
    return changes


def inputs_of(messages: Messages, common: MemoryInput) -> list[MemoryInput]:
    """Return one memory for each message that a person or the assistant said. Raises InvalidInput."""
    given = [messages] if isinstance(messages, str | Mapping) else messages
    if not isinstance(given, Sequence) or not all(isinstance(one, str | Mapping) for one in given):
        raise InvalidInput("give a text, a message with role and content, or a list of messages", field="messages")
    inputs: list[MemoryInput] = []
    for one in given:
        if isinstance(one, str):
            inputs.append({**common, "content": one})
        elif one.get("role", "user") not in _NOT_KEPT:
            speaker = one.get("name") or one.get("role") or "user"
            inputs.append({**common, "content": _text(one.get("content")), "speaker": str(speaker)})
    if not inputs:
        raise InvalidInput("hold nothing that the user or the assistant said", field="messages")
    return inputs


def shown(memory: MemoryRecord, *, score: float | None = None) -> Mem0Memory:
    """Return a memory in Mem0's words."""
    told: Mem0Memory = {
        "id": memory.id,
        "memory": memory.content,
        "hash": memory.content_hash,
        "metadata": dict(memory.metadata),
        "created_at": memory.created_at.isoformat(),
        "updated_at": memory.updated_at.isoformat(),
        "user_id": memory.user_id,
    }
    if memory.agent_id is not None:
        told["agent_id"] = memory.agent_id
    if memory.session_id is not None:
        told["run_id"] = memory.session_id
    if memory.speaker is not None:
        told["role"] = memory.speaker
    if score is not None:
        told["score"] = score
    return told


def versions_of(history: Sequence[HistoryRecord]) -> list[Mem0Version]:
    """Return each version as the change that led to it, oldest first."""
    before = [None, *(one.content for one in history)]
    return [
        {
            "id": f"{one.memory_id}:{one.version}",
            "memory_id": one.memory_id,
            "old_memory": old,
            "new_memory": one.content,
            "event": "ADD" if one.event == "added" else "UPDATE",
            "created_at": history[0].changed_at.isoformat(),
            "updated_at": one.changed_at.isoformat(),
            "is_deleted": False,
        }
        for one, old in zip(history, before, strict=False)
    ]


def limit_of(limit: int | None, top_k: int | None) -> int:
    if limit is not None and top_k is not None and limit != top_k:
        raise InvalidInput("says another number than top_k; give one of them", field="limit")
    wanted = limit if limit is not None else top_k if top_k is not None else LIMIT
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise InvalidInput("give a whole number of at least 1", field="limit")
    return wanted


def _text(content: object) -> str:
    """Return the text of a message: itself, or that of its text parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        if parts and all(isinstance(part, str) for part in parts):
            return "\n".join(map(str, parts))
    raise InvalidInput("a message has no text as its content", field="messages")


def _moment(timestamp: object) -> datetime:
    try:
        match timestamp:
            case datetime():
                moment = timestamp
            case bool():
                raise TypeError
            case int() | float():
                moment = datetime.fromtimestamp(timestamp, UTC)
            case str():
                moment = datetime.fromisoformat(timestamp)
            case _:
                raise TypeError
    except (TypeError, ValueError, OverflowError, OSError) as exc:
        raise InvalidInput("give seconds since 1970, a datetime, or ISO text", field="timestamp") from exc
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _end_of(day: object) -> datetime:
    try:
        last = day if isinstance(day, date) else date.fromisoformat(str(day))
        return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput("write a day such as 2026-12-31", field="expiration_date") from exc
