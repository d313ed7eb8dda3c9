"""Everything that search needs of one owner, in arrays: one pass answers all arms, on every document store alike."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from stores.errors import DimensionMismatch
from stores.owner.columns import Column
from stores.owner.postings import Postings
from stores.owner.vector_set import VectorSet
from stores.records import FloatVector, IndexRow, MemoryId, Validity, validity_of

NEVER: Final = np.iinfo(np.int64).max
ALWAYS: Final = Validity(0)
Mask = npt.NDArray[np.bool_]
A = TypeVar("A", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Snapshot:
    """The arrays of one moment, one entry a row, dead rows included: what a search reads, also in a thread.

    validity: of the few rows that hold since another time than event_ms, or no longer.
    complete: every living row has a vector. session, speaker, memory_type: small codes, -1 for none. previous,
    following: the row before and after it in its session, -1 for none. event_ms: when it happened,
    or else when it was stored.
    """

    ids: Sequence[MemoryId]
    row_of: Mapping[MemoryId, int]
    alive: Mask
    complete: bool
    matrix: npt.NDArray[np.float32]
    terms: Postings
    entities: Postings
    created_ms: npt.NDArray[np.int64]
    event_ms: npt.NDArray[np.int64]
    expires_ms: npt.NDArray[np.int64]
    validity: Mapping[int, Validity]
    session: npt.NDArray[np.int32]
    speaker: npt.NDArray[np.int32]
    memory_type: npt.NDArray[np.int32]
    traits: npt.NDArray[np.int32]
    previous: npt.NDArray[np.intp]
    following: npt.NDArray[np.intp]
    _derived: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.alive)

    def once(self, name: str, make: Callable[[], npt.NDArray[A]]) -> npt.NDArray[A]:
        """Return what `make` made when `name` was first asked for: for what rows are whatever the question."""
        made = self._derived.get(name)
        if made is None:
            made = self._derived[name] = make()
        return made

    def similarity(self, vector: FloatVector) -> npt.NDArray[np.float32]:
        """Return the cosine similarity of every row, NaN without a vector: float32, shape (rows,).

        vector: float32, shape (dimension,), unit length. Raises DimensionMismatch.
        """
        if not self.matrix.shape[1]:
            return np.full(len(self), np.nan, np.float32)
        if len(vector) != self.matrix.shape[1]:
            raise DimensionMismatch(self.matrix.shape[1], len(vector))
        scores: npt.NDArray[np.float32] = self.matrix @ vector
        return scores if self.complete else np.where(self.matrix.any(axis=1), scores, np.float32(np.nan))


class Lexicon:
    """Names to small codes, in order of appearance."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def encode(self, names: Sequence[str | None]) -> list[int]:
        codes = self.codes
        return [-1 if name is None else codes.setdefault(name, len(codes)) for name in names]


class OwnerIndex:
    """Built from the index rows of one owner and kept up to date by `apply`; threads read its snapshots only."""

    def __init__(self) -> None:
        self.points = VectorSet()
        self.speakers = Lexicon()
        self.sessions = Lexicon()
        self.memory_types = Lexicon()
        self.changed_ms = 0
        self._versions: dict[str, tuple[int, bool]] = {}
        self._terms = Postings.empty()
        self._entities = Postings.empty()
        self._created, self._event, self._expires = Column(np.int64), Column(np.int64), Column(np.int64)
        self._session, self._speaker, self._memory_type = Column(np.int32), Column(np.int32), Column(np.int32)
        self._previous, self._following, self._arrival = Column(np.int32), Column(np.int32), Column(np.int64)
        self._traits = Column(np.int32)
        self._validity: dict[int, Validity] = {}
        self._last_of_session: dict[int, int] = {}
        self._snapshot: Snapshot | None = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def nbytes(self) -> int:
        columns = (
            self._created, self._event, self._expires, self._session, self._speaker, self._memory_type,
            self._previous, self._following, self._arrival, self._traits,
        )  # fmt: skip
        return self.points.nbytes + self._terms.nbytes + self._entities.nbytes + sum(c.nbytes for c in columns)

    @property
    def worn(self) -> bool:
        """True when so many rows are dead that building it anew is cheaper than carrying them."""
        return self.points.dead > max(256, len(self.points) // 2)

    def apply(self, rows: Sequence[IndexRow]) -> None:
        """Take over `rows` (live ones added or replaced, dead ones removed); a version already known has no effect."""
        newest: dict[str, IndexRow] = {}
        for row in rows:
            known = newest.get(row.id)
            if known is None or (row.version, not row.live) >= (known.version, not known.live):
                newest[row.id] = row
        fresh = {row.id: row for row in newest.values() if self._is_news(row)}
        others = (row for row in newest.values() if row.live and row.id not in fresh)
        self.settle({MemoryId(row.id): validity_of(row) for row in others})
        self.changed_ms = max((self.changed_ms, *(row.updated_ms for row in newest.values())))
        if not fresh:
            return
        self._snapshot = None
        self.discard([MemoryId(known) for known in fresh if known in self._versions])
        living = [row for row in fresh.values() if row.live]
        if living:
            self._append(living)
        for row in fresh.values():
            self._versions[row.id] = (row.version, row.embedding is not None)

    def settle(self, validity: Mapping[MemoryId, Validity]) -> None:
        """Take over when memories hold; unknown ones and what is older than what is known are fine."""
        for memory_id, held in validity.items():
            row = self.points.row_of.get(memory_id)
            if row is None:
                continue
            known = self._validity.get(row, ALWAYS)
            if held.at_ms > known.at_ms and held[1:] != known[1:]:
                self._validity[row] = held
                self._snapshot = None

    def discard(self, ids: Collection[MemoryId]) -> None:
        """Forget `ids`; unknown ones are fine, and leave the snapshot as it is."""
        for row in self.points.remove(ids):
            self._snapshot = None
            self._unlink(row)
            self._validity.pop(row, None)
        for memory_id in ids:
            self._versions.pop(memory_id, None)

    def snapshot(self) -> Snapshot:
        """Return the arrays as they are now; what is later changed in place is copied, once after each change."""
        if self._snapshot is None:
            self._snapshot = self._new_snapshot()
        return self._snapshot

    def _new_snapshot(self) -> Snapshot:
        return Snapshot(
            ids=self.points.ids,
            row_of=self.points.row_of,
            alive=self.points.alive.copy(),
            complete=self.points.complete,
            matrix=self.points.matrix,
            terms=self._terms,
            entities=self._entities,
            created_ms=self._created.view,
            event_ms=self._event.view,
            expires_ms=self._expires.view,
            validity=dict(self._validity),
            session=self._session.view,
            speaker=self._speaker.view,
            memory_type=self._memory_type.view,
            traits=self._traits.view,
            previous=self._previous.view.astype(np.intp),
            following=self._following.view.astype(np.intp),
        )

    def rows_of(self, ids: Collection[MemoryId]) -> npt.NDArray[np.int64]:
        """Return the rows of the ids that are known."""
        places = self.points.row_of
        return np.fromiter((places[i] for i in ids if i in places), np.int64)

    def _is_news(self, row: IndexRow) -> bool:
        known = self._versions.get(row.id)
        if known is None:
            return row.live
        version, has_vector = known
        return row.version > version or not row.live or (row.embedding is not None and not has_vector)

    def _append(self, rows: Sequence[IndexRow]) -> None:
        first = len(self.points.ids)
        self.points.add_rows([MemoryId(row.id) for row in rows], [row.embedding for row in rows])
        self._terms = self._terms.extended([row.terms for row in rows])
        self._entities = self._entities.extended([row.entity_terms for row in rows])
        self._created.append_many([row.created_ms for row in rows])
        self._event.append_many([row.created_ms if row.occurred_ms is None else row.occurred_ms for row in rows])
        self._expires.append_many([NEVER if row.expires_ms is None else row.expires_ms for row in rows])
        tell = {n: row for n, row in enumerate(rows, first) if row.valid_ms or row.invalid_ms or row.superseded_by}
        self._validity |= {n: validity_of(row) for n, row in tell.items()}
        self._session.append_many(self.sessions.encode([row.session_id for row in rows]))
        self._traits.append_many([row.traits for row in rows])
        self._arrival.append_many([row.session_seq for row in rows])
        self._speaker.append_many(self.speakers.encode([row.speaker for row in rows]))
        self._memory_type.append_many(self.memory_types.encode([row.memory_type for row in rows]))
        self._previous.append_many(np.full(len(rows), -1))
        self._following.append_many(np.full(len(rows), -1))
        self._link(first, rows)

    def _link(self, first: int, rows: Sequence[IndexRow]) -> None:
        """Put the new rows into the chain of their session by order of arrival: nearly always behind its last row."""
        previous, following, session, arrival = self._chain_views()
        for row in sorted(range(first, first + len(rows)), key=lambda row: rows[row - first].session_seq):
            code = int(session[row])
            if code < 0:
                continue
            before, behind = self._last_of_session.get(code, -1), -1
            while before >= 0 and arrival[before] > arrival[row]:
                before, behind = int(previous[before]), before
            previous[row], following[row] = before, behind
            if before >= 0:
                following[before] = row
            if behind >= 0:
                previous[behind] = row
            else:
                self._last_of_session[code] = row

    def _chain_views(self) -> tuple[npt.NDArray[np.int64], ...]:
        return self._previous.view, self._following.view, self._session.view, self._arrival.view

    def _unlink(self, row: int) -> None:
        before, behind = int(self._previous.view[row]), int(self._following.view[row])
        if before >= 0:
            self._following.view[before] = behind
        if behind >= 0:
            self._previous.view[behind] = before
        session = int(self._session.view[row])
        if self._last_of_session.get(session) == row:
            if before >= 0:
                self._last_of_session[session] = before
            else:
                del self._last_of_session[session]
