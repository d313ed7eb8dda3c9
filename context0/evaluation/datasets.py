"""Reads recorded conversations with questions: one JSON object a line, plain or gzip.

`{"id", "speakers": [..], "turns": [{"id", "speaker", "date", "session", "text", "caption"}],
"qa": [{"q", "a", "cat", "ev": [turn ids]}]}`. `date` is ISO, naive means UTC. `caption`, `a` and `ev` may be missing.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from context0.errors import InvalidInput

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one speaker said at once. `caption` describes a picture that came with it, empty without one."""

    id: str
    speaker: str
    occurred_at: datetime
    session: str
    text: str
    caption: str

    @property
    def content(self) -> str:
        """The text of the turn's memory."""
        return f"{self.text} [image: {self.caption}]" if self.caption else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`evidence` holds ids of turns and is empty when the conversation does not hold the answer."""

    text: str
    answer: str
    category: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    id: str
    speakers: tuple[str, ...]
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def read_conversations(path: Path) -> Iterator[Conversation]:
    """Yield the conversations of a file in its order, holding one line in memory at a time.

    Raises InvalidInput (field `data`, the message names file and line), at the first thing that is off: a file that
    cannot be read or holds no conversation, a broken line, a repeated conversation or turn id.
    """
    seen: set[str] = set()
    number = 0
    with _readable(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            conversation = _parse_line(line, where=f"{path.name}, line {number}")
            if conversation.id in seen:
                raise _bad(f"{path.name}, line {number}", f"the conversation {conversation.id!r} was there before")
            seen.add(conversation.id)
            yield conversation
    if not seen:
        raise _bad(path.name, "holds no conversation; one JSON object a line is expected")


@contextmanager
def _readable(path: Path) -> Iterator[Iterable[bytes]]:
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            with gzip.open(raw, "rb") if zipped else raw as lines:
                yield lines
    except (OSError, EOFError, zlib.error) as exc:
        raise _bad(str(path), f"cannot be read ({exc})") from exc


def _parse_line(line: bytes, *, where: str) -> Conversation:
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise _bad(where, f"is not JSON in UTF-8 ({exc})") from exc
    record = _Record(value, where)
    turns = tuple(_turn(part) for part in record.records("turns"))
    if not turns:
        raise _bad(where, "holds no turns")
    known = {turn.id for turn in turns}
    if len(known) != len(turns):
        raise _bad(where, "two turns carry the same id")
    return Conversation(
        id=record.text("id"),
        speakers=record.texts("speakers"),
        turns=turns,
        questions=tuple(_question(part) for part in record.records("qa")),
    )


def _turn(record: "_Record") -> Turn:
    return Turn(
        id=record.text("id"),
        speaker=record.text("speaker"),
        occurred_at=record.moment("date"),
        session=record.label("session"),
        text=record.text("text", empty=True),
        caption=record.text("caption", empty=True, default=""),
    )


def _question(record: "_Record") -> Question:
    return Question(
        text=record.text("q"),
        answer=record.label("a", default=""),
        category=record.label("cat"),
        evidence=tuple(dict.fromkeys(record.texts("ev", default=()))),
    )


class _Record:
    """One JSON object, asked field by field; the first wrong field raises with its place."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise _bad(where, "is not a JSON object")
        self._fields = value
        self._where = where

    def text(self, name: str, *, empty: bool = False, default: str | None = None) -> str:
        value = self._fields.get(name, default)
        if not isinstance(value, str) or not (empty or value.strip()):
            raise _bad(self._where, f"{name!r} must be a text, not {value!r:.80}")
        return value

    def label(self, name: str, *, default: str | None = None) -> str:
        """A text or a number, as text: LoCoMo counts its categories and sessions, BEAM names its categories."""
        value = self._fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _bad(self._where, f"{name!r} must be a text or a number, not {value!r:.80}")
        return str(value)

    def texts(self, name: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        value = self._fields.get(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise _bad(self._where, f"{name!r} must be a list of texts, not {value!r:.80}")
        return tuple(value)

    def moment(self, name: str) -> datetime:
        value = self.text(name)
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError) as exc:
            raise _bad(self._where, f"{name!r} must be an ISO date, not {value!r:.80}") from exc

    def records(self, name: str) -> Iterator["_Record"]:
        value = self._fields.get(name)
        if not isinstance(value, list):
            raise _bad(self._where, f"{name!r} must be a list, not {value!r:.80}")
        for position, item in enumerate(value, start=1):
            yield _Record(item, f"{self._where}, {name} {position}")


def _bad(where: str, message: str) -> InvalidInput:
    return InvalidInput("data", f"{where}: {message}")
