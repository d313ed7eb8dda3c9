"""Settles findings that share characters."""

from collections.abc import Iterable
from typing import Final

from context0.privacy.report import FINDING_KINDS, Finding

_SEVERITY: Final = {kind: place for place, kind in enumerate(reversed(FINDING_KINDS))}


def without_overlaps(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings in order of the text, none of them sharing a character with another.

    Those that share one become one over all their characters, so that no rest of any remains; it is of the kind of
    the longest, and of the most severe among equally long ones.
    """
    settled: list[Finding] = []
    strongest = (0, 0)
    for finding in sorted(findings, key=lambda finding: finding.span):
        start, end = finding.span
        rank = (end - start, _SEVERITY[finding.kind])
        if not settled or start >= settled[-1].span[1]:
            settled.append(finding)
            strongest = rank
            continue
        held = settled[-1]
        kind = held.kind if strongest >= rank else finding.kind
        strongest = max(strongest, rank)
        settled[-1] = Finding(kind=kind, span=(held.span[0], max(held.span[1], end)))
    return tuple(settled)
