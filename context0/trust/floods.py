"""Too much of the same from one program: what repeats itself within an hour, beyond a quota. In memory, bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import TTLCache

from context0.trust.sources import is_by_program, source_name
from stores.records import Memory

ALIKE: Final = 0.8
"""Share of their words that two texts have in common, so that they say the same: a number or a name apart."""
_QUOTA: Final = 20
_WINDOW_S: Final = 3_600.0
_MOST_SOURCES: Final = 10_000
_MOST_KINDS: Final = 32
_FEWEST_WORDS: Final = 4
"""Shorter texts are alike by chance."""


@dataclass(slots=True)
class _Kind:
    """Texts that say the same: the words of the first, and how many there were."""

    words: frozenset[str]
    count: int = 1


class FloodGuard:
    """Counts what programs write that says nearly the same, for each owner and source.

    The window begins with a source's first write, and the counts are of this process: with several of them, and after a
    restart, more gets through. What gets through still counts once in a search, see `context0.memory.relevance`.
    """

    def __init__(self, *, timer: Callable[[], float], quota: int = _QUOTA) -> None:
        self._quota = quota
        self._kinds: TTLCache[tuple[str, str], list[_Kind]] = TTLCache(_MOST_SOURCES, _WINDOW_S, timer)

    def is_flood(self, memory: Memory) -> bool:
        """Count a memory that is about to be written, and tell whether it is too much of the same. Up to 100 us."""
        if not is_by_program(memory):
            return False
        words = frozenset(memory.content.casefold().split())
        if len(words) < _FEWEST_WORDS:
            return False
        kinds = self._kinds.setdefault((memory.user_id, source_name(memory)), [])
        for place, kind in enumerate(kinds):
            if are_alike(kind.words, words):
                kind.count += 1
                kinds.append(kinds.pop(place))
                return kind.count > self._quota
        kinds.append(_Kind(words))
        del kinds[:-_MOST_KINDS]
        return False


def are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    shared = len(one & other)
    return shared >= ALIKE * (len(one) + len(other) - shared)
