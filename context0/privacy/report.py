"""What was found in a message and what may happen to it, told without a word of the text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

PrivacyMode = Literal["normal", "read_only", "off_record", "redact"]
PRIVACY_MODES: Final[tuple[PrivacyMode, ...]] = ("normal", "read_only", "off_record", "redact")

FindingKind = Literal[
    "private_key",
    "jwt",
    "api_key",
    "token",
    "password",
    "card",
    "iban",
    "national_id",
    "email",
    "phone",
    "ip_address",
]
"""password: also PINs, one-time codes, card security codes. token: what follows "Bearer", and what is called token."""
FINDING_KINDS: Final[tuple[FindingKind, ...]] = (
    *("private_key", "jwt", "api_key", "token", "password"),
    *("card", "iban", "national_id", "email", "phone", "ip_address"),
)
"""From the most severe to the least."""

SensitiveCategory = Literal[
    "health",
    "genetics",
    "sexuality",
    "religion",
    "politics",
    "ethnicity",
    "union",
    "legal",
    "finance",
    "minors",
]
"""The categories of GDPR articles 9 and 10; finance and minors beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing in a text that must not leave it in the mode `redact`. span: [start, end) in characters."""

    kind: FindingKind
    span: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyReport:
    """What the rules saw in one message, and what the turn may therefore do. Never holds the text or a part of it.

    found: how many of each kind. masked: something was replaced by placeholders before anything was kept or sent.
    uses_memory, uses_history: may what was said before be read for this turn. stores_messages: may the two messages of
    the turn, and the session, be written. writes_memory: may the turn become memories.
    checked: False where the rules could not run. withheld: the text was left out, since it could not be masked;
    then nothing of it may be sent either.
    """

    mode: PrivacyMode
    found: Mapping[FindingKind, int] = field(default_factory=lambda: MappingProxyType({}))
    categories: tuple[SensitiveCategory, ...] = ()
    masked: bool = False
    uses_memory: bool
    uses_history: bool
    stores_messages: bool
    writes_memory: bool
    checked: bool = True
    withheld: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it for the metadata of a reply: mode, counts, names and yes or no."""
        return {
            "mode": self.mode,
            "found": dict(self.found),
            "categories": list(self.categories),
            "masked": self.masked,
            "uses_memory": self.uses_memory,
            "uses_history": self.uses_history,
            "stores_messages": self.stores_messages,
            "writes_memory": self.writes_memory,
            "checked": self.checked,
            "withheld": self.withheld,
        }
