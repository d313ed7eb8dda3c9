"""What is looked for first, because it is cheap, leaves out nothing that the whole rule finds."""

import re
from pathlib import Path
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from context0.memory.rules import dates
from context0.memory.rules.word_set import letter_words
from context0.trust import disguise

_TABLES: Final = tuple(sorted((Path(__file__).parents[1] / "data").glob("*.jsonl")))
_PIECES: Final = st.sampled_from([
    *"0123456789 :.,-_aApPmM'’sS\n", "hours", "days", "DAYS", "dayſ", "o'clock", "o’Clock", "two", "a few", "couple of",
    "am", "p.m.", "10:30", "x", "é", "２", "٣", " ",
])  # fmt: skip
_SPACES: Final = st.text(st.sampled_from("ab _.-z9 \né"), max_size=24)


def _lines() -> list[str]:
    return [line for table in _TABLES for line in table.read_text("utf-8").splitlines()]


def _agrees_on_clocks(text: str) -> None:
    words, has_digit = letter_words(text), re.search(r"\d", text) is not None
    looked_at = has_digit or not dates._SIGNS_OF_DURATION.isdisjoint(words)
    whole = looked_at and dates._CLOCK_OR_DURATION.search(text) is not None
    assert dates._tells_clock_or_duration(text, words, has_digit=has_digit) == whole, text


def _agrees_on_spaced_words(text: str) -> None:
    assert disguise._MAY_BE_SPACED.search(text) or not disguise._SPACED.search(text), text


@given(st.lists(_PIECES, max_size=12).map("".join))
@example("3 dayſ")
@example("a1:30")
@example("it took us 12:5 to 5 p.m.")
def test_clocks_and_durations_are_found_as_by_the_whole_rule(text: str) -> None:
    _agrees_on_clocks(text)


@given(_SPACES)
@example("a_b_c")
@example("xa b c")
@example("a.b-c")
def test_spaced_words_are_found_as_by_the_whole_rule(text: str) -> None:
    _agrees_on_spaced_words(text)


def test_both_agree_on_the_tables() -> None:
    lines = _lines()
    assert len(lines) > 1_000
    for line in lines:
        _agrees_on_clocks(line)
        _agrees_on_spaced_words(disguise.folded(line))
