"""The evaluation over a real engine on a file, offline."""

import json
from pathlib import Path

import pytest

from context0 import MemoryEngine, Settings
from context0.errors import InvalidInput
from context0.evaluation.command import EvaluationRequest, run_evaluation
from context0.evaluation.datasets import read_conversations
from context0.evaluation.report import EvaluationReport
from context0.evaluation.runner import evaluate
from context0.evaluation.storing import Dataset, RunOptions
from context0.memory.parts import EngineParts
from context0.runtime import build_parts

SMALL_SET = Path(__file__).parents[1] / "data" / "retrieval_small.jsonl"


def engine_at(url: str) -> MemoryEngine:
    return MemoryEngine(Settings(store_url=url))


def parts_at(url: str) -> EngineParts:
    return build_parts(Settings(store_url=url))


def silent(stage: str, done: int, total: int) -> None:
    assert 0 < done <= total, stage


async def run(folder: Path, dataset: Dataset, options: RunOptions | None = None) -> EvaluationReport:
    async with engine_at(f"sqlite:///{folder / 'evaluation.db'}") as engine:
        return await evaluate(engine, dataset, options or RunOptions(), silent)


def dataset_of(folder: Path, *turns: str, questions: list[dict[str, object]]) -> Dataset:
    path = folder / "made.jsonl"
    lines = [
        {
            "id": f"t{number}",
            "speaker": "Ada",
            "date": f"2025-01-{number:02d}T10:00:00",
            "session": number,
            "text": text,
        }
        for number, text in enumerate(turns, start=1)
    ]
    path.write_text(json.dumps({"id": "made", "speakers": ["Ada", "Bob"], "turns": lines, "qa": questions}), "utf-8")
    return Dataset(name="made", conversations=tuple(read_conversations(path)))


async def test_evidence_is_found_and_counted(tmp_path: Path) -> None:
    questions: list[dict[str, object]] = [{"q": "Where is the saxophone?", "cat": 4, "ev": ["t2", "gone"]}]
    dataset = dataset_of(tmp_path, "I bake bread.", "My saxophone is in the attic.", questions=questions)
    report = await run(tmp_path, dataset)
    assert [row.category for row in report.rows] == ["4", "overall"]
    assert report.rows[-1].recall_at_5 == 0.5
    assert report.rows[-1].mrr == 1.0
    assert report.unknown_evidence == 1
    assert report.degraded_searches == 0


async def test_a_turn_too_long_for_one_memory_is_still_one_turn(tmp_path: Path) -> None:
    long = "filler words about the weather " * 8_000 + "and the harpsichord stands in Trieste"
    questions: list[dict[str, object]] = [{"q": "Where is the harpsichord?", "cat": "x", "ev": ["t1"]}]
    report = await run(tmp_path, dataset_of(tmp_path, long, "Good morning.", "", questions=questions))
    assert (report.ingested.turns, report.ingested.cut_turns, report.ingested.empty_turns) == (3, 1, 1)
    assert report.rows[-1].recall_at_5 == 1.0


async def test_turns_that_share_a_memory_stand_for_one_another(tmp_path: Path) -> None:
    questions: list[dict[str, object]] = [{"q": "Who bought the zither?", "cat": 1, "ev": ["t1", "t3"]}]
    dataset = dataset_of(tmp_path, "I bought a zither.", "Nice!", "I bought a zither.", questions=questions)
    report = await run(tmp_path, dataset)
    assert report.rows[-1].recall_at_5 == 1.0


async def test_merged_conversations_share_an_owner_and_keep_their_turns_apart(tmp_path: Path) -> None:
    dataset = Dataset(name="small", conversations=tuple(read_conversations(SMALL_SET)))
    async with engine_at(f"sqlite:///{tmp_path / 'merged.db'}") as engine:
        report = await evaluate(engine, dataset, RunOptions(merge=True), silent)
        assert (await engine.list(user_id="merged-small", limit=1)).items
        assert not (await engine.list(user_id="small-deutsch", limit=1)).items
    assert report.unknown_evidence == 0
    assert report.ingested.turns == 152


async def test_an_owner_with_memories_is_refused(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, "I bake bread.", questions=[])
    await run(tmp_path, dataset)
    with pytest.raises(InvalidInput, match="'made' has memories already"):
        await run(tmp_path, dataset)


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    request = EvaluationRequest(
        data_paths=(SMALL_SET,),
        limit_conversations=1,
        options=RunOptions(strategies=("keyword",)),
        json_path=out,
    )
    assert run_evaluation(request, parts_at) == 0
    (figures,) = json.loads(out.read_text("utf-8"))["datasets"]
    assert figures["strategies"] == ["keyword"]
    assert figures["ingested"]["conversations"] == 1
    assert figures["rows"][-1]["category"] == "overall"
    assert "overall" in capsys.readouterr().out


def test_the_command_prints_only_json_for_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    request = EvaluationRequest(data_paths=(SMALL_SET,), limit_conversations=1, json_path=Path("-"))
    assert run_evaluation(request, parts_at) == 0
    assert json.loads(capsys.readouterr().out)["datasets"][0]["dataset"] == "retrieval_small"


def test_the_command_answers_a_store_that_settings_refuse_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(url: str) -> EngineParts:
        raise ValueError(f"unknown scheme in {url}")

    assert run_evaluation(EvaluationRequest(data_paths=(SMALL_SET,), store_url="ftp://x"), refuse) == 2
    assert "unknown scheme in ftp://x" in capsys.readouterr().err


@pytest.mark.parametrize("limit", [None, 0])
def test_the_command_answers_bad_input_with_two(
    tmp_path: Path, limit: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    request = EvaluationRequest(data_paths=(tmp_path / "missing.jsonl",), limit_conversations=limit)
    assert run_evaluation(request, parts_at) == 2
    assert "bad input" in capsys.readouterr().err
