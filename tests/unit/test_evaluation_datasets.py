"""Datasets are read as their README says, and refused clearly."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from context0.errors import InvalidInput
from context0.evaluation.datasets import Conversation, read_conversations

SMALL_SET = Path(__file__).parents[1] / "data" / "retrieval_small.jsonl"


def turn(**changes: Any) -> dict[str, Any]:
    return {"id": "D1:1", "speaker": "Ada", "date": "2025-01-02T03:04:05", "session": 1, "text": "Hi", **changes}


def conversation(**changes: Any) -> dict[str, Any]:
    questions = [{"q": "Who?", "a": "Ada", "cat": 4, "ev": ["D1:1"]}]
    return {"id": "c1", "speakers": ["Ada", "Bob"], "turns": [turn()], "qa": questions, **changes}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_a_conversation_is_read_into_records(tmp_path: Path) -> None:
    path = write(tmp_path / "one.jsonl", conversation(turns=[turn(caption="a cat")]), "\n")
    (found,) = read_conversations(path)
    assert found.id == "c1"
    assert found.speakers == ("Ada", "Bob")
    assert found.turns[0].content == "Hi [image: a cat]"
    assert found.turns[0].session == "1"
    assert found.turns[0].occurred_at == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (found.questions[0].category, found.questions[0].evidence) == ("4", ("D1:1",))


def test_zipped_and_plain_files_read_the_same_whatever_their_name(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.gz", conversation())
    zipped = tmp_path / "zipped.jsonl"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_conversations(plain)) == list(read_conversations(zipped))


def test_dates_with_an_offset_become_utc(tmp_path: Path) -> None:
    path = write(tmp_path / "one.jsonl", conversation(turns=[turn(date="2025-07-01T01:00:00+02:00")]))
    assert next(read_conversations(path)).turns[0].occurred_at == datetime(2025, 6, 30, 23, tzinfo=UTC)


def test_a_question_without_evidence_is_kept_and_repeated_evidence_counts_once(tmp_path: Path) -> None:
    questions = [{"q": "Why?", "cat": "abstention"}, {"q": "Who?", "cat": "x", "ev": ["D1:1", "D1:1"]}]
    (found,) = read_conversations(write(tmp_path / "one.jsonl", conversation(qa=questions)))
    assert [question.evidence for question in found.questions] == [(), ("D1:1",)]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON"),
        ("[" * 200_000, "not JSON"),
        ("[]", "not a JSON object"),
        (conversation(id=""), "'id' must be a text"),
        (conversation(id=7), "'id' must be a text"),
        (conversation(speakers="Ada"), "'speakers' must be a list of texts"),
        (conversation(turns=None), "'turns' must be a list"),
        (conversation(turns=[]), "holds no turns"),
        (conversation(turns=[turn(), turn()]), "same id"),
        (conversation(turns=["Hi"]), "turns 1: is not a JSON object"),
        (conversation(turns=[turn(date="yesterday")]), "turns 1: 'date' must be an ISO date"),
        (conversation(turns=[turn(date="0001-01-01T00:00:00+14:00")]), "turns 1: 'date' must be an ISO date"),
        (conversation(turns=[turn(text=None)]), "turns 1: 'text' must be a text"),
        (conversation(turns=[turn(session=True)]), "turns 1: 'session' must be"),
        (conversation(qa=[{"q": "Who?", "ev": []}]), "qa 1: 'cat' must be"),
        (conversation(qa=[{"q": "Who?", "cat": 1, "ev": [1]}]), "qa 1: 'ev' must be a list of texts"),
    ],
)
def test_a_broken_line_is_named_with_its_place_and_what_is_expected(tmp_path: Path, line: object, told: str) -> None:
    path = write(tmp_path / "bad.jsonl", conversation(id="fine"), "\n", line)
    reader = read_conversations(path)
    assert next(reader).id == "fine"
    with pytest.raises(InvalidInput) as caught:
        next(reader)
    assert caught.value.field == "data"
    assert "bad.jsonl, line 3" in str(caught.value)
    assert told in str(caught.value)


def test_a_repeated_conversation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="line 2: the conversation 'c1' was there before"):
        list(read_conversations(write(tmp_path / "twice.jsonl", conversation(), conversation())))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no conversation"),
        (b"\xff\xfe\x00", "not JSON in UTF-8"),
        (b"\x1f\x8b not gzip", "cannot be read"),
        (gzip.compress(json.dumps(conversation()).encode())[:-20], "cannot be read"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "other.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=told):
        list(read_conversations(path))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.jsonl", tmp_path):
        with pytest.raises(InvalidInput, match="cannot be read"):
            list(read_conversations(path))


@pytest.fixture(scope="module")
def small_set() -> list[Conversation]:
    return list(read_conversations(SMALL_SET))


def test_the_small_set_has_dialogues_an_assistant_and_another_language(small_set: list[Conversation]) -> None:
    assert [len(one.turns) for one in small_set] == [47, 48, 30, 27]
    assert sum(set(one.speakers) == {"user", "assistant"} for one in small_set) == 1
    assert any(len(turn.text) > 1_000 for one in small_set for turn in one.turns)


def test_the_small_set_is_whole(small_set: list[Conversation]) -> None:
    for one in small_set:
        assert {turn.speaker for turn in one.turns} == set(one.speakers)
        assert [turn.occurred_at for turn in one.turns] == sorted(turn.occurred_at for turn in one.turns)
        assert len({turn.content for turn in one.turns}) == len(one.turns)
        evidence = {turn for question in one.questions for turn in question.evidence}
        assert evidence <= {turn.id for turn in one.turns}
        assert sum(bool(question.evidence) for question in one.questions) >= 12
        assert sum(question.category == "abstention" for question in one.questions) >= 3
        assert all(bool(question.evidence) != (question.category == "abstention") for question in one.questions)
