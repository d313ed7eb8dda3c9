"""B5, S14: what the privacy rules find in labelled messages, with floors per kind, and what they must leave alone."""

from typing import Final

import pytest

from context0.privacy.report import FINDING_KINDS
from context0.privacy.scanning import scan
from tests.privacy_report import Labelled, read_messages, tally

POSITIVE: Final = read_messages("pii_positive.jsonl")
NEGATIVE: Final = read_messages("pii_negative.jsonl")
FLOORS: Final = {
    "private_key": 1.0,
    "jwt": 1.0,
    "api_key": 0.97,
    "token": 0.95,
    "password": 0.89,
    "card": 0.92,
    "iban": 0.96,
    "national_id": 0.96,
    "email": 0.95,
    "phone": 0.95,
    "ip_address": 0.96,
}
MOST_FALSE_POSITIVES: Final = 2


def test_the_corpus_is_as_large_as_promised_and_holds_every_kind() -> None:
    assert len(POSITIVE) >= 300
    assert len(NEGATIVE) >= 300
    assert len({message.text for message in (*POSITIVE, *NEGATIVE)}) == len(POSITIVE) + len(NEGATIVE)
    assert all(message.expected for message in POSITIVE)
    assert {wanted.kind for message in POSITIVE for wanted in message.expected} == set(FINDING_KINDS)
    assert not any(message.expected for message in NEGATIVE)


@pytest.mark.parametrize("kind", FINDING_KINDS)
def test_each_kind_is_found_as_often_as_promised(kind: str) -> None:
    counts = tally(POSITIVE)
    assert counts.rate(kind) >= FLOORS[kind], "\n".join(counts.mistakes)


def test_messages_not_looked_at_while_the_rules_were_made_fare_as_well() -> None:
    counts = tally([message for message in POSITIVE if message.held_out])
    assert counts.found.total() >= 0.95 * counts.total.total(), "\n".join(counts.mistakes)


def test_hardly_anything_is_found_where_nothing_is() -> None:
    counts = tally(NEGATIVE)
    assert counts.false_positives.total() <= MOST_FALSE_POSITIVES, "\n".join(counts.mistakes)


def test_beside_what_is_to_be_found_nothing_else_is() -> None:
    counts = tally(POSITIVE)
    assert counts.false_positives.total() == 0, "\n".join(counts.mistakes)


@pytest.mark.parametrize(
    "text",
    [
        "My card is 4111 1111 1111 1112.",
        "IBAN DE89 3704 0044 0532 0130 01",
        "DNI 12345678A",
        "my PESEL is 44051401358",
        "SSN 000-12-3456",
        "NI number GB123456A",
        "Aadhaar 2345 6789 0123",
    ],
)
def test_a_number_with_a_wrong_check_digit_is_no_finding(text: str) -> None:
    assert scan(text).findings == ()


@pytest.mark.parametrize(("number", "word"), [("44051401359", "PESEL"), ("111222333", "BSN"), ("130692544", "SIN")])
def test_a_weak_number_needs_its_word_nearby(number: str, word: str) -> None:
    assert [finding.kind for finding in scan(f"my {word} is {number}").findings] == ["national_id"]
    assert scan(f"the article is {number}").findings == ()
    assert scan(f"my {word} is somewhere. {'We talked about the garden. ' * 6} {number}").findings == ()


def test_a_secret_is_found_again_where_nothing_announces_it() -> None:
    text = "My password is hunter2. I type hunter2 every day, but hunter22 is another."
    spans = [finding.span for finding in scan(text).findings]
    assert [text[slice(*span)] for span in spans] == ["hunter2", "hunter2"]


def test_other_hyphens_spaces_and_figures_do_not_hide_a_number() -> None:
    for text in (
        "call +49\u00a030\u00a0901820",
        "SSN 123\u201145\u20116789",
        "card ４１１１ １１１１ １１１１ １１１１",
    ):
        (finding,) = scan(text).findings
        assert finding.span[1] == len(text)


def test_a_private_key_without_an_end_goes_on_to_the_end() -> None:
    text = "see -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nand so on"
    assert [finding.span for finding in scan(text).findings] == [(4, len(text))]


def straddling(message: Labelled, boundary: int) -> tuple[str, int]:
    """Return the message behind filler, so that the first thing to be found lies across `boundary`, and the offset."""
    start, end = message.expected[0].span
    offset = boundary - (start + end) // 2
    return ("so we went on " * boundary)[: offset - 1] + "\n" + message.text, offset


def test_a_window_that_ends_inside_a_finding_does_not_lose_it() -> None:
    from context0.privacy.scanning import WINDOW_CHARACTERS

    for message in POSITIVE[::2]:
        text, offset = straddling(message, WINDOW_CHARACTERS)
        moved = [(found.kind, found.span[0] - offset, found.span[1] - offset) for found in scan(text).findings]
        assert moved == [(found.kind, *found.span) for found in scan(message.text).findings], message.text
