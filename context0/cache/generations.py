"""One number an owner, which moves with every change: as a part of keys it makes all the older ones unreachable."""

from collections import OrderedDict
from itertools import count


class Generations:
    """Numbers are never used twice: an owner who was forgotten, since many others came, gets a new one."""

    def __init__(self, *, max_owners: int = 100_000) -> None:
        """max_owners: remembered at once; 200 bytes each."""
        self._max_owners = max_owners
        self._numbers = count(1)
        self._of: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def of(self, owner: str) -> int:
        """Return the owner's number: 0.2 us."""
        number = self._of.get(owner)
        if number is None:
            return self.move(owner)
        self._of.move_to_end(owner)
        return number

    def move(self, owner: str) -> int:
        """Give the owner a new number: whatever was cached under the former one is met no more."""
        number = self._of[owner] = next(self._numbers)
        self._of.move_to_end(owner)
        if len(self._of) > self._max_owners:
            self._of.popitem(last=False)
        return number
