"""From how many vectors on the local store works in another way."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers of vectors of one owner. On one core an exact search costs 45 ms a million.

    files_from: with so many, an owner gets files, and signs propose what is compared. behind: when more are in memory
    only, they are appended to the files. step: so many, about a second of work, are written between two commits.
    """

    files_from: int = 20_000
    behind: int = 16_384
    step: int = 50_000
