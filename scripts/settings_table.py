"""Writes the table of settings into README.md, from `context0/settings.py`, between its two markers.

    python scripts/settings_table.py [--check]

Exit status: 0 when the table is current now, 1 with --check when it is not.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # from a checkout it runs without an installation

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from context0.settings import Settings

README: Final = Path(__file__).resolve().parents[1] / "README.md"
START: Final = "<!-- settings: written by scripts/settings_table.py -->"
END: Final = "<!-- /settings -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the table is not current")
    check: bool = parser.parse_args().check
    text = README.read_text("utf-8")
    current = with_table(text)
    if text == current:
        return 0
    if check:
        sys.stderr.write("the table of settings in README.md is not current; run python scripts/settings_table.py\n")
        return 1
    README.write_text(current, "utf-8")
    return 0


def with_table(text: str) -> str:
    """Return `text` with the table as it should be between the markers. Raises ValueError without them."""
    before, _, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"README.md lacks the markers {START} and {END}")
    return "\n".join((before + START, *table(), end + after))


def table() -> Iterator[str]:
    yield "| Variable | Default | Meaning |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        meaning = " ".join(part for part in (field.description or "", _allowed(field)) if part)
        yield f"| `CONTEXT0_{name.upper()}` | {_default(field)} | {meaning} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "" if value == "" else f"`{value}`"


def _allowed(field: FieldInfo) -> str:
    """Return the words or the range that the field takes."""
    if get_origin(field.annotation) is Literal:
        return f"One of {', '.join(f'`{word}`' for word in get_args(field.annotation))}."
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    bounds = [f"{sign} {getattr(rule, name)}" for rule in field.metadata for name, sign in signs if hasattr(rule, name)]
    return f"({', '.join(bounds)})" if bounds else ""


if __name__ == "__main__":
    sys.exit(main())
