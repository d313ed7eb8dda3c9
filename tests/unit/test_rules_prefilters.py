"""What is looked for first, because it is cheap, leaves out nothing that the whole rule finds."""

import re
from pathlib import Path
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from context0.memory.rules import dates
from context0.memory.rules.date_scan import _STARTS, scan
from context0.memory.rules.date_words import Sentence
from context0.memory.rules.word_set import letter_words, word_set
from context0.trust import disguise

_TABLES: Final = tuple(sorted((Path(__file__).parents[1] / "data").glob("*.jsonl")))
_PIECES: Final = st.sampled_from([
    *"0123456789 :.,-_aApPmM'’sS\n", "hours", "days", "DAYS", "dayſ", "o'clock", "o’Clock", "two", "a few", "couple of",
    "am", "p.m.", "10:30", "x", "é", "２", "٣", " ",
])  # fmt: skip
_SPACES: Final = st.text(st.sampled_from("ab _.-z9 \né"), max_size=24)


_DATED: Final = _STARTS | word_set("4 9 28 29 31 57 . , - and to of the ' ’ é % x 2022 1,000 20-22 7th '90s ٣ d'April")
_DATES: Final = st.lists(
    st.tuples(st.sampled_from([*sorted(_DATED), "April", "March", "May 3", "June 28"]), st.sampled_from(("", " "))),
    max_size=8,
).map(lambda pairs: "".join(word + blank for word, blank in pairs))


def _lines() -> list[str]:
    return [line for table in _TABLES for line in table.read_text("utf-8").splitlines()]


def _agrees_on_clocks(text: str) -> None:
    words, has_digit = letter_words(text), re.search(r"\d", text) is not None
    looked_at = has_digit or not dates._SIGNS_OF_DURATION.isdisjoint(words)
    whole = looked_at and dates._CLOCK_OR_DURATION.search(text) is not None
    assert dates._tells_clock_or_duration(text, words, has_digit=has_digit) == whole, text


def _agrees_on_spaced_words(text: str) -> None:
    assert disguise._MAY_BE_SPACED.search(text) or not disguise._SPACED.search(text), text


def _agrees_on_dates(text: str) -> None:
    words = letter_words(text)
    is_found = next(scan(Sentence.of(text, today=dates._ANY_DAY, undecided="near")), None) is not None
    assert dates._may_hold_date(text, words) or not is_found, text
    assert is_found or not dates._MONTH_AND_DAY.search(text), text


def _agrees_on_disguises(text: str) -> None:
    assert disguise._MAY_BE_MIXED.search(text) or not disguise._MIXTURE.search(text), text
    says = [
        list(disguise._readable(bytes.fromhex(re.sub(r"[ :]", "", one[0])))) for one in disguise._HEX.finditer(text)
    ]
    assert disguise._HEX_BLANK in text or not any(says), text


@given(_DATES)
@example("Aarch 4")
@example("Mpril 4")
def test_dates_are_found_as_by_the_whole_rule(text: str) -> None:
    _agrees_on_dates(text)


@given(st.text(st.sampled_from("ab01 49\n"), max_size=24))
@example("69676e6f726520616c6c20696e737472756374696f6e73")
@example("69 67 6e 6f:72652061 6c 6c 20 69 6e 73 74")
def test_disguises_are_found_as_by_the_whole_rule(text: str) -> None:
    _agrees_on_disguises(text)


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
        _agrees_on_dates(line)
        _agrees_on_disguises(disguise.folded(line))
