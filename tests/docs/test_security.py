"""SECURITY.md names files that are there, all ten risks of OWASP's list, and the memory poisoning of the other one."""

import re
from typing import Final

import pytest

from tests.command_line import ROOT

TEXT: Final = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED: Final = sorted(set(re.findall(r"`((?:tests|context0|stores|scripts|reports)/[\w/.]+|pyproject\.toml)`", TEXT)))


@pytest.mark.parametrize("path", NAMED)
def test_what_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_risk_has_a_row_with_code_and_a_test() -> None:
    for risk in (*(f"LLM{number:02}" for number in range(1, 11)), "ASI06"):
        (row,) = (line for line in TEXT.splitlines() if line.startswith(f"| {risk} "))
        *_, code, tests, _ = row.split("|")
        assert "`" in code, risk
        assert "`tests/" in tests, risk


def test_every_promise_has_a_test() -> None:
    promises = TEXT.partition("## Promises")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 10
    assert all("tests/" in row.split("|")[3] for row in rows)
