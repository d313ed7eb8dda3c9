"""What speaks for a memory beside the arms that found it: its neighbours, its session, who said it, and how.

Every signal is one array, one entry a row of the owner's index; the score of a memory is their weighted sum. The arms
are z-normalised over the owner's memories, so that weights mean the same for every owner and every question.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args
from zlib import crc32

import numpy as np

from context0.memory.fusion import Fusion, Mask, Scores, fuse, lowest, normalised, reciprocal_ranks
from context0.memory.inputs import ArmName
from context0.memory.query import Query
from context0.memory.rules.fact_questions import SELF, fact_key
from context0.memory.rules.names import entity_key
from context0.memory.writing import ASKS, TELLS_NAME, TELLS_NUMBER, TELLS_TIME
from stores.owner.owner_index import OwnerIndex, Snapshot
from stores.records import FloatVector

SignalName = Literal[
    "semantic", "keyword", "entity", "temporal",
    "after_question", "two_after", "before", "session", "speaker", "answers", "asks", "own_words", "states",
]  # fmt: skip
SIGNALS: Final[tuple[SignalName, ...]] = get_args(SignalName)
Weights = Mapping[SignalName, float]

_COMMON: Final[Weights] = {
    "semantic": 1.0,
    "keyword": 0.7,
    "entity": 0.0,
    "temporal": 3.0,
    "before": 0.2,
    "session": 0.4,
    "speaker": 3.0,
    "answers": 2.0,
    "states": 4.0,
}
DIALOGUE: Final[Weights] = {**_COMMON, "after_question": 0.5, "two_after": 0.2, "asks": -1.0, "own_words": 0.0}
"""People who talk with each other, and notes: what follows a question answers it, and is what is looked for."""

ASSISTANT: Final[Weights] = {**_COMMON, "after_question": 0.0, "two_after": 0.0, "asks": 0.0, "own_words": 3.0}
"""A person who talks with an assistant: what the person said counts, most of it being questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voices:
    """Who speaks in the owner's memories, and what counts there.

    codes: the speakers' codes in the snapshot. profile: the weights that suit the kind of memory; weights: those that
    the total is made with, which may have been learned, in the order of SIGNALS.
    """

    codes: Mapping[str, int]
    profile: Weights
    weights: FloatVector
    fusion: Fusion = "score"


Making = tuple[SignalName, Callable[[], Scores]]
"""A signal that is worked out when it counts."""

_BASE: Final[tuple[SignalName, ...]] = ("semantic", "keyword")
"""The arms of which a memory passes something on to those around it."""
_ROLES: Final = frozenset({"user", "human", "assistant", "ai", "bot", "system", "model"})
_PERSON: Final = frozenset({"user", "human"})
_LATER_NAMED: Final = 0.5
_BEST_OF_SESSION: Final = 3
_SESSION_CANDIDATES: Final = 512


@dataclass(frozen=True, slots=True)
class Weighed:
    """The total of every row, the signals that it is made of, and what each counts."""

    total: Scores
    signals: Mapping[SignalName, Scores]
    weights: Mapping[SignalName, float]


def profile_of(index: OwnerIndex) -> Weights:
    """Return the weights for the kind of memory that the owner has: the store's own speakers tell."""
    return ASSISTANT if _is_assistant_chat(index) else DIALOGUE


def vector_of(weights: Weights) -> FloatVector:
    """Return the weights in the order of SIGNALS."""
    return np.array([weights[name] for name in SIGNALS], np.float32)


def weigh(
    query: Query, arms: Mapping[ArmName, Scores], snapshot: Snapshot, allowed: Mask, voices: Voices, *, keep: bool
) -> Weighed:
    """Return the score of every row. Pure; about 0.1 ms for 10,000 rows.

    keep: return every signal too; otherwise those that weigh nothing are not worked out.
    """
    weights = dict(zip(SIGNALS, voices.weights.tolist(), strict=True))
    total, weighted = np.zeros((2, len(snapshot)), np.float32)
    base = np.zeros(len(snapshot), np.float32)
    kept: dict[SignalName, Scores] = {}
    name: SignalName
    for name, signal in _of_arms(arms, allowed, voices.fusion):
        if name in _BASE:
            base += np.multiply(signal, np.float32(voices.profile[name]), out=weighted)
        total += np.multiply(signal, np.float32(weights[name]), out=weighted)
        if keep:
            kept[name] = signal
    for name, make in (*_around(base, snapshot), *_about(query, voices, snapshot)):
        if keep or weights[name]:
            signal = make()
            total += np.multiply(signal, np.float32(weights[name]), out=weighted)
            if keep:
                kept[name] = signal
    return Weighed(total, kept, weights)


def fused(arms: Mapping[ArmName, Scores], allowed: Mask, fusion: Fusion = "score") -> Weighed:
    """Return the score of every row by the arms alone: by those that were chosen, or by the stores' own."""
    total, added = fuse(arms, allowed, fusion)
    signals: dict[SignalName, Scores] = {name: values for name, values in added.items()}  # noqa: C416 - widens the keys
    return Weighed(total, signals, dict.fromkeys(signals, 1.0))


def said_by(names: Sequence[str], voices: Voices, snapshot: Snapshot) -> Scores:
    """1 for what the first speaker said whom the question names, half of it for the others: they are its objects."""
    scores = np.zeros(len(snapshot), np.float32)
    for place, name in enumerate(names):
        one = _by(voices.codes.get(name, -2), snapshot)
        scores = np.maximum(scores, np.float32(_LATER_NAMED) * one) if place else one
    return scores


def _by(code: int, snapshot: Snapshot) -> Scores:
    return snapshot.once(f"speaker {code}", lambda: (snapshot.speaker == code).astype(np.float32))


def stated(query: Query, voices: Voices, snapshot: Snapshot) -> Scores:
    """1 for what states a fact that the question asks for, as the rules read both. Who alone speaks is the owner."""
    people = [entity_key(name) for name in voices.codes if name.casefold() not in _ROLES]
    owners = (SELF, *people) if len(people) == 1 else (SELF,)
    keys = [
        fact_key(relation, about)
        for relation, subject in query.facts
        for about in (owners if subject == SELF else (subject,))
    ]
    scores = np.zeros(len(snapshot), np.float32)
    for rows, _ in snapshot.entities.matches([crc32(key.encode("utf-8", "surrogatepass")) for key in keys]):
        scores[rows] = 1.0
    return scores


def _of_arms(arms: Mapping[ArmName, Scores], allowed: Mask, fusion: Fusion) -> Iterator[tuple[ArmName, Scores]]:
    for name, scores in arms.items():
        if name == "temporal":
            yield name, np.where(np.isnan(scores), np.float32(0), scores)
        elif fusion == "rank":
            yield name, normalised(reciprocal_ranks(scores, allowed), allowed, 0.0)
        else:
            yield name, normalised(scores, allowed, lowest(scores) if name == "semantic" else 0.0)


def _is_assistant_chat(index: OwnerIndex) -> bool:
    """Say whether most of what has a speaker was said by roles, not by people with names."""
    names = index.speakers.codes
    return bool(names) and sum(name.casefold() in _ROLES for name in names) * 2 > len(names)


def _around(base: Scores, snapshot: Snapshot) -> Iterator[Making]:
    """What flows to a row from the rows around it in its session."""
    padded = np.append(base, np.float32(0))  # row -1 is nothing
    before, behind = snapshot.previous, snapshot.following
    two_before = snapshot.once("two_before", lambda: np.append(before, -1).take(before, mode="wrap"))
    asked = snapshot.once("asked", lambda: np.append(_has(snapshot, ASKS), np.float32(0)).take(before, mode="wrap"))
    yield "after_question", lambda: asked * padded.take(before, mode="wrap")
    yield "two_after", lambda: padded.take(two_before, mode="wrap")
    yield "before", lambda: padded.take(behind, mode="wrap")
    yield "session", lambda: _best_of_session(base, snapshot)


def _best_of_session(base: Scores, snapshot: Snapshot) -> Scores:
    """The mean of the three best scores of the row's session; of the 512 best rows only, since others say nothing."""
    rows = snapshot.once("in_session", lambda: np.flatnonzero(snapshot.session >= 0))
    if not len(rows):
        return np.zeros(len(base), np.float32)
    if len(rows) > _SESSION_CANDIDATES:
        scores = base if len(rows) == len(base) else base[rows]
        rows = rows[np.argpartition(scores, -_SESSION_CANDIDATES)[-_SESSION_CANDIDATES:]]
    rows = rows[np.lexsort((-base[rows], snapshot.session[rows]))]
    sessions = snapshot.session[rows]
    starts = np.flatnonzero(np.concatenate([[True], sessions[1:] != sessions[:-1]]))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    chosen = place < _BEST_OF_SESSION
    all_sessions = snapshot.once("session", lambda: snapshot.session.astype(np.intp))
    means = np.zeros(int(snapshot.once("last_session", lambda: snapshot.session.max(keepdims=True))[0]) + 2, np.float32)
    np.add.at(means, sessions[chosen], base[rows[chosen]] / _BEST_OF_SESSION)
    return means.take(all_sessions, mode="wrap")  # the last is of no session: 0


def _about(query: Query, voices: Voices, snapshot: Snapshot) -> Iterator[Making]:
    """What the row is by itself, as far as the question asks for it."""
    if query.facts:
        yield "states", lambda: stated(query, voices, snapshot)
    if query.analysis.speakers:
        yield "speaker", lambda: said_by(query.analysis.speakers, voices, snapshot)
    match query.answer_kind:
        case "time":
            yield "answers", lambda: _has(snapshot, TELLS_TIME)
        case "number":
            yield "answers", lambda: _has(snapshot, TELLS_NUMBER)
        case "name":
            yield "answers", lambda: _has(snapshot, TELLS_NAME)
    yield "asks", lambda: _has(snapshot, ASKS)
    person = [code for name, code in voices.codes.items() if name.casefold() in _PERSON]
    if person:
        yield (
            "own_words",
            lambda: snapshot.once("own_words", lambda: np.isin(snapshot.speaker, person).astype(np.float32)),
        )


def _has(snapshot: Snapshot, trait: int) -> Scores:
    return snapshot.once(f"trait {trait}", lambda: ((snapshot.traits & trait) > 0).astype(np.float32))
