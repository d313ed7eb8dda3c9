"""How well messages are classified: `python -m tests.operations_report` prints accuracy and confusion matrices."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from context0.context.operations import classify

TABLE: Final = Path(__file__).parent / "data" / "operations.jsonl"
CLASSES: Final = ("trivial", "moderate", "complex", "analytical", "fix_up")
_SIZE: Final = {"fix_up": 0, "trivial": 0, "moderate": 1, "complex": 2, "analytical": 2}


class Row(NamedTuple):
    """One labelled message. part: "held" was not looked at while the rules were tuned."""

    text: str
    operation: str
    part: str


def read_rows(part: str | None = None) -> list[Row]:
    rows = [Row(**json.loads(line)) for line in TABLE.read_text("utf-8").splitlines()]
    return [row for row in rows if part in (None, row.part)]


def class_of(text: str) -> str:
    found = classify(text)
    return "fix_up" if found.is_fix_up else found.operation


def confusion(rows: list[Row]) -> Counter[tuple[str, str]]:
    """Count (labelled, found)."""
    return Counter((row.operation, class_of(row.text)) for row in rows)


def accuracy(rows: list[Row]) -> float:
    return sum(count for (wanted, found), count in confusion(rows).items() if wanted == found) / len(rows)


def too_small(rows: list[Row]) -> list[Row]:
    """Return the messages that get less context than they need: the errors that cost an answer."""
    return [row for row in rows if _SIZE[class_of(row.text)] < _SIZE[row.operation]]


def told(part: str) -> str:
    rows = read_rows(part)
    counts = confusion(rows)
    heading = f"{'labelled / found':>18}" + "".join(f"{name:>12}" for name in CLASSES)
    table = [f"{wanted:>18}" + "".join(f"{counts[wanted, found]:>12}" for found in CLASSES) for wanted in CLASSES]
    summary = f"{part}: {accuracy(rows):.3f} of {len(rows)} right, {len(too_small(rows))} with too little context"
    return "\n".join([summary, heading, *table])


def main() -> None:
    print("\n\n".join(map(told, ("tuned", "held"))))
    if "--errors" in sys.argv:  # of the tuned part only: the held part stays unseen
        for row in read_rows("tuned"):
            if class_of(row.text) != row.operation:
                print(f"{row.operation} -> {class_of(row.text)}: {row.text}")


if __name__ == "__main__":
    main()
