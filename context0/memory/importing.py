"""Takes memories in from lines of text: which line an item stood in, what could not be taken, whether it was whole."""

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import Any

from context0.errors import InvalidInput
from context0.memory.bulk import BulkEngine
from context0.memory.ingest import IngestCount, ProgressTold
from context0.memory.transfer import read_line


class LineReading:
    """What has been read. on_bad: told of each line that cannot be taken, with its number; None: the first one stops.

    refused: how many lines those were. passed_over: lines of other kinds, by what they are.
    """

    def __init__(self, on_bad: Callable[[int, Exception], None] | None) -> None:
        self._on_bad = on_bad
        self._lines: dict[int, int] = {}
        self._items = 0
        self._is_export = False
        self._end: Mapping[str, Any] | None = None
        self.refused = 0
        self.passed_over: Counter[str] = Counter()

    @property
    def whole(self) -> bool | None:
        """Whether it was all of an export, as its last line says; None for lines that are not of an export."""
        return self._end is not None and self.told == self._items if self._is_export else None

    @property
    def told(self) -> int | None:
        """How many memories the last line of an export says that there are; None without that line."""
        return None if self._end is None else self._end.get("memory")

    @property
    def items(self) -> int:
        """How many memories were read."""
        return self._items

    async def take(
        self,
        engine: BulkEngine,
        numbered: AsyncIterable[tuple[int, bytes]],
        *,
        user_id: str,
        on_progress: ProgressTold | None = None,
        wait: bool = False,
    ) -> IngestCount:
        """Have the engine remember what the lines say; see `MemoryEngine.ingest`. Raises IngestStopped."""

        def progressed(count: IngestCount) -> None:
            for item in [item for item in self._lines if item <= count.read]:
                del self._lines[item]
            if on_progress is not None:
                on_progress(count)

        return await engine.ingest(
            self._read(numbered),
            user_id=user_id,
            on_progress=progressed,
            on_refused=None if self._on_bad is None else lambda item, reason: self._refuse(self.line_of(item), reason),
            wait=wait,
        )

    def line_of(self, item: int) -> int:
        """Return the line of an item that was read and is not done yet."""
        return self._lines.get(item, 0)

    async def _read(self, numbered: AsyncIterable[tuple[int, bytes]]) -> AsyncIterator[Mapping[str, Any]]:
        async for number, text in numbered:
            if not text.strip():
                continue
            try:
                line = read_line(text)
            except InvalidInput as exc:
                if self._on_bad is None:
                    self._lines[self._items + 1] = number
                    raise
                self._refuse(number, exc)
                continue
            self._is_export = self._is_export or line.exported
            if line.kind == "end":
                self._end = line.fields
            elif line.kind == "other":
                self.passed_over["not a memory"] += 1
            else:
                self._items += 1
                self._lines[self._items] = number
                yield line.fields

    def _refuse(self, number: int, reason: Exception) -> None:
        self.refused += 1
        if self._on_bad is not None:
            self._on_bad(number, reason)


async def lines_in(pieces: AsyncIterable[bytes], *, max_bytes: int) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the lines with their numbers, from 1, without their ends. Raises InvalidInput at one that is too long."""
    number, held = 1, bytearray()  # which grows in proportion to the line, however small the pieces are
    async for piece in pieces:
        for place, part in enumerate(piece.split(b"\n")):
            if place:
                yield number, bytes(held)
                number, held = number + 1, bytearray()
            held += part
            if len(held) > max_bytes:
                raise InvalidInput(f"line {number}", f"has more than {max_bytes} bytes; one memory is one line")
    if held:
        yield number, bytes(held)
