"""The vectors of one owner: those in files, if there are many, and in memory what changed since."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from stores.errors import DimensionMismatch
from stores.local.file_vectors import FileVectors
from stores.local.sizes import Sizes
from stores.owner.vector_set import VectorSet
from stores.records import FloatVector, Hit, IndexRow, MemoryId, Validity

_MOST_OF: Final = 3
_TRIED_TIMES: Final = 4
"""Where a third of all may be found, four times as many of the nearest are looked at first: their ids are fewer."""
_INLINE_BYTES: Final = 16 << 20
"""Up to this size of a matrix a search takes less than about a millisecond, and stays on the event loop."""


class Watermark:
    """Up to when all changes are known, except those that come without a time: vectors that were made later."""

    def __init__(self, changed_ms: int = 0) -> None:
        self.changed_ms = changed_ms
        self._waiting: dict[str, int] = {}

    @property
    def durable_ms(self) -> int:
        """From when on changes have to be read again by whoever keeps only the vectors."""
        return min([self.changed_ms, *(since_ms - 1 for since_ms in self._waiting.values())])

    def note(self, rows: Sequence[IndexRow]) -> None:
        self.changed_ms = max((self.changed_ms, *(row.updated_ms for row in rows)))
        for row in rows:
            if row.live and row.embedding is None:
                self._waiting[row.id] = row.updated_ms
            elif self._waiting:
                self._waiting.pop(row.id, None)


class OwnerVectors:
    """Follows the documents; `filed` never changes, but for which of its rows are alive."""

    def __init__(self, filed: FileVectors | None = None) -> None:
        self.filed = filed
        self.recent = VectorSet()
        self.changed_ms = 0 if filed is None else filed.edition.manifest.changed_ms
        self._seen = Watermark(self.changed_ms)
        self._versions: dict[MemoryId, int] = {}
        self._removed: set[MemoryId] | None = None

    def __len__(self) -> int:
        return len(self.recent) + (0 if self.filed is None else len(self.filed))

    @property
    def nbytes(self) -> int:
        return self.recent.nbytes + (0 if self.filed is None else self.filed.nbytes)

    @property
    def worn(self) -> bool:
        return self.filed is None and self.recent.dead > max(256, len(self.recent) // 2)

    @property
    def is_quick(self) -> bool:
        """Say whether a search takes less than about a millisecond."""
        return self.filed is None and self.recent.matrix.nbytes <= _INLINE_BYTES

    @property
    def durable_ms(self) -> int:
        """See `Watermark`."""
        return self._seen.durable_ms

    def wants_new_edition(self, sizes: Sizes) -> bool:
        if self.filed is None:
            return len(self.recent) >= sizes.files_from
        return self.filed.dead > max(sizes.files_from, len(self.filed) // 2)

    def wants_growth(self, sizes: Sizes) -> bool:
        return self.filed is not None and len(self.recent.ids) > sizes.behind

    def apply(self, rows: Sequence[IndexRow]) -> None:
        """Take over `rows`; those without an embedding, and versions already known, have no effect."""
        self._seen.note(rows)
        self.changed_ms = self._seen.changed_ms
        self.discard([MemoryId(row.id) for row in rows if not row.live])
        ready = {MemoryId(row.id): row for row in rows if row.live and row.embedding is not None}
        known = self._known_versions(list(ready))
        fresh = {memory_id: row for memory_id, row in ready.items() if known.get(memory_id, 0) < row.version}
        if not fresh:
            return
        self.recent.add_rows(list(fresh), [row.embedding for row in fresh.values()])
        self._versions.update((i, row.version) for i, row in fresh.items())
        if self.filed is not None:
            self.filed.mask(self.filed.rows_of(list(fresh)))

    def settle(self, validity: Mapping[MemoryId, Validity]) -> None:
        """A vector stays what it is, whether or not its memory holds."""

    def discard(self, ids: Collection[MemoryId]) -> None:
        if not ids:
            return
        self.recent.remove(ids)
        for memory_id in ids:
            self._versions.pop(memory_id, None)
        if self._removed is not None:
            self._removed.update(ids)
        if self.filed is not None:
            self.filed.mask(self.filed.rows_of(ids))

    def check(self, vector: FloatVector) -> None:
        """Raise InvalidVector or DimensionMismatch."""
        self.recent.check(vector)
        if self.filed is not None and len(vector) != self.filed.dimension:
            raise DimensionMismatch(self.filed.dimension, len(vector))

    def top(self, vector: FloatVector, limit: int, among: Collection[MemoryId] | None = None) -> list[Hit]:
        """Return the nearest, best first, equal scores by ascending id. Raises InvalidVector, DimensionMismatch."""
        self.check(vector)
        recent, filed = self.recent, self.filed
        hits = recent.top(vector, limit, among)
        if filed is None:
            return hits
        if among is not None and len(among) > len(filed) // _MOST_OF:
            passing = set(among)
            near = [hit for hit in filed.top(vector, limit * _TRIED_TIMES) if hit.id in passing]
            if len(near) >= limit:
                return _best([*hits, *near], limit)
        if recent.row_of:
            among = among if among is None else [one for one in among if one not in recent.row_of]
        return _best([*hits, *filed.top(vector, limit, among)], limit)

    def changes(self) -> tuple[list[MemoryId], list[int], list[bytes]]:
        """Return what is in memory only: ids, versions, vectors."""
        ids = list(self.recent.row_of)
        matrix = self.recent.matrix
        vectors = [matrix[self.recent.row_of[memory_id]].tobytes() for memory_id in ids]
        return ids, [self._versions[memory_id] for memory_id in ids], vectors

    def mind_removals(self) -> None:
        """Remember what is removed from now on, for the `adopt` of files that are being written now."""
        self._removed = set()

    def adopt(self, filed: FileVectors) -> None:
        """Search `filed` from now on, and keep in memory what it does not have."""
        former = self.filed
        if former is not None and former.edition.folder == filed.edition.folder:
            filed.mask(np.flatnonzero(~former.alive))
        removed = (self._removed or set()) - self.recent.row_of.keys()
        ids, versions, vectors = self.changes()
        stored = filed.versions(filed.rows_of(ids)).tolist()
        left = [place for place, version in enumerate(versions) if version > stored[place]]
        self.recent = VectorSet()
        if left:
            self.recent.add_rows([ids[place] for place in left], [vectors[place] for place in left])
        self._versions = {ids[place]: versions[place] for place in left}
        filed.mask(filed.rows_of([*self._versions, *removed]))
        self.filed, self._removed = filed, None

    def _known_versions(self, ids: Sequence[MemoryId]) -> Mapping[MemoryId, int]:
        known = {memory_id: self._versions[memory_id] for memory_id in ids if memory_id in self._versions}
        others = [memory_id for memory_id in ids if memory_id not in known]
        if self.filed is None or not others:
            return known
        rows = self.filed.rows_of(others)
        rows[~self.filed.alive[rows]] = -1
        return known | dict(zip(others, self.filed.versions(rows).tolist(), strict=True))


def _best(hits: Sequence[Hit], limit: int) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]
