"""Too much of the same from one program: what repeats itself within an hour, beyond a quota. In memory, bounded."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from cachetools import TTLCache

from context0.trust.sources import is_by_program, source_name
from stores.records import Memory

ALIKE: Final = 0.8
"""Share of their words that two texts have in common, so that they say the same, but for a number or a name."""
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
    restart, more gets through. What gets through still counts once in a search, see `Echoes`. Safe for several threads:
    large batches pass the gate in one.
    """

    def __init__(self, *, timer: Callable[[], float], quota: int) -> None:
        """quota: how often in an hour; 0 is no limit."""
        self._quota = quota
        self._kinds: TTLCache[tuple[str, str], list[_Kind]] = TTLCache(_MOST_SOURCES, _WINDOW_S, timer)
        self._lock = Lock()

    def is_flood(self, memory: Memory) -> bool:
        """Count a memory that is about to be written, and tell whether it is too much of the same. Up to 100 us."""
        if not self._quota or not is_by_program(memory):
            return False
        words = frozenset(memory.content.casefold().split())
        if len(words) < _FEWEST_WORDS:
            return False
        with self._lock:
            return self._is_beyond((memory.user_id, source_name(memory)), words)

    def forget(self, owner: str) -> None:
        """Forget the words of an owner who is erased."""
        with self._lock:
            for source in [source for source in self._kinds if source[0] == owner]:
                del self._kinds[source]

    def _is_beyond(self, source: tuple[str, str], words: frozenset[str]) -> bool:
        kinds = self._kinds.setdefault(source, [])
        for place, kind in enumerate(kinds):
            if are_alike(kind.words, words):
                kind.count += 1
                kinds.append(kinds.pop(place))
                return kind.count > self._quota
        kinds.append(_Kind(words))
        del kinds[:-_MOST_KINDS]
        return False


class Echoes:
    """Finds what a program says nearly again among what was met before it."""

    def __init__(self) -> None:
        self._met: defaultdict[str, list[tuple[frozenset[str], int]]] = defaultdict(list)

    def first_of(self, memory: Memory, place: int) -> int:
        """Return the place of the first memory of the same source that says nearly the same; else `place`."""
        words = frozenset(memory.content.casefold().split())
        met = self._met[source_name(memory)]
        if len(words) >= _FEWEST_WORDS:
            for earlier, first in met:
                if are_alike(earlier, words):
                    return first
            met.append((words, place))
        return place


def are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    shared = len(one & other)
    return shared >= ALIKE * (len(one) + len(other) - shared)
