"""Keeps what the arms say of every question, so that other weights rank all of them again in a moment.

What is ranked here is what the engine ranks, by the same functions: only what is asked once is asked once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from context0.clock import to_ms
from context0.evaluation.datasets import Question
from context0.evaluation.storing import Dataset, Progress, RunOptions, Stored, key_of, owner_of
from context0.memory.fusion import Fusion, Mask, Scores, best, fuse, seen
from context0.memory.inputs import ArmName
from context0.memory.parts import EngineParts
from context0.memory.query import Query
from context0.memory.relevance import heard, minimum, relevance
from context0.memory.requests import to_search_request
from context0.memory.rules.query import analyse_query
from context0.memory.signals import SIGNALS, SignalName, Voices, Weights, profile_of, vector_of, weigh
from context0.memory.strategies import build_strategies
from context0.memory.strategies.protocol import SearchStores
from context0.memory.succession import put_successors_first
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex, Snapshot
from stores.records import Scope

MAX_INDEX_BYTES: Final = 8 << 30
NO_REFRESH_S: Final = 86_400.0
DEADLINE_MS: Final = 5_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way of ranking. without: arms and signals that do not count. weights: in place of the engine's."""

    without: frozenset[ArmName | SignalName] = frozenset()
    fusion: Fusion = "score"
    weights: Weights | None = None


SERVED: Final = Variant()
"""As the engine ranks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One question with all that its ranking is made of. relevant: the turns that hold the evidence."""

    conversation: str
    category: str
    relevant: frozenset[str]
    query: Query
    arms: Mapping[ArmName, Scores]
    snapshot: Snapshot
    allowed: Mask
    voices: Voices
    stored: Stored = field(repr=False)


async def record(
    parts: EngineParts, dataset: Dataset, stored: Stored, options: RunOptions, progress: Progress
) -> list[Case]:
    """Ask every arm every question of a dataset that is stored; one pass over the documents and one a question."""
    stores = SearchStores(documents=parts.documents, vectors=parts.vectors, graph=parts.graph, embedder=parts.embedder)
    strategies = build_strategies(stores)
    now = datetime.now(UTC)
    questions, cases = dataset.questions, []
    indexes: OwnerCache[OwnerIndex] = OwnerCache(
        parts.documents, OwnerIndex, max_bytes=MAX_INDEX_BYTES, staleness_s=NO_REFRESH_S, vectors=True
    )
    try:
        for done, (conversation, question) in enumerate(questions, start=1):
            owner = owner_of(dataset, conversation, options)
            index = await indexes.get(Scope(owner=owner))
            query = _read(question, owner, index, options, now)
            snapshot = index.snapshot()
            arms: dict[ArmName, Scores] = {}
            for name in query.request.arms:
                if strategies[name].applies(query):
                    prepared = await strategies[name].prepare(query)
                    arms[name] = strategies[name].score(query, prepared, snapshot)
            profile = profile_of(index)
            cases.append(
                Case(
                    conversation=conversation.id,
                    category=question.category,
                    relevant=stored.relevant([key_of(conversation, turn) for turn in question.evidence]),
                    query=query,
                    arms=arms,
                    snapshot=snapshot,
                    allowed=snapshot.alive,
                    voices=Voices(codes=index.speakers.codes, profile=profile, weights=vector_of(profile)),
                    stored=stored,
                )
            )
            progress("record", done, len(questions))
    finally:
        await indexes.aclose()
    return cases


def ranking(case: Case, variant: Variant, limit: int) -> tuple[str, ...]:
    """Return the turns of the first `limit` memories under a variant, best first, as `MemoryEngine.search` has them."""
    total, found = scored(case, variant)
    ids, words = case.snapshot.ids, case.stored.words_of_memory
    wanted = limit + 1
    while True:
        rows = best(total, found, ids, wanted, None)
        groups: dict[object, list[str]] = {}
        for row in rows:
            groups.setdefault(words.get(ids[row], ids[row]), []).append(ids[row])
        if len(groups) > limit or len(groups) == len(rows) or len(rows) < wanted:
            page = list(groups.values())[:limit]
            return case.stored.ranked([memory_id for group in page for memory_id in group])
        wanted *= 8


def scored(case: Case, variant: Variant) -> tuple[Scores, Mask]:
    """Return the score of every row under a variant, and which rows a search may return."""
    arms = {name: scores for name, scores in case.arms.items() if name not in variant.without}
    voices = _voices(case.voices, variant)
    snapshot, allowed, request = case.snapshot, case.allowed, case.query.request
    if request.arms_only:
        total, _ = fuse(arms, allowed, variant.fusion)
    else:
        total = weigh(case.query, arms, snapshot, allowed, voices, keep=False).total
    found = allowed & seen(arms, len(snapshot))
    if snapshot.validity and not request.arms_only:
        put_successors_first(total, found, allowed, snapshot, to_ms(case.query.now))
    least = minimum(request, degraded=False)
    if least:
        likeness = relevance(case.query, arms, snapshot, allowed)
        if likeness * heard(case.query, total, snapshot, allowed, voices) < least:
            found[:] = False
    return total, found


def _voices(voices: Voices, variant: Variant) -> Voices:
    """Return what counts under a variant; other weights make another total, as learned ones do, of the same signals."""
    profile = {name: 0.0 if name in variant.without else weight for name, weight in voices.profile.items()}
    weights = voices.weights if variant.weights is None else vector_of(variant.weights)
    counts = np.array([name not in variant.without for name in SIGNALS], np.float32)
    return replace(voices, profile=profile, weights=weights * counts, fusion=variant.fusion)


def _read(question: Question, owner: str, index: OwnerIndex, options: RunOptions, now: datetime) -> Query:
    chosen: dict[str, Sequence[str]] = {} if options.strategies is None else {"strategies": options.strategies}
    request = to_search_request(question.text, owner, 1, chosen, now=now, deadline_ms=DEADLINE_MS)
    reference = request.reference_time.replace(second=0, microsecond=0)
    analysis = analyse_query(
        question.text, reference=reference, speakers=tuple(index.speakers.codes), known_entities=()
    )
    return Query(request=request, analysis=analysis, now=now)
