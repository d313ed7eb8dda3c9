"""An owner's index after any changes is the index built anew from what is left: rows, scores, and who follows whom."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context0.memory.signals import _around
from stores.errors import DimensionMismatch
from stores.owner.owner_index import NEVER, OwnerIndex
from stores.records import IndexRow, MemoryId

DIMENSION = 4
QUERY = np.array([0.6, 0.8, 0, 0], np.float32)
TERMS = (1, 2, 3)


def build_row(number: int, **fields: Any) -> IndexRow:
    defaults: dict[str, Any] = {
        "id": f"m{number}",
        "version": 1,
        "live": True,
        "updated_ms": 1_000 + number,
        "created_ms": 1_000 + number,
        "occurred_ms": None,
        "expires_ms": None,
        "session_id": None,
        "session_seq": number,
        "speaker": None,
        "memory_type": "semantic",
        "terms": b"",
        "entity_terms": b"",
        "embedding": None,
        "traits": 0,
    }
    return IndexRow(**defaults | fields)


def vector_of(number: int) -> bytes:
    vector = np.random.default_rng(number).standard_normal(DIMENSION).astype("<f4")
    return (vector / np.linalg.norm(vector)).tobytes()


@st.composite
def new_versions(draw: st.DrawFn) -> dict[str, Any]:
    """What a memory may say: everything of a row but its id, version and arrival."""
    return {
        "occurred_ms": draw(st.none() | st.integers(0, 3)),
        "expires_ms": draw(st.none() | st.integers(0, 3)),
        "session_id": draw(st.sampled_from([None, "s1", "s2"])),
        "speaker": draw(st.sampled_from([None, "Anna", "Ben"])),
        "memory_type": draw(st.sampled_from(["semantic", "episodic"])),
        "terms": np.array(draw(st.lists(st.sampled_from(TERMS), max_size=4)), "<u4").tobytes(),
        "entity_terms": np.array(draw(st.lists(st.sampled_from(TERMS), max_size=2)), "<u4").tobytes(),
        "embedding": draw(st.none() | st.integers(0, 9).map(vector_of)),
        "traits": draw(st.integers(0, 3)),
    }


STEPS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 30), st.none() | new_versions()),
        min_size=1,
        max_size=4,
        unique_by=lambda item: item[0],
    ),
    max_size=8,
)
"""Batches of (memory, arrival, what it says, or None for its deletion)."""


class Ledger:
    """What the documents hold, and the rows that tell an index of a change."""

    def __init__(self) -> None:
        self.rows: dict[str, IndexRow] = {}
        self.gone: set[int] = set()

    def change(self, batch: Sequence[tuple[int, int, dict[str, Any] | None]]) -> list[IndexRow]:
        told = []
        for number, arrival, fields in batch:
            before = self.rows.get(f"m{number}")
            if number in self.gone or (before is None and fields is None):
                continue
            version = 1 if before is None else before.version + 1
            sequence = arrival * 10 + number if before is None else before.session_seq
            if fields is None:
                del self.rows[f"m{number}"]
                self.gone.add(number)
                told.append(build_row(number, version=version, live=False))
            else:
                row = build_row(number, version=version, session_seq=sequence, **fields)
                self.rows[row.id] = row
                told.append(row)
        return told


def facts(index: OwnerIndex) -> dict[str, Any]:
    """Return what the index knows of each memory, by id; neighbours by their ids too."""
    snapshot = index.snapshot()
    likeness = snapshot.similarity(QUERY) if snapshot.matrix.shape[1] else np.full(len(snapshot), np.nan)
    lexicons = (index.sessions, index.speakers, index.memory_types)
    names = [{code: name for name, code in lexicon.codes.items()} for lexicon in lexicons]

    def of(row: int) -> dict[str, Any]:
        neighbours = (int(snapshot.previous[row]), int(snapshot.following[row]))
        return {
            "event": int(snapshot.event_ms[row]),
            "created": int(snapshot.created_ms[row]),
            "expires": int(snapshot.expires_ms[row]),
            "session": names[0].get(int(snapshot.session[row])),
            "speaker": names[1].get(int(snapshot.speaker[row])),
            "type": names[2].get(int(snapshot.memory_type[row])),
            "traits": int(snapshot.traits[row]),
            "likeness": None if np.isnan(likeness[row]) else round(float(likeness[row]), 5),
            "neighbours": [None if place < 0 else snapshot.ids[place] for place in neighbours],
            "terms": [counted(snapshot.terms, term, row) for term in TERMS],
            "entities": [counted(snapshot.entities, term, row) for term in TERMS],
        }

    return {snapshot.ids[row]: of(row) for row in np.flatnonzero(snapshot.alive).tolist()}


def counted(postings: Any, term: int, row: int) -> float:
    return sum(float(counts[rows == row].sum()) for rows, counts in postings.matches([term]))


@given(steps=STEPS)
@settings(max_examples=80, deadline=None)
def test_after_any_changes_it_is_the_index_built_anew(steps: list[Any]) -> None:
    index, ledger = OwnerIndex(), Ledger()
    for batch in steps:
        rows = ledger.change(batch)
        index.apply(rows)
        index.apply(rows)  # once more: what is known has no effect
    anew = OwnerIndex()
    anew.apply(list(ledger.rows.values()))
    assert facts(index) == facts(anew)
    assert len(index) == len(ledger.rows)
    assert set(index.points.row_of) == set(ledger.rows)
    assert index.snapshot().complete == all(row.embedding is not None for row in ledger.rows.values())


@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_the_neighbours_are_those_of_the_session_in_order_of_arrival(steps: list[Any]) -> None:
    index, ledger = OwnerIndex(), Ledger()
    for batch in steps:
        index.apply(ledger.change(batch))
    for session in ("s1", "s2"):
        members = sorted(
            (row for row in ledger.rows.values() if row.session_id == session), key=lambda row: row.session_seq
        )
        ids = [None, *(row.id for row in members), None]
        known = facts(index)
        for place, row in enumerate(members, start=1):
            assert known[row.id]["neighbours"] == [ids[place - 1], ids[place + 1]]
    assert all(known["neighbours"] == [None, None] for known in facts(index).values() if known["session"] is None)


def test_an_older_version_has_no_effect() -> None:
    index = OwnerIndex()
    index.apply([build_row(1, version=3, speaker="Anna")])
    index.apply([build_row(1, version=2, speaker="Ben")])
    assert facts(index)["m1"]["speaker"] == "Anna"


def test_the_vector_of_a_version_that_had_none_is_taken_over() -> None:
    index = OwnerIndex()
    index.apply([build_row(1), build_row(2, embedding=vector_of(2))])
    assert (facts(index)["m1"]["likeness"], index.snapshot().complete) == (None, False)
    index.apply([build_row(1, embedding=vector_of(1))])
    assert index.snapshot().complete
    assert facts(index)["m1"]["likeness"] is not None
    index.apply([build_row(1)])
    assert facts(index)["m1"]["likeness"] is not None, "a late row without the vector takes nothing away"


@pytest.mark.parametrize(
    "rows",
    [
        [build_row(1), build_row(1, version=2, live=False)],
        [build_row(1, version=2, live=False), build_row(1)],
        [build_row(1, version=2, speaker="Anna"), build_row(1, version=1, speaker="Ben"), build_row(2)],
    ],
    ids=["deleted", "deleted, the other way round", "changed"],
)
def test_in_one_batch_the_newest_version_counts(rows: list[IndexRow]) -> None:
    together, apart = OwnerIndex(), OwnerIndex()
    together.apply(rows)
    for row in sorted(rows, key=lambda row: row.version):
        apart.apply([row])
    assert facts(together) == facts(apart)


def test_unknown_deletions_and_ids_are_fine() -> None:
    index = OwnerIndex()
    index.apply([build_row(1, live=False)])
    index.discard([MemoryId("nobody")])
    assert (len(index), facts(index)) == (0, {})
    assert index.rows_of([MemoryId("nobody")]).tolist() == []


def test_what_changes_nothing_leaves_the_snapshot_with_all_that_was_made_of_it() -> None:
    index = OwnerIndex()
    index.apply([build_row(1)])
    snapshot = index.snapshot()
    index.discard([])
    index.discard([MemoryId("nobody")])
    index.apply([build_row(1)])
    assert index.snapshot() is snapshot
    index.apply([build_row(2)])
    assert index.snapshot() is not snapshot


def test_what_was_discarded_may_come_back() -> None:
    index = OwnerIndex()
    index.apply([build_row(1), build_row(2)])
    index.discard([MemoryId("m1")])
    assert facts(index).keys() == {"m2"}
    index.apply([build_row(1)])
    assert facts(index).keys() == {"m1", "m2"}


def test_times_without_an_event_or_an_end_are_told_apart() -> None:
    index = OwnerIndex()
    index.apply([build_row(1), build_row(2, occurred_ms=-5, expires_ms=7)])
    snapshot = index.snapshot()
    assert (snapshot.event_ms.tolist(), snapshot.expires_ms.tolist()) == ([1_001, -5], [NEVER, 7])


def test_questions_of_another_dimension_are_refused_and_an_index_without_vectors_has_no_opinion() -> None:
    index = OwnerIndex()
    index.apply([build_row(1)])
    assert np.isnan(index.snapshot().similarity(QUERY)).all()
    index.apply([build_row(2, embedding=vector_of(2))])
    with pytest.raises(DimensionMismatch):
        index.snapshot().similarity(QUERY[:3])


def test_it_is_worn_when_most_of_it_is_dead() -> None:
    index = OwnerIndex()
    index.apply([build_row(number) for number in range(600)])
    index.apply([build_row(number, version=2) for number in range(300)])
    assert not index.worn
    index.apply([build_row(number, version=3) for number in range(10)])
    assert index.worn


def test_its_size_grows_with_its_rows() -> None:
    index = OwnerIndex()
    index.apply([build_row(number, embedding=vector_of(number)) for number in range(100)])
    before = index.nbytes
    assert before >= 100 * (DIMENSION * 4 + 150)
    index.apply([build_row(number, embedding=vector_of(number)) for number in range(100, 400)])
    assert index.nbytes > before


def test_a_snapshot_stays_as_it_is_while_the_index_grows() -> None:
    """A thread scores a snapshot of a large owner while the event loop takes over new memories."""
    index = OwnerIndex()
    index.apply([build_row(number, session_id=f"s{number % 5}") for number in range(10)])
    index.apply([build_row(10, session_id="s0")])  # the columns grew, so that there is room for what follows
    snapshot = index.snapshot()
    scores = np.arange(len(snapshot), dtype=np.float32)
    before = {name: make().tolist() for name, make in _around(scores, snapshot)}
    index.apply([build_row(20 + number, session_id=f"s{number}") for number in range(4)])
    anew = replace(snapshot, _derived={})
    assert {name: make().tolist() for name, make in _around(scores, anew)} == before
