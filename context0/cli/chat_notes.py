"""What a person is told beside an answer, in a line each: memories, privacy, what failed, who answered."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from context0.wire import DoneEvent, UsedMemory

_CITED: Final = re.compile(r"\[(\d{1,3})\]")
_HINT: Final = "; the mode redact masks such things"
_OF_MODES: Final = {
    "read_only": "read only: nothing of this is kept or remembered",
    "off_record": "off the record: nothing was looked up, nothing of this is kept",
}


def cited_numbers(text: str, used: Sequence[UsedMemory]) -> list[int]:
    """Return the numbers [n] in an answer that stand for memories it was given, ascending."""
    return sorted({int(number) for number in _CITED.findall(text) if 1 <= int(number) <= len(used)})


def notes_on(done: DoneEvent, used: Sequence[UsedMemory]) -> Iterator[str]:
    """Yield what is good to know of an answer. Pure."""
    if used:
        numbers = cited_numbers(done.text, used)
        cited = f", cited {' '.join(f'[{number}]' for number in numbers)}" if numbers else ""
        yield f"{_count(len(used), 'memory', 'memories')} used{cited}"
    yield from privacy_notes(done.privacy)


def privacy_notes(report: Mapping[str, object]) -> Iterator[str]:
    """Yield what the privacy rules found and did."""
    found = report.get("found")
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.items()) if isinstance(found, Mapping) else ""
    if report.get("checked") is False:
        yield "privacy: this message could not be checked, so nothing of it is kept"
    elif mode := _OF_MODES.get(str(report.get("mode"))):
        yield mode
    if kinds and report.get("masked"):
        yield f"privacy: masked {kinds} before anything was kept or sent"
    elif kinds:
        yield f"privacy: {kinds} in this message{_HINT if report.get('stores_messages') else ''}"
    categories = report.get("categories")
    if isinstance(categories, Sequence) and categories:
        yield f"privacy: sensitive, {', '.join(map(str, categories))}"


def warnings_of(done: DoneEvent) -> Iterator[str]:
    """Yield what did not go as it should have."""
    if done.fallback is not None:
        yield f"the configured model did not answer ({done.fallback}); this is by {done.model or 'a fallback'}"
    if done.degraded:
        parts = ", ".join(f"{part} ({reason})" for part, reason in done.degraded.items())
        yield f"degraded, these parts failed or were late: {parts}"


def _count(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number} {many}"
