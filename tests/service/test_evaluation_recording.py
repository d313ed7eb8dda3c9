"""What is replayed is what the engine ranks; without a part of it, it is ranked without that part (E5)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from context0 import MemoryEngine, Settings
from context0.evaluation.ablation import ablation
from context0.evaluation.datasets import read_conversations
from context0.evaluation.folds import cross_validated
from context0.evaluation.recording import SERVED, Case, Variant, ranking, record
from context0.evaluation.report import EvaluationReport
from context0.evaluation.runner import evaluate
from context0.evaluation.storing import Dataset, RunOptions, owner_of, store
from context0.memory.parts import EngineParts
from context0.memory.signals import SIGNALS
from context0.runtime import build_parts

SMALL_SET = Path(__file__).parents[1] / "data" / "retrieval_small.jsonl"
LIMIT = 10


def silent(stage: str, done: int, total: int) -> None:
    assert 0 < done <= total, stage


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(name="small", conversations=tuple(read_conversations(SMALL_SET)))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[EngineParts]:
    yield build_parts(Settings(store_url=f"sqlite:///{tmp_path / 'recorded.db'}"))


async def served(engine: MemoryEngine, dataset: Dataset, options: RunOptions, cases: list[Case]) -> None:
    for (conversation, question), case in zip(dataset.questions, cases, strict=True):
        owner = owner_of(dataset, conversation, options)
        result = await engine.search(question.text, user_id=owner, limit=LIMIT, strategies=options.strategies)
        ids = [memory_id for item in result.items for memory_id in (item.memory.id, *item.same)]
        assert ranking(case, SERVED, LIMIT) == case.stored.ranked(ids), question.text


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(),
        RunOptions(merge=True),
        RunOptions(strategies=("keyword",)),
        RunOptions(strategies=("semantic", "keyword")),
    ],
    ids=["all", "merged", "one arm", "two arms"],
)
async def test_a_replay_ranks_every_question_as_the_engine_does(
    parts: EngineParts, dataset: Dataset, options: RunOptions
) -> None:
    async with MemoryEngine(parts=parts) as engine:
        stored, _ = await store(engine, dataset, options, silent)
        cases = await record(parts, dataset, stored, options, silent)
        await served(engine, dataset, options, cases)


async def test_a_part_that_is_left_out_has_no_say(parts: EngineParts, dataset: Dataset) -> None:
    async with MemoryEngine(parts=parts) as engine:
        stored, _ = await store(engine, dataset, RunOptions(), silent)
        cases = await record(parts, dataset, stored, RunOptions(), silent)
    everything = Variant(without=frozenset(SIGNALS) - {"keyword"})
    for case in cases:
        words = {stored.turn_of_memory[case.snapshot.ids[row]] for row, *_ in _matching(case)}
        first = ranking(case, everything, len(words) or 1)
        assert set(first) <= words or not words


def _matching(case: Case) -> list[tuple[int, float]]:
    scores = case.arms.get("keyword")
    return [] if scores is None else [(row, score) for row, score in enumerate(scores.tolist()) if score > 0]


async def test_the_report_has_the_ablation_the_folds_and_the_other_fusion(parts: EngineParts, dataset: Dataset) -> None:
    options = RunOptions(ablation=True, folds=2)
    async with MemoryEngine(parts=parts) as engine:
        report = await evaluate(engine, dataset, options, silent, parts)
    _check_ablation(report)
    folds = report.cross_validation
    assert folds is not None
    assert folds.folds == len(folds.chosen) == 2
    assert folds.served == pytest.approx(report.rows[-1].recall_at_10)
    assert folds.recall_at_10 - folds.served == pytest.approx(folds.change.mean)


def _check_ablation(report: EvaluationReport) -> None:
    rows = {row.name: row for row in report.ablation}
    assert {"without the semantic arm", "without the keyword arm", "without session", "the arms alone"} <= rows.keys()
    recall = report.rows[-1].recall_at_10
    assert recall is not None
    for row in rows.values():
        assert row.change.low <= row.change.mean <= row.change.high
        assert row.recall_at_10 == pytest.approx(recall + row.change.mean)
    assert rows["without the keyword arm"].change.mean < 0


async def test_ranks_can_be_fused_in_place_of_scores(parts: EngineParts, dataset: Dataset) -> None:
    options = RunOptions(fusion="rank")
    async with MemoryEngine(parts=parts) as engine:
        report = await evaluate(engine, dataset, options, silent, parts)
    assert report.fusion == "rank"
    assert (report.rows[-1].recall_at_10 or 0) > 0.5


async def test_what_needs_a_replay_needs_the_parts(parts: EngineParts, dataset: Dataset) -> None:
    async with MemoryEngine(parts=parts) as engine:
        with pytest.raises(ValueError, match="needs the parts"):
            await evaluate(engine, dataset, RunOptions(ablation=True), silent)


def test_without_questions_there_is_nothing_to_compare() -> None:
    assert ablation([]) == ()
    assert cross_validated([], 5) is None
