"""Who was erased, over a dict: how often, and when last."""

import time

from stores.lateness import digest_of, is_late, refusal


class Erasures:
    """What a reference store remembers of those whom it has erased."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, float]] = {}

    def note(self, owner: str) -> None:
        number, _ = self._of.get(digest_of(owner), (0, 0.0))
        self._of[digest_of(owner)] = number + 1, time.time()

    def within(self, seconds: float) -> frozenset[tuple[str, int]]:
        since = time.time() - seconds
        return frozenset((digest, number) for digest, (number, erased_s) in self._of.items() if erased_s >= since)

    def is_late(self, owner: str, begun_s: float | None) -> bool:
        _, erased_s = self._of.get(digest_of(owner), (0, None))
        return is_late(begun_s, erased_s, time.time())

    def refuse_late(self, owner: str, begun_s: float | None) -> None:
        """Raise Erased for what was begun before the owner was erased."""
        if self.is_late(owner, begun_s):
            raise refusal()
