"""From how many vectors on the local store works in another way."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers of vectors of one owner. On one core an exact search costs 45 ms a million.

    hnsw_from: with so many, an owner gets files and a graph. exact_up_to: when at most so many may be returned, all of
    them are compared, which is faster than to have the graph propose enough of them. behind: when more are not in the
    graph yet, it is extended. step: so many, about 40 s of work, are put into the graph between two saves.
    """

    hnsw_from: int = 50_000
    exact_up_to: int = 20_000
    behind: int = 16_384
    step: int = 100_000
