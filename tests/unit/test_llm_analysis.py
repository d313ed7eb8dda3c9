"""Questions read by a language model: what it is told, and how its answer and the rules become one analysis."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from context0.llm.protocol import A, Chunk, Prompt, Usage
from context0.memory.llm_analysis import LlmAnalyser, QuestionReading
from context0.memory.rules.dates import EARLIEST, LATEST

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
QUESTION = "What did Anna and Ben eat after the trip to Graz?"
SPEAKERS = ("Anna", "Ben", "user")


class ScriptedLLM:
    """Answers one JSON object, and remembers what it was asked."""

    name = "scripted:test"

    def __init__(self, **answer: Any) -> None:
        self.answer: dict[str, Any] = {"intent": "fact", **answer}
        self.prompts: list[Prompt] = []

    async def warm(self) -> None: ...

    async def aclose(self) -> None: ...

    def stream(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        raise NotImplementedError

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        self.prompts.append(prompt)
        return schema.model_validate(self.answer), Usage()


async def test_the_question_the_day_and_the_speakers_are_told_as_data() -> None:
    llm = ScriptedLLM()
    await LlmAnalyser(llm).analyse(QUESTION, reference=NOW, speakers=SPEAKERS)
    (prompt,) = llm.prompts
    told = orjson.loads(prompt.messages[-1].content)
    assert told == {"question": QUESTION, "day": "2026-06-15", "speakers": list(SPEAKERS)}
    assert QUESTION not in prompt.messages[0].content


async def test_what_the_model_read_is_the_analysis() -> None:
    llm = ScriptedLLM(
        intent="list",
        names=["Tartine’s", "Graz"],
        speakers=["ben"],
        first_day="2026-05-01",
        last_day="2026-05-31",
        search_text=" meals after the trip to Graz ",
    )
    analysis = await LlmAnalyser(llm).analyse(QUESTION, reference=NOW, speakers=SPEAKERS)
    assert analysis.intent == "list"
    assert analysis.speakers == ("Ben",)
    assert set(analysis.entities) == {"anna", "ben", "graz", "tartine"}
    assert analysis.content_text == "meals after the trip to Graz"
    assert analysis.range is not None
    assert (analysis.range.start, analysis.range.end) == (
        datetime(2026, 5, 1, tzinfo=UTC),
        datetime(2026, 6, 1, tzinfo=UTC),
    )
    assert analysis.is_question


async def test_what_the_model_leaves_out_is_read_by_the_rules() -> None:
    analysis = await LlmAnalyser(ScriptedLLM()).analyse(QUESTION, reference=NOW, speakers=SPEAKERS)
    assert analysis.speakers == ("Anna", "Ben")
    assert analysis.content_text == "What did eat after the trip to Graz?"
    assert analysis.range is None


async def test_a_date_that_stands_in_the_question_is_the_rules() -> None:
    llm = ScriptedLLM(first_day="1999-01-01", last_day="1999-01-02")
    analysis = await LlmAnalyser(llm).analyse("What was on 3 May 2024 and after?", reference=NOW, speakers=())
    assert analysis.range is not None
    assert analysis.range.start == datetime(2024, 5, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"first_day": "2026-05-01"}, (datetime(2026, 5, 1, tzinfo=UTC), LATEST)),
        ({"last_day": "2026-05-01"}, (EARLIEST, datetime(2026, 5, 2, tzinfo=UTC))),
    ],
)
async def test_a_range_may_be_open(days: dict[str, str], expected: tuple[datetime, datetime]) -> None:
    analysis = await LlmAnalyser(ScriptedLLM(**days)).analyse(QUESTION, reference=NOW, speakers=())
    assert analysis.range is not None
    assert (analysis.range.start, analysis.range.end) == expected


async def test_the_model_cannot_name_a_speaker_who_is_not_there() -> None:
    llm = ScriptedLLM(speakers=["Mallory"])
    analysis = await LlmAnalyser(llm).analyse("What did they eat after that?", reference=NOW, speakers=SPEAKERS)
    assert analysis.speakers == ()


@pytest.mark.parametrize(
    "answer",
    [
        {"intent": "poetry"},
        {"intent": "fact", "first_day": "2026-05-02", "last_day": "2026-05-01"},
        {"intent": "fact", "first_day": "0001-01-01"},
        {"intent": "fact", "last_day": "9999-12-31"},
        {"intent": "fact", "names": ["x" * 100]},
        {"intent": "fact", "names": [""]},
        {},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QuestionReading.model_validate(answer)


def test_days_are_dates() -> None:
    assert QuestionReading.model_validate({"intent": "fact", "first_day": "2026-05-01"}).first_day == date(2026, 5, 1)
