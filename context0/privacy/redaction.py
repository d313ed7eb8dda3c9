"""Puts placeholders in the place of what was found: "[email]", "[card]"."""

from collections.abc import Iterable

from context0.privacy.overlaps import without_overlaps
from context0.privacy.report import Finding


def redact(text: str, findings: Iterable[Finding]) -> str:
    """Return `text` with each finding replaced by its kind in brackets, everything else as it was.

    findings: spans of this very text, in any order; overlapping ones are replaced as one. Placeholders are the same
    for equal kinds and are never found again. Raises ValueError for a span outside the text.
    """
    pieces: list[str] = []
    place = 0
    for finding in without_overlaps(findings):
        start, end = finding.span
        if not 0 <= start <= end <= len(text):
            raise ValueError(f"the span {finding.span} lies outside a text of {len(text)} characters")
        pieces += [text[place:start], f"[{finding.kind}]"]
        place = end
    return "".join([*pieces, text[place:]])
