"""The four modes: which one holds for a turn, and what each allows.

normal      reads memory and history; keeps the messages and what is worth remembering.
redact      the same, on text in which personal data and secrets are masked first.
read_only   reads memory and history; writes nothing: no memory, no message, no change of the session.
off_record  reads nothing and writes nothing: no memory, no message, no cache, no log of the text.
"""

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING

from context0.errors import InvalidInput
from context0.privacy.report import PRIVACY_MODES, PrivacyMode, PrivacyReport

if TYPE_CHECKING:
    from context0.privacy.scanning import Scan


def check_mode(value: str, *, field: str = "mode") -> PrivacyMode:
    """Return `value` as a mode. Raises InvalidInput, which does not repeat the value: it may be text gone astray."""
    for mode in PRIVACY_MODES:
        if value == mode:
            return mode
    raise InvalidInput(field, f"must be one of {', '.join(PRIVACY_MODES)}")


def effective_mode(turn: str | None, session: str | None, user: str | None) -> PrivacyMode:
    """Return the mode that holds: what was said for this turn, else for the session, else by the user, else `normal`.

    The nearest word of the person counts, also where it is the less strict one. Each that is given is checked, also
    those that do not decide. Raises InvalidInput.
    """
    given = [(turn, "mode"), (session, "session.mode"), (user, "user.mode")]
    modes = [check_mode(value, field=field) for value, field in given if value is not None]
    return modes[0] if modes else "normal"


def keeps(mode: str) -> bool:
    """Tell whether anything may be kept of a turn."""
    return mode in ("normal", "redact")


def report_for(mode: PrivacyMode, scan: "Scan", *, masked: bool = False) -> PrivacyReport:
    """Return the report of a message that was looked at."""
    found = Counter(finding.kind for finding in scan.findings)
    return PrivacyReport(
        mode=mode,
        found=MappingProxyType(dict(found)),
        categories=scan.categories,
        masked=masked,
        uses_memory=mode != "off_record",
        uses_history=mode != "off_record",
        stores_messages=keeps(mode),
        writes_memory=keeps(mode),
    )


def unchecked_report(*, withheld: bool) -> PrivacyReport:
    """Return the report of a message that could not be looked at: nothing is read for it, nothing is kept of it."""
    return PrivacyReport(
        mode="off_record",
        uses_memory=False,
        uses_history=False,
        stores_messages=False,
        writes_memory=False,
        checked=False,
        withheld=withheld,
    )
