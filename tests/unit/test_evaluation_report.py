"""A report sums up what was asked."""

import math

import pytest

from context0.evaluation.report import Asked, abstention, recall_interval, table


def asked(category: str, relevant: str = "", ranked: str = "", *, score: float = 1.0, conversation: str = "c") -> Asked:
    return Asked(
        conversation=conversation,
        category=category,
        relevant=frozenset(relevant),
        ranked=tuple(ranked),
        relevance=score,
        elapsed_ms=2.0,
    )


def test_rows_are_means_over_questions_and_the_overall_leaves_out_what_stands_apart() -> None:
    rows = table([asked("4", "a", "ab"), asked("4", "z", "ab"), asked("1", "bz", "ab"), asked("5", "a", "a")])
    assert [(row.category, row.in_overall, row.questions) for row in rows] == [
        ("1", True, 1),
        ("4", True, 2),
        ("5", False, 1),
        ("overall", True, 3),
    ]
    assert [row.recall_at_5 for row in rows] == [0.5, 0.5, 1.0, pytest.approx((0.5 + 1.0 + 0.0) / 3)]
    assert rows[-1].hit_at_10 == pytest.approx(2 / 3)
    assert rows[-1].mrr == pytest.approx((0.5 + 1.0 + 0.0) / 3)
    assert rows[-1].p50_ms == 2.0


def test_a_category_without_evidence_has_latencies_and_no_figures() -> None:
    (row,) = table([asked("abstention")])
    assert (row.questions, row.recall_at_10, row.mrr, row.p95_ms) == (0, None, None, 2.0)


def test_nothing_asked_gives_no_rows() -> None:
    assert table([]) == ()
    assert recall_interval([]) is None


def test_the_interval_is_over_conversations_or_over_the_questions_of_a_single_one() -> None:
    of_two = [asked("1", "a", "a", conversation="x"), *[asked("1", "a", "b", conversation="y") for _ in range(3)]]
    over_conversations = recall_interval(of_two)
    assert over_conversations is not None
    assert (over_conversations.low, over_conversations.mean, over_conversations.high) == (0.0, 0.25, 1.0)
    of_one = recall_interval([asked("1", "a", "a"), asked("1", "a", "b"), asked("5", "a", "a"), asked("1")])
    assert of_one is not None
    assert of_one.mean == 0.5


def test_abstention_compares_relevances_and_counts_empty_answers() -> None:
    told = abstention(
        [
            asked("1", "a", "ab", score=3.0),
            asked("1", "a", score=-math.inf),
            asked("5", "a", "b", score=1.0),
            asked("1", score=9.0),
        ]
    )
    assert (told.auc, told.answerable, told.unanswerable) == (0.5, 2, 1)
    assert (told.empty_answerable, told.empty_unanswerable) == (1, 0)
    assert abstention([asked("1", "a")]).auc is None
