"""Complex questions and the further analyser: who is asked what, how long, and what stands in when it fails."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from context0.errors import Context0Error, InvalidInput
from context0.memory.analysis import QuestionReader
from context0.memory.progress import Progress
from context0.memory.query import SearchRequest
from context0.memory.rules.complexity import is_complex
from context0.memory.rules.dates import find_query_range
from context0.memory.rules.query import QueryAnalysis, analyse_query
from stores.records import Scope, TimeWindow

NOW = datetime(2026, 6, 15, 12, 30, 20, tzinfo=UTC)
COMPLEX = "What did we eat after the trip to Graz?"
SIMPLE = "Where does Anna live?"
READING = replace(analyse_query(COMPLEX, reference=NOW, speakers=(), known_entities=()), content_text="dinner in Graz")


def request(text: str = COMPLEX, *, after: tuple[float, str] | None = None, **at: float) -> SearchRequest:
    return SearchRequest(
        text=text,
        scope=Scope(owner="anna"),
        limit=10,
        reference_time=NOW + timedelta(**at),
        arms=("keyword",),
        arms_only=False,
        window=TimeWindow(since=None, until=None),
        memory_types=None,
        where=None,
        deadline_s=5,
        explain=False,
        after=after,
    )


class Scripted:
    """An analyser that answers READING, raises, or never answers."""

    def __init__(self, fault: Exception | str | None = None) -> None:
        self.fault = fault
        self.asked: list[tuple[str, datetime, Sequence[str]]] = []

    async def analyse(self, question: str, *, reference: datetime, speakers: Sequence[str]) -> QueryAnalysis:
        self.asked.append((question, reference, speakers))
        if self.fault == "hang":
            await asyncio.Event().wait()
        if isinstance(self.fault, Exception):
            raise self.fault
        return READING


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "question",
    [
        "What did Mel and her kids make during the pottery workshop?",
        "How did Melanie feel after the accident?",
        "Is the flat in Graz bigger than the one in Linz?",
        "What do Jon and Gina both have in common?",
        "Where did we stay and who paid for it?",
        "the week before my birthday trip",
        " ".join(["word"] * 30),
    ],
)
def test_a_question_that_the_rules_cannot_read_to_the_end_is_complex(question: str) -> None:
    assert is_complex(question, find_query_range(question, reference=NOW))


@pytest.mark.parametrize(
    "question",
    [
        "Where does Anna live?",
        "When did Anna move to Munich?",
        "What happened after 3 May 2024?",  # the rules read this range
        "Have I ever been to Graz before?",
        "Wohin ist Anna nach dem Urlaub gezogen?",
        "",
        "?",
    ],
)
def test_what_the_rules_can_read_is_not(question: str) -> None:
    assert not is_complex(question, find_query_range(question, reference=NOW))


async def test_by_default_nobody_but_the_rules_is_asked() -> None:
    progress = Progress()
    analysis = await QuestionReader().read(request(), (), progress)
    assert analysis == analyse_query(COMPLEX, reference=NOW, speakers=(), known_entities=())
    assert (progress.degraded, progress.timings_ms) == ([], {})


async def test_only_complex_questions_reach_the_further_analyser() -> None:
    further, progress = Scripted(), Progress()
    reader = QuestionReader(further)
    await reader.read(request(SIMPLE), ("Anna",), progress)
    assert not further.asked
    assert await reader.read(request(), ("Anna",), progress) is READING
    assert further.asked == [(COMPLEX, NOW.replace(second=0), ("Anna",))]
    assert "analysis" in progress.timings_ms
    assert progress.degraded == []


async def test_a_reading_is_kept_for_an_hour_of_the_same_day_and_speakers() -> None:
    further, clock = Scripted(), Seconds()
    reader = QuestionReader(further, timer=clock)
    for _ in range(3):
        await reader.read(request(minutes=5), ("Anna",), Progress())
    assert len(further.asked) == 1
    await reader.read(request(), ("Anna", "Ben"), Progress())
    await reader.read(request(days=1), ("Anna",), Progress())
    assert len(further.asked) == 3
    clock.now += 3_601
    await reader.read(request(), ("Anna",), Progress())
    assert len(further.asked) == 4


@pytest.mark.parametrize(
    ("fault", "reason"), [(InvalidInput("x", "y"), "invalid_input"), (Context0Error("down"), "context0_error")]
)
async def test_a_failure_is_told_and_the_rules_stand_in(fault: Exception, reason: str) -> None:
    further, progress = Scripted(fault), Progress()
    reader = QuestionReader(further)
    analysis = await reader.read(request(), (), progress)
    assert analysis == analyse_query(COMPLEX, reference=NOW, speakers=(), known_entities=())
    assert progress.substituted == {"analysis": reason}
    assert (progress.degraded, progress.failures) == (["analysis"], {})
    further.fault = None  # a failure is not remembered
    assert await reader.read(request(), (), Progress()) is READING


async def test_an_analyser_that_is_late_is_not_waited_for() -> None:
    progress = Progress()
    analysis = await QuestionReader(Scripted("hang"), deadline_s=0.01).read(request(), (), progress)
    assert analysis.content_text != READING.content_text
    assert progress.substituted == {"analysis": "deadline"}


async def test_it_has_at_most_half_of_what_the_search_has() -> None:
    progress = Progress()
    await QuestionReader(Scripted("hang"), deadline_s=60).read(replace(request(), deadline_s=0.02), (), progress)
    assert progress.substituted == {"analysis": "deadline"}


async def test_a_search_that_is_cancelled_is_not_answered_by_the_rules() -> None:
    progress = Progress()
    task = asyncio.create_task(QuestionReader(Scripted("hang")).read(request(), (), progress))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert progress.substituted == {}


async def test_a_further_page_is_read_as_the_first_one_was() -> None:
    further = Scripted(Context0Error("down"))
    reader = QuestionReader(further)
    first = await reader.read(request(), (), Progress())
    further.fault = None
    assert await reader.read(request(after=(1.0, "x")), (), Progress()) == first
    assert await reader.read(request(), (), Progress()) is READING
    assert await reader.read(request(after=(1.0, "x")), (), Progress()) is READING


async def test_what_was_asked_is_forgotten_when_somebody_is_erased() -> None:
    further = Scripted()
    reader = QuestionReader(further)
    for _ in range(2):
        await reader.read(request(), (), Progress())
        reader.forget()
    assert len(further.asked) == 2
