"""S14: sensitive categories are flagged by whole words, cautiously, and nothing is masked for them."""

import pytest

from context0.privacy.masking import mask_text
from context0.privacy.scanning import scan


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("I was diagnosed with type 2 diabetes", "health"),
        ("my panic attacks are back", "health"),
        ("The DNA test came back", "genetics"),
        ("I came out to my parents", "sexuality"),
        ("We fast during Ramadan", "religion"),
        ("I voted for the Green Party", "politics"),
        ("My ethnic background is mixed", "ethnicity"),
        ("I joined a trade union", "union"),
        ("He has a criminal record", "legal"),
        ("My salary is too low for that mortgage", "finance"),
        ("our 6-year-old can read", "minors"),
        ("My toddler won’t sleep", "minors"),
    ],
)
def test_a_sensitive_message_is_flagged_and_stays_readable(text: str, category: str) -> None:
    assert category in scan(text).categories
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "What did I say about the garden?",
        "The union of two sets is a set.",
        "We lay on the lawn for hours.",
        "The patient approach wins.",
        "A 30-year-old whisky",
        "My credit to you for that idea.",
        "The party starts at nine, vote on the music.",
        "The cancellation was free.",
    ],
)
def test_an_ordinary_message_is_not(text: str) -> None:
    assert scan(text).categories == ()


def test_the_categories_come_sorted_and_once() -> None:
    assert scan("Insulin for my toddler, insulin and chemo; my salary").categories == ("finance", "health", "minors")
