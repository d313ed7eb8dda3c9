"""What no longer holds, in a search over an owner's index: left out as of then, or right behind its successor: pure."""

from typing import Final

import numpy as np

from context0.memory.fusion import Mask, Scores
from stores.owner.owner_index import Snapshot

_BEHIND: Final = np.float32(0.25)
"""So much less than its successor, in standard deviations of an arm, what no longer holds scores at most."""
_LONGEST: Final = 64


def held_at(moment_ms: int, snapshot: Snapshot) -> Mask:
    """Return which rows held at a moment: from valid_from, or else from when it happened, until it was ended."""
    held: Mask = snapshot.event_ms <= moment_ms
    for row, one in snapshot.validity.items():
        begun = snapshot.event_ms[row] if one.valid_ms is None else one.valid_ms
        held[row] = begun <= moment_ms and (one.invalid_ms is None or moment_ms < one.invalid_ms)
    return held


def put_successors_first(total: Scores, found: Mask, allowed: Mask, snapshot: Snapshot) -> None:
    """Let what took the place of a memory inherit its score, in `total`, and put the memory behind it.

    Who asks with the words of the old finds the new: "I moved to Graz" answers "where do I live?" as "I live in
    Munich" did. Rows outside `found` are left alone; the successor of one inside it is found with it, if it is allowed.
    """
    old_rows = [row for row, one in snapshot.validity.items() if one.superseded_by and found[row]]
    for row in sorted(old_rows, key=lambda row: -float(total[row])):
        newest = _newest(row, snapshot)
        if newest is None or not allowed[newest]:
            continue
        found[newest] = True
        total[newest] = max(total[newest], total[row])
        total[row] = min(total[row], total[newest] - _BEHIND)


def _newest(row: int, snapshot: Snapshot) -> int | None:
    """Return the last row of the chain of successors, None if it is not here."""
    seen = {row}
    at: int | None = row
    while at is not None and len(seen) <= _LONGEST:
        one = snapshot.validity.get(at)
        if one is None or one.superseded_by is None:
            break
        at = snapshot.row_of.get(one.superseded_by)  # type: ignore[call-overload]  # an id is text
        if at is None or at in seen:
            return None
        seen.add(at)
    return None if at == row else at
