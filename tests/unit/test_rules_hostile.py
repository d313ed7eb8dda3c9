"""Hostile texts cost linear time: twice the text, about twice the work, counted in lines run and not by a clock."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from context0.memory.rules.dates import find_dates, mentions_time
from context0.memory.rules.entities import extract_entities
from context0.memory.rules.language import detect_language
from context0.memory.rules.names import NameTable, entity_key
from context0.memory.rules.query import analyse_query
from context0.memory.rules.tags import extract_tags
from context0.memory.rules.terms import analyse_terms, hash_terms

REFERENCE = datetime(2023, 5, 25, tzinfo=UTC)
LIMIT = 64 * 1024
KNOWN = NameTable.of(["a a a a a a a b", "Anna", "New York"])

PIECES = [
    *("A", "a", "A ", "Anna ", "A. ", "a.b", "A'", "O'", "'s", "I'm ", "iP", "A-", "A&B ", "Dr. ", "of ", "A of the "),
    *(
        '"',
        '"A',
        '"A b c" ',
        "“",
        "«A",
        "«",
        "„",
        "```",
        "**A**\n",
        "# A\n",
        "_",
        "aB_",
        "É",
        "ß",
        "ǅ",
        "\u0301",
        "A\u0301",
    ),
    *(" ", "\n", "\t", "\u00a0", "!", ".", "-", "\x00", "\ud800", "😀", "٣", "²"),
    *(
        "1",
        "1-",
        "1/1/",
        "2023-",
        "2023-05-07 ",
        "7th ",
        "7 May ",
        "May ",
        "may ",
        "May 5-7 ",
        "5 and ",
        "the ",
        "the week before ",
    ),
    *(
        "between May and ",
        "from ",
        "early ",
        "last ",
        "last week of ",
        "in 2 days ",
        "Friday ",
        "next Friday the ",
        "since ",
    ),
    *("first week of ", "a few ", "New Year's ", "on the 5th ", "in the summer ", "#a", "#", "Tags: a,", "tags:"),
    *("寿", "ก", "नि", "т", "l'", "qu'", "don't ", "how many ", "when ", "hi ", "Anna's and "),
]

RULES: dict[str, Callable[[str], object]] = {
    "entities": extract_entities,
    "known": lambda text: extract_entities(text, known=KNOWN),
    "key": entity_key,
    "dates": lambda text: find_dates(text, reference=REFERENCE),
    "time": mentions_time,
    "tags": extract_tags,
    "language": detect_language,
    "terms": lambda text: hash_terms(analyse_terms(text)),
    "query": lambda text: analyse_query(text, reference=REFERENCE, speakers=["Anna"], known_entities=KNOWN),
}


def _hostile(piece: str, size: int) -> str:
    return (piece * (size // len(piece) + 1))[:size]


@pytest.mark.parametrize("rule", RULES)
def test_64_kib_of_anything_is_read(rule: str) -> None:
    for piece in PIECES:
        RULES[rule](_hostile(piece, LIMIT))


def _lines_run(rule: Callable[[str], object], text: str) -> int:
    """Count the lines of Python that `rule` runs for `text`."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        rule(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", RULES)
def test_twice_the_text_costs_at_most_about_twice_the_lines(name: str) -> None:
    rule = RULES[name]
    for piece in PIECES:
        small, large = _hostile(piece, 1500), _hostile(piece, 3000)
        rule(small)  # fills the caches of words
        rule(large)
        assert _lines_run(rule, large) <= 2.2 * _lines_run(rule, small) + 200, piece
