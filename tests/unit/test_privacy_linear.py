"""S5: no text makes the privacy rules work more than in proportion to its length, nor hold the event loop."""

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]  # the parser has no public face
from re import _parser as parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any, Final

import pytest

from context0 import privacy
from context0.privacy.national_id_table import NAMED_BY_A_WORD, SPEAKING_FOR_THEMSELVES, WITH_LETTERS
from context0.privacy.phones import MAX_CHECKED
from context0.privacy.scanning import WINDOW_CHARACTERS, scan, scanning

MEGABYTE: Final = 1_000_000
MAX_NESTED_REPEATS: Final = 512
UNLIMITED: Final = parser.MAXREPEAT
WEIGHT_OF_UNLIMITED: Final = 64
SINGLE: Final = (codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY)
QUICK: Final = (
    *(
        "a",
        "1",
        "+",
        "@",
        "-",
        " ",
        "\n",
        ".",
        "(",
        "é",
        "１",
        "a@",
        "a.",
        "a-",
        "a'",
        "1.",
        "eyJ",
        "sk-",
        "://",
        "://a:",
    ),
    *("DE89", "-----BEGIN PRIVATE KEY-----", "eyJaaaaaaaa.", "(at)", "use aaaaaaaa as my ", "5 year old "),
)
"""Each repeated to a megabyte: what makes careless patterns run for hours."""
COSTLY: Final = (
    *("12 ", "4111 1111 1111 1111 ", "call 4155552671 ", "+49 30 901820 ", "tel 020 7946 0958, ", "a.b@c.dd "),
    *("DE89 3704 0044 ", "password ", "password a b c d e is ", 'password: "', "token=", "key ", "1.1.1.1 ", "2001:"),
    *("ssn 123-45-6789 ", "pesel 44051401359 ", "AB123456C ", "12345678Z ", "password: x1y!Z "),
)
"""Text in which there is much to look at; measured at a smaller size."""


def patterns() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(privacy.__path__):
        for name, value in vars(importlib.import_module(f"context0.privacy.{module.name}")).items():
            if isinstance(value, re.Pattern):
                yield f"{module.name}.{name}", value.pattern
    for form in (*SPEAKING_FOR_THEMSELVES, *WITH_LETTERS, *NAMED_BY_A_WORD):
        yield form.name, form.pattern.pattern


def worst_nesting(tree: Any) -> int:
    """Return the largest product of the limits of repeats inside repeats; an unlimited one around more is endless."""
    worst = 1
    for code, argument in tree:
        inner = max((worst_nesting(part) for part in parts_of(code, argument)), default=1)
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            limit = argument[1]
            several = any(part for part in argument[2] if part[0] not in SINGLE)
            if limit is UNLIMITED and (inner > 1 or several):
                return sys.maxsize
            inner = WEIGHT_OF_UNLIMITED if limit is UNLIMITED else inner * max(1, int(limit))
        worst = max(worst, inner)
    return worst


def parts_of(code: Any, argument: Any) -> list[Any]:
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return [argument[2]]
    if code is codes.BRANCH:
        return list(argument[1])
    if code is codes.SUBPATTERN:
        return [argument[3]]
    if code is codes.ATOMIC_GROUP:
        return [argument]
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return [argument[1]]
    return []


def test_no_pattern_repeats_what_repeats_without_a_small_limit() -> None:
    seen = dict(patterns())
    assert len(seen) > 40
    too_deep = {name: text for name, text in seen.items() if worst_nesting(parser.parse(text)) > MAX_NESTED_REPEATS}
    assert too_deep == {}


@pytest.mark.parametrize("planted", ["(a+)+$", "(?:ab?)*", "(?:a+){9}", "(?:[a-z]{1,60}-){1,60}"])
def test_a_pattern_that_could_run_away_is_seen(planted: str) -> None:
    assert worst_nesting(parser.parse(planted)) > MAX_NESTED_REPEATS


@pytest.mark.parametrize("piece", QUICK)
def test_a_megabyte_of_the_same_is_looked_through_in_steps_of_one_window(piece: str) -> None:
    text = (piece * (MEGABYTE // len(piece) + 1))[:MEGABYTE]
    steps = sum(1 for _ in scanning(text))
    assert steps == -(-MEGABYTE // WINDOW_CHARACTERS) - 1


@pytest.mark.parametrize("piece", COSTLY)
def test_twice_the_text_is_twice_the_work(piece: str) -> None:
    scan(piece * 20)  # tables are loaded by now
    once, twice = (calls_of((piece * 20_000)[:size]) for size in (8 * WINDOW_CHARACTERS, 16 * WINDOW_CHARACTERS))
    assert twice <= 2.2 * once


def test_one_window_asks_for_few_numbers_whatever_stands_in_it() -> None:
    from phonenumbers import phonenumberutil

    text = "call 4155552671 or " * (WINDOW_CHARACTERS // 19)
    asked = calls_of(text, of=phonenumberutil.parse.__code__)
    assert 0 < asked <= 2 * 6 * (MAX_CHECKED + 1)
    assert len(scan(text).findings) == WINDOW_CHARACTERS // 19


def calls_of(text: str, *, of: object = None) -> int:
    """Count the calls, of Python and of C, that a scan makes; `of`: only those of one function."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if event in ("call", "c_call") and (of is None or (event == "call" and frame.f_code is of)):
            calls += 1

    sys.setprofile(count)
    try:
        scan(text)
    finally:
        sys.setprofile(None)
    return calls
