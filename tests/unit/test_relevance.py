"""Whether memory holds an answer, and who gave it (E5)."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from context0.memory.query import Query
from context0.memory.relevance import DEFAULT_MINIMUM, heard, minimum
from context0.memory.requests import to_search_request
from context0.memory.rules.query import analyse_query
from context0.memory.signals import DIALOGUE, Voices, said_by, vector_of
from stores.owner.owner_index import OwnerIndex, Snapshot
from stores.records import IndexRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEAKERS = ("Ada", "Bob", "Cleo")


def snapshot_of(speakers: Sequence[str]) -> tuple[Snapshot, Voices]:
    index = OwnerIndex()
    index.apply(
        [
            IndexRow(
                id=f"m{n}", version=1, live=True, updated_ms=0, created_ms=0, occurred_ms=None, expires_ms=None,
                session_id=None, session_seq=n, speaker=speaker, memory_type="semantic", terms=b"", entity_terms=b"",
                embedding=None, traits=0,
            )
            for n, speaker in enumerate(speakers)
        ]
    )  # fmt: skip
    return index.snapshot(), Voices(codes=index.speakers.codes, profile=DIALOGUE, weights=vector_of(DIALOGUE))


def query_of(text: str, **options: object) -> Query:
    request = to_search_request(text, "u", 10, options, now=NOW, deadline_ms=1_000)
    analysis = analyse_query(text, reference=NOW, speakers=SPEAKERS, known_entities=())
    return Query(request=request, analysis=analysis, now=NOW)


def heard_in(question: str, speakers: Sequence[str], scores: Sequence[float], **options: object) -> float:
    snapshot, voices = snapshot_of(speakers)
    names = query_of(question).analysis.speakers
    total = np.array(scores, np.float32) + voices.profile["speaker"] * said_by(names, voices, snapshot)
    allowed = np.ones(len(speakers), bool)
    return heard(query_of(question, **options), total.astype(np.float32), snapshot, allowed, voices)


def test_the_first_named_speaker_counts_whole_and_the_others_half() -> None:
    snapshot, voices = snapshot_of(["Bob", "Ada", "Cleo", "Ada"])
    assert said_by(("Ada", "Bob"), voices, snapshot).tolist() == [0.5, 1.0, 0.0, 1.0]
    assert said_by(("Nobody",), voices, snapshot).tolist() == [0, 0, 0, 0]


def test_what_another_said_best_was_hardly_said_by_the_named_one() -> None:
    speakers = ["Ada", "Bob"]
    assert heard_in("What did Ada buy?", speakers, [8.0, 0.0]) > 0.95
    assert heard_in("What did Ada buy?", speakers, [4.0, 4.0]) == 0.5
    assert heard_in("What did Ada buy?", speakers, [0.0, 8.0]) < 0.05
    assert heard_in("What did Ada buy for Bob?", speakers, [0.0, 8.0]) < 0.05


def test_who_names_nobody_or_somebody_alone_is_not_doubted() -> None:
    assert heard_in("Who bought bread?", ["Ada", "Bob"], [0.0, 8.0]) == 1.0
    assert heard_in("What did Ada buy?", ["Ada", "Ada"], [0.0, 8.0]) == 1.0
    assert heard_in("What did Cleo buy?", ["Ada", "Bob"], [0.0, 8.0]) == 1.0
    assert heard_in("What did Ada buy?", ["Ada", "Bob"], [0.0, 8.0], strategies=["keyword"]) == 1.0


def test_the_most_absurd_lead_is_still_a_number() -> None:
    assert 0 <= heard_in("What did Ada buy?", ["Ada", "Bob"], [0.0, 1e6]) < 1e-9


def test_the_minimum_is_the_callers_or_the_default_and_none_for_chosen_or_missing_arms() -> None:
    assert minimum(query_of("keys").request, degraded=False) == DEFAULT_MINIMUM
    assert minimum(query_of("keys").request, degraded=True) == 0
    assert minimum(query_of("keys", strategies=["keyword"]).request, degraded=False) == 0
    assert minimum(query_of("keys", min_relevance=0.3, strategies=["keyword"]).request, degraded=True) == 0.3
