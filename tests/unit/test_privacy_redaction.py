"""B5, S14: masking leaves nothing of what was found, changes nothing else, and changes nothing the second time."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context0.privacy.masking import mask_text
from context0.privacy.overlaps import without_overlaps
from context0.privacy.redaction import redact
from context0.privacy.report import FINDING_KINDS, Finding
from context0.privacy.scanning import scan
from tests.privacy_report import read_messages

SECRETS = [
    "jane.doe@example.com",
    "+49 30 901820",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "123-45-6789",
    "81.92.103.44",
    "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJlLW9mLTMy",
]
PIECES = "call me my is : token = card the phone key IBAN password [email] [phone] 12 555 4567 and . , @ + ( ) - \n é"
WORDS = PIECES.split(" ")
texts = st.lists(st.sampled_from([*SECRETS, *WORDS]) | st.text(max_size=8), max_size=14).map(" ".join)
joined = st.lists(st.sampled_from([*SECRETS, *WORDS]) | st.text(max_size=8), max_size=10).map("".join)
findings_of_30 = st.lists(
    st.builds(
        lambda kind, start, length: Finding(kind=kind, span=(start, min(30, start + length))),
        st.sampled_from(FINDING_KINDS),
        st.integers(0, 29),
        st.integers(1, 12),
    ),
    max_size=8,
)


@given(texts | joined)
@settings(max_examples=300, deadline=None)
def test_masking_twice_changes_nothing_more(text: str) -> None:
    masked = mask_text(text)
    assert mask_text(masked) == masked
    assert scan(masked).findings == ()


@given(texts | joined)
@settings(max_examples=300, deadline=None)
def test_what_lies_between_findings_stays_and_what_is_found_goes(text: str) -> None:
    findings = scan(text).findings
    place, pieces = 0, []
    for finding in findings:
        pieces += [text[place : finding.span[0]], f"[{finding.kind}]"]
        place = finding.span[1]
    assert redact(text, findings) == "".join([*pieces, text[place:]])
    assert findings or redact(text, findings) == text


@given(
    st.sampled_from(SECRETS), st.text(alphabet="abc xyz.\n", max_size=40), st.text(alphabet="abc xyz.\n", max_size=40)
)
@settings(deadline=None)
def test_what_was_found_is_not_in_the_masked_text(secret: str, before: str, after: str) -> None:
    assert secret not in mask_text(f"{before} {secret} {after}")


@given(findings_of_30)
def test_overlapping_findings_become_one_over_all_their_characters(findings: list[Finding]) -> None:
    settled = without_overlaps(findings)
    covered = {place for finding in findings for place in range(*finding.span)}
    assert {place for finding in settled for place in range(*finding.span)} == covered
    assert all(one.span[1] <= other.span[0] for one, other in pairwise(settled))
    assert without_overlaps(settled) == settled


def test_the_longest_gives_the_name_and_the_most_severe_among_equals() -> None:
    number = Finding(kind="phone", span=(0, 8))
    assert without_overlaps([number, Finding(kind="card", span=(2, 20))])[0] == Finding(kind="card", span=(0, 20))
    assert without_overlaps([number, Finding(kind="national_id", span=(0, 8))])[0].kind == "national_id"


def test_a_span_outside_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="outside a text of 5"):
        redact("short", [Finding(kind="email", span=(2, 9))])


def test_placeholders_name_the_kind() -> None:
    text = "Mail jane@example.com, call +49 30 901820; password: Tr0ub4dor&3"
    assert mask_text(text) == "Mail [email], call [phone]; password: [password]"


def test_no_value_of_the_labelled_messages_outlives_masking_when_it_is_found() -> None:
    for message in read_messages("pii_positive.jsonl"):
        masked = mask_text(message.text)
        assert mask_text(masked) == masked
        for finding in scan(message.text).findings:
            value = message.text[slice(*finding.span)]
            assert len(value) < 6 or value not in masked
