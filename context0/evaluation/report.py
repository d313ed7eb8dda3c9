"""Turns asked questions into tables of retrieval figures: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from context0.evaluation import metrics

OVERALL: Final = "overall"
RECALL_CUTS: Final = (5, 10, 20)
# LoCoMo's 5 asks for what was never said of that person; BEAM's three are judged on whole answers, not on turns.
APART: Final = frozenset({"5", "event_ordering", "summarization", "abstention"})
UNANSWERABLE: Final = frozenset({"5", "abstention"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question and what search gave for it. `relevant` is empty when memory does not hold the answer.

    relevance: of the search, see `SearchResult`.
    """

    conversation: str
    category: str
    relevant: frozenset[str]
    ranked: tuple[str, ...]
    relevance: float
    elapsed_ms: float
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Means over the questions with evidence of one category; latencies over all of its questions. Figures in [0, 1].

    A category without evidence has `questions` 0 and no figures.
    """

    category: str
    in_overall: bool
    questions: int
    recall_at_5: float | None
    recall_at_10: float | None
    recall_at_20: float | None
    hit_at_10: float | None
    ndcg_at_10: float | None
    mrr: float | None
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """How well the relevance tells questions that memory can answer from those that it cannot.

    auc: None when one of the two kinds is missing.  `empty_…`: searches that returned nothing at all.
    """

    auc: float | None
    answerable: int
    unanswerable: int
    empty_answerable: int
    empty_unanswerable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What was stored before asking. `cut_turns` were longer than one memory may be and became several memories;
    `duplicate_turns` say what another turn of the owner says and share its memory; `empty_turns` were left out."""

    conversations: int
    turns: int
    cut_turns: int
    duplicate_turns: int
    empty_turns: int
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablated:
    """recall_at_10 of a variant, and its change against what the engine serves: 95 %, over conversations drawn anew,
    or over questions when there is only one conversation."""

    name: str
    recall_at_10: float
    change: metrics.Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """Mean recall@10 of the questions of each fold, ranked by weights that were chosen on the other folds.

    served: by the engine's own weights. change: of the chosen against the served. chosen: the factors to the engine's
    weights, fold by fold, of those that were changed.
    """

    folds: int
    recall_at_10: float
    served: float
    change: metrics.Interval
    chosen: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """Everything that one dataset gave; `rows` end with the overall one. `unknown_evidence` names no turn: it counts
    as never found. recall_at_10_interval: 95 %, over conversations, or over questions when there is only one."""

    dataset: str
    merged: bool
    strategies: tuple[str, ...] | None
    ingested: Ingested
    rows: tuple[Row, ...]
    recall_at_10_interval: metrics.Interval | None
    abstention: Abstention
    degraded_searches: int
    unknown_evidence: int
    fusion: str = "score"
    ablation: tuple[Ablated, ...] = ()
    cross_validation: CrossValidation | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def table(asked: Sequence[Asked]) -> tuple[Row, ...]:
    """Return one row a category, those of the overall mean first, and the overall row last."""
    names = sorted({one.category for one in asked}, key=lambda name: (name in APART, name))
    rows = [_row(name, [one for one in asked if one.category == name]) for name in names]
    counted = _counted(asked)
    return (*rows, _row(OVERALL, counted)) if counted else tuple(rows)


def recall_interval(asked: Sequence[Asked], *, k: int = 10) -> metrics.Interval | None:
    """Return the bootstrap interval of the overall recall@k, None when no question has evidence."""
    counted = [one for one in _counted(asked) if one.relevant]
    if not counted:
        return None
    values = [metrics.recall_at(one.ranked, one.relevant, k) for one in counted]
    conversations = [one.conversation for one in counted]
    return metrics.bootstrap_interval(values, conversations if len(set(conversations)) > 1 else None)


def abstention(asked: Sequence[Asked]) -> Abstention:
    """Compare the relevance of answerable (overall, with evidence) and unanswerable questions."""
    answerable = [one for one in _counted(asked) if one.relevant]
    unanswerable = [one for one in asked if one.category in UNANSWERABLE]
    scores = [[one.relevance for one in kind] for kind in (answerable, unanswerable)]
    return Abstention(
        auc=metrics.roc_auc(*scores) if answerable and unanswerable else None,
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        empty_answerable=sum(not one.ranked for one in answerable),
        empty_unanswerable=sum(not one.ranked for one in unanswerable),
    )


def _counted(asked: Sequence[Asked]) -> list[Asked]:
    return [one for one in asked if one.category not in APART]


def _row(category: str, asked: Sequence[Asked]) -> Row:
    judged = [one for one in asked if one.relevant]
    times = [one.elapsed_ms for one in asked]
    recalls = {k: _mean([metrics.recall_at(one.ranked, one.relevant, k) for one in judged]) for k in RECALL_CUTS}
    return Row(
        category=category,
        in_overall=category not in APART,
        questions=len(judged),
        recall_at_5=recalls[5],
        recall_at_10=recalls[10],
        recall_at_20=recalls[20],
        hit_at_10=_mean([metrics.hit_at(one.ranked, one.relevant, 10) for one in judged]),
        ndcg_at_10=_mean([metrics.ndcg_at(one.ranked, one.relevant, 10) for one in judged]),
        mrr=_mean([metrics.reciprocal_rank(one.ranked, one.relevant) for one in judged]),
        p50_ms=metrics.percentile(times, 50),
        p95_ms=metrics.percentile(times, 95),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
