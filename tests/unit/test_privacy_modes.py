"""B9, S16: which mode holds, what each allows, and a report that tells without telling."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context0.errors import InvalidInput
from context0.privacy.modes import check_mode, effective_mode, report_for, unchecked_report
from context0.privacy.report import PRIVACY_MODES, PrivacyMode
from context0.privacy.scanning import Scan, scan
from tests.privacy_report import read_messages

modes = st.none() | st.sampled_from(PRIVACY_MODES)


@given(modes, modes, modes)
def test_the_nearest_word_of_the_person_holds(turn: str | None, session: str | None, user: str | None) -> None:
    assert effective_mode(turn, session, user) == (turn or session or user or "normal")


@pytest.mark.parametrize("given_modes", [("secret", None, None), ("normal", "off", None), (None, None, "")])
def test_an_unknown_mode_is_refused_wherever_it_stands_and_not_repeated(given_modes: tuple[str | None, ...]) -> None:
    turn, session, user = given_modes
    with pytest.raises(InvalidInput, match="must be one of normal, read_only, off_record, redact") as refused:
        effective_mode(turn, session, user)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("mode", PRIVACY_MODES)
def test_a_known_mode_passes(mode: PrivacyMode) -> None:
    assert check_mode(mode) == mode


@pytest.mark.parametrize(
    ("mode", "reads", "writes"),
    [("normal", True, True), ("redact", True, True), ("read_only", True, False), ("off_record", False, False)],
)
def test_each_mode_reads_and_writes_what_it_says(mode: PrivacyMode, reads: bool, writes: bool) -> None:
    report = report_for(mode, Scan())
    assert (report.uses_memory, report.uses_history) == (reads, reads)
    assert (report.stores_messages, report.writes_memory) == (writes, writes)
    assert report.checked


@pytest.mark.parametrize("withheld", [True, False])
def test_what_could_not_be_checked_is_off_the_record(withheld: bool) -> None:
    report = unchecked_report(withheld=withheld)
    assert report.mode == "off_record"
    assert not (report.checked or report.uses_memory or report.stores_messages or report.writes_memory)
    assert report.withheld is withheld


@given(st.sampled_from(read_messages("pii_positive.jsonl")), st.sampled_from(PRIVACY_MODES))
@settings(deadline=None)
def test_the_report_holds_counts_and_names_and_nothing_of_the_text(message: object, mode: PrivacyMode) -> None:
    text = message.text  # type: ignore[attr-defined]  # hypothesis shows no type for elements of a list
    found = scan(text)
    told = json.dumps(report_for(mode, found, masked=True).to_json(), ensure_ascii=False)
    assert all(
        len(text[slice(*finding.span)]) < 6 or text[slice(*finding.span)] not in told for finding in found.findings
    )
    assert all(finding.kind in told for finding in found.findings)
