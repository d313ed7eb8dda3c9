"""Cuts an import into requests of a bounded size, and adds up what comes of them. No I/O."""

import json
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Final, TypeAlias

from context0.sdk.answers import reading
from context0.sdk.errors import InvalidInput
from context0.sdk.exporting import Exported
from context0.sdk.requests import Call, Request, json_of
from context0.wire.service import ImportRecord

Importable: TypeAlias = Exported | Mapping[str, object] | bytes | str
"""A record of an export, the fields of one memory, or a line of either as it stands in a file."""
Importables: TypeAlias = Iterable[Importable] | AsyncIterable[Importable]

_PART_BYTES: Final = 1 << 20
_MOST_TOLD: Final = 100
_END: Final = b'{"kind":"end"'


class ImportParts:
    """Where an import stands: `put` each record and `rest` at the end, send what they return, `take` what it brought.

    Each part may be sent again: what is stored already is known.
    """

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._size = 0
        self._sent_lines = 0
        self._before_part = 0
        self._end: Mapping[str, object] | None = None
        self.total = ImportRecord(read=0, added=0, known=0, refused=0, passed_over=0, whole=None, errors=())

    def put(self, one: Importable) -> Call[ImportRecord] | None:
        """Return the next request when there is enough for one. Raises InvalidInput."""
        text = _line(one)
        if text.startswith(_END):  # it counts what all the parts hold
            self._end = json.loads(text)["record"]
            return None
        self._waiting.append(text)
        self._size += len(text) + 1
        return self.rest() if self._size >= _PART_BYTES else None

    def rest(self) -> Call[ImportRecord] | None:
        """Return the request for what waits."""
        if not self._waiting:
            return None
        body = b"\n".join(self._waiting)
        self._before_part = self._sent_lines
        self._sent_lines += len(self._waiting)
        self._waiting, self._size = [], 0
        headers = {"content-type": "application/x-ndjson"}
        request = Request(method="POST", path="/v1/me/import", body=body, headers=headers)
        return Call(request=request, read=reading(ImportRecord))

    def take(self, part: ImportRecord) -> None:
        """Add what came of the last request."""
        before = self.total
        moved = [one.model_copy(update={"line": one.line + self._before_part}) for one in part.errors]
        self.total = ImportRecord(
            read=before.read + part.read,
            added=before.added + part.added,
            known=before.known + part.known,
            refused=before.refused + part.refused,
            passed_over=before.passed_over + part.passed_over,
            whole=None if before.whole is None and part.whole is None else False,
            errors=(*before.errors, *moved)[:_MOST_TOLD],
        )

    def summed(self) -> ImportRecord:
        """Return what came of all of it."""
        whole = self._end is not None and self._end.get("memory") == self.total.read
        return self.total.model_copy(update={"whole": whole if self._end is not None else self.total.whole})


def _line(one: Importable) -> bytes:
    match one:
        case Exported():
            return json_of({"kind": one.kind, "record": one.record})
        case str():
            text = one.encode()
        case bytes():
            text = one
        case _:
            return json_of(one)
    text = text.strip()
    if b"\n" in text:
        raise InvalidInput("a text holds several lines; give them one by one", field="records")
    return text
