"""What a rule for instruction-like text is: a reason, a pattern, and words without which it need not be tried."""

import re
from dataclasses import dataclass
from typing import Final, Literal

Reason = Literal[
    "override",
    "role_marker",
    "delayed_trigger",
    "concealment",
    "exfiltration",
    "tool_call",
    "fake_result",
    "memory_command",
    "foreign_data",
    "steering",
    "hidden_text",
    "encoded",
    "flood",
]
"""Why a memory is kept back; stable names."""

_GAP: Final = r"[^.!?\n]{0,70}?"
_ORDER: Final = (
    r"(?:^|[.!?:;,\n\"'(\[>]\s{0,3}|\b(?:and|then|please|kindly|must|should|will|just|now|always|quietly|silently|"
    r"secretly|also|assistant|ai|so|to|und|et|y|e)\s)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """needs: two groups of lower-case pieces, one of each in the text. own: it judges the owner's own words, too.

    A pattern repeats nothing without a bound, so that it takes time in proportion to the text.
    """

    reason: Reason
    pattern: re.Pattern[str]
    needs: tuple[tuple[str, ...], tuple[str, ...]]
    own: bool


def rule(reason: Reason, needs: str, pattern: str, *, own: bool = True) -> Rule:
    """Return a rule for folded text. In the pattern, ~ is a gap inside a sentence, ¡ where an order may begin.

    needs: the pieces of a group with | between, two groups with & between; one stands for both.
    """
    full = pattern.replace("~", _GAP).replace("¡", _ORDER)
    first, _, second = needs.partition(" & ")
    groups = tuple(first.split("|")), tuple((second or first).split("|"))
    return Rule(reason=reason, pattern=re.compile(full), needs=groups, own=own)
