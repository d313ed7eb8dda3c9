"""What no longer holds, in a search over an owner's index: left out as of then, or right behind its successor: pure."""

from typing import Final

import numpy as np
import numpy.typing as npt

from context0.memory.fusion import Mask, Scores
from stores.owner.owner_index import Snapshot
from stores.records import MemoryId

_BEHIND: Final = np.float32(0.25)
"""So much less than its successor, in standard deviations of an arm, what no longer holds scores at most."""


def held_at(moment_ms: int, snapshot: Snapshot) -> Mask:
    """Return which rows held at a moment: from valid_from, or else from when it happened, until it was ended."""
    held: Mask = snapshot.event_ms <= moment_ms
    for row, one in snapshot.validity.items():
        begun = snapshot.event_ms[row] if one.valid_ms is None else one.valid_ms
        held[row] = begun <= moment_ms and (one.invalid_ms is None or moment_ms < one.invalid_ms)
    return held


def put_successors_first(total: Scores, found: Mask, allowed: Mask, snapshot: Snapshot, now_ms: int) -> None:
    """Let what took the place of a memory by now inherit its score, in `total`, and put the memory behind it.

    Who asks with the words of the old finds the new: "I moved to Graz" answers "where do I live?" as "I live in
    Munich" did. Rows outside `found` are left alone; the successor of one inside it is found with it, if it is allowed.
    """
    ends = snapshot.once("ends", lambda: _ends(snapshot))
    over = int(np.searchsorted(ends, now_ms, side="right"))  # a plan ends things later: "I'm moving in August"
    old, newest = snapshot.once(f"successors of {over}", lambda: _successors(snapshot, now_ms))
    counted = found[old] & allowed[newest]
    old, newest = old[counted], newest[counted]
    found[newest] = True
    np.maximum.at(total, newest, total[old])
    total[old] = np.minimum(total[old], total[newest] - _BEHIND)


def _ends(snapshot: Snapshot) -> npt.NDArray[np.int64]:
    """Return when memories are over, ascending."""
    return np.sort(np.array([one.invalid_ms for one in snapshot.validity.values() if one.invalid_ms], np.int64))


def _successors(snapshot: Snapshot, now_ms: int) -> npt.NDArray[np.intp]:
    """Return the rows that have a successor at a moment, each with the last row of its chain: shape (2, rows).

    Chains that lead out of the index or into a circle are left out. Under 1 us a row.
    """
    next_ids = {
        row: one.superseded_by
        for row, one in snapshot.validity.items()
        if one.superseded_by and (one.invalid_ms is None or one.invalid_ms <= now_ms)
    }
    ends: dict[int, int | None] = {}
    for row in next_ids:
        at: int | None = row
        chain: dict[int | None, None] = {}
        while at in next_ids and at not in ends and at not in chain:
            chain[at] = None
            at = snapshot.row_of.get(MemoryId(next_ids[at]))
        end = None if at is None or at in chain else ends.get(at, at)
        ends |= {passed: end for passed in chain if passed is not None}
    known = [(row, end) for row, end in ends.items() if end is not None]
    return np.array(known, np.intp).reshape(-1, 2).T
