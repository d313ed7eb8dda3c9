"""Counts what the privacy rules find in the labelled messages: `python -m tests.privacy_report`.

tests/data/pii_positive.jsonl holds messages in which each thing to be found stands in marks, «kind:value» or
«kind/variety:value»; tests/data/pii_negative.jsonl holds messages in which there is nothing to be found. The sign ‖
breaks up made-up keys, so that programs that look for leaked ones pass them by; it is taken out on reading.

What the rules got wrong in each third message was not looked at while they were improved: `held out`. Rules and
messages have the same author, so the table tells what forms are covered, not how people write.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from context0.privacy.report import FINDING_KINDS
from context0.privacy.scanning import scan

DATA: Final = Path(__file__).parent / "data"
_MARKED: Final = re.compile(r"«(?P<kind>[a-z_]+)(?:/(?P<variety>\w+))?:(?P<value>[^»]*)»")
_HELD_OUT_EVERY: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    kind: str
    variety: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A message without marks, and what is to be found in it. number: its line in the file, from 0."""

    text: str
    expected: tuple[Expected, ...]
    number: int

    @property
    def held_out(self) -> bool:
        return self.number % _HELD_OUT_EVERY == 0


@dataclass(slots=True)
class Tally:
    """Counts over messages. found: right kind, whole value. masked: the whole value, as another kind."""

    total: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    false_positives: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)

    def rate(self, kind: str) -> float:
        return self.found[kind] / self.total[kind] if self.total[kind] else 1.0


def read_messages(name: str) -> list[Labelled]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [_labelled(json.loads(line)["text"], number) for number, line in enumerate(lines)]


def tally(messages: Iterable[Labelled]) -> Tally:
    counts = Tally()
    for message in messages:
        _count(message, counts)
    return counts


def table(positive: Sequence[Labelled], negative: Sequence[Labelled]) -> str:
    """Return the table per kind, in Markdown: how many were found, and what was found wrongly."""
    seen, clean = tally(positive), tally(negative)
    held = tally([message for message in positive if message.held_out])
    rows = [
        "| kind | found | of them held out | masked as another kind | false in negatives | false in positives |",
        "|---|---|---|---|---|---|",
    ]
    for kind in (*FINDING_KINDS, "all"):
        counts = [_of(counter, kind) for counter in (seen.found, seen.total, held.found, held.total, seen.masked)]
        false = [f"{_of(clean.false_positives, kind)}/{len(negative)}", str(_of(seen.false_positives, kind))]
        found = f"{counts[0]}/{counts[1]} ({counts[0] / max(1, counts[1]):.1%})"
        rows.append(f"| {kind} | {found} | {counts[2]}/{counts[3]} | {counts[4]} | {' | '.join(false)} |")
    return "\n".join(rows)


def _of(counter: Counter[str], kind: str) -> int:
    return counter.total() if kind == "all" else counter[kind]


def _labelled(marked: str, number: int) -> Labelled:
    text, expected, place = "", [], 0
    marked = marked.replace("‖", "")
    for match in _MARKED.finditer(marked):
        text += marked[place : match.start()]
        span = (len(text), len(text) + len(match["value"]))
        expected.append(Expected(kind=match["kind"], variety=match["variety"] or "", span=span))
        text += match["value"]
        place = match.end()
    return Labelled(text=text + marked[place:], expected=tuple(expected), number=number)


def _count(message: Labelled, counts: Tally) -> None:
    findings = scan(message.text).findings
    for wanted in message.expected:
        start, end = wanted.span
        over = [finding for finding in findings if finding.span[0] <= start and finding.span[1] >= end]
        counts.total[wanted.kind] += 1
        counts.found[wanted.kind] += any(finding.kind == wanted.kind for finding in over)
        counts.masked[wanted.kind] += bool(over) and all(finding.kind != wanted.kind for finding in over)
        if not any(finding.kind == wanted.kind for finding in over):
            counts.mistakes.append(f"{message.number}: missed {wanted.kind} {wanted.variety}: {message.text}")
    for finding in findings:
        start, end = finding.span
        if not any(start < wanted.span[1] and wanted.span[0] < end for wanted in message.expected):
            counts.false_positives[finding.kind] += 1
            counts.mistakes.append(
                f"{message.number}: wrong {finding.kind} {message.text[start:end]!r}: {message.text}"
            )


def main() -> None:
    positive, negative = read_messages("pii_positive.jsonl"), read_messages("pii_negative.jsonl")
    print(table(positive, negative))
    if "--mistakes" in sys.argv:
        shown = [message for message in (*positive, *negative) if "--all" in sys.argv or not message.held_out]
        print("\n".join(tally(shown).mistakes))


if __name__ == "__main__":
    main()
