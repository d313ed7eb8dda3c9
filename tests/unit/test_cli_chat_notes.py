"""What a person is told beside an answer; and the loop that works while they type."""

import asyncio

import pytest

from context0.cli.chat_notes import cited_numbers, notes_on, privacy_notes, warnings_of
from context0.cli.loop_thread import LoopThread
from context0.wire import DoneEvent, UsedMemory

NORMAL: dict[str, object] = {"mode": "normal", "stores_messages": True, "checked": True}
USED = tuple(UsedMemory(id=name, score=1.0) for name in ("a", "b", "c"))


def done(text: str = "", **fields: object) -> DoneEvent:
    return DoneEvent.model_validate({"text": text, "session_id": None, "turn_id": "t", **fields})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("You did [2], [1] and [2].", [1, 2]), ("[0] [4] [1234] [x] 2]", []), ("see[3]", [3]), ("", [])],
)
def test_only_numbers_of_memories_that_were_given_are_citations(text: str, numbers: list[int]) -> None:
    assert cited_numbers(text, USED) == numbers


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (NORMAL, []),
        ({**NORMAL, "mode": "redact", "found": {"email": 2}, "masked": True}, ["masked 2 email before"]),
        ({**NORMAL, "found": {"card": 1, "email": 1}}, ["1 card, 1 email in this message; the mode redact masks"]),
        ({"mode": "off_record", "found": {"card": 1}}, ["off the record: nothing was looked up", "1 card in this"]),
        ({"mode": "read_only"}, ["read only: nothing of this is kept"]),
        ({"mode": "off_record", "checked": False}, ["could not be checked, so nothing of it is kept"]),
        ({**NORMAL, "categories": ["health", "minors"]}, ["sensitive, health, minors"]),
        ({}, []),
    ],
)
def test_what_privacy_did_is_told(report: dict[str, object], told: list[str]) -> None:
    notes = list(privacy_notes(report))
    assert len(notes) == len(told)
    assert all(part in note for part, note in zip(told, notes, strict=True))


def test_memories_are_counted_and_an_answer_without_any_says_nothing() -> None:
    assert list(notes_on(done("By [1] and [3]."), USED)) == ["3 memories used, cited [1] [3]"]
    assert list(notes_on(done("So."), USED[:1])) == ["1 memory used"]
    assert list(notes_on(done("So."), ())) == []


def test_what_failed_and_who_answered_instead_is_a_warning() -> None:
    assert list(warnings_of(done())) == []
    failed = done(fallback="llm_timeout", model="extractive:rules", degraded={"memory_retrieval": "deadline"})
    assert list(warnings_of(failed)) == [
        "the configured model did not answer (llm_timeout); this is by extractive:rules",
        "degraded, these parts failed or were late: memory_retrieval (deadline)",
    ]


def test_work_goes_on_while_nobody_waits_and_its_error_is_raised_to_who_does() -> None:
    async def failing() -> None:
        await asyncio.sleep(0)
        raise LookupError("gone")

    with LoopThread() as loop:
        failed, done_soon = loop.start(failing()), loop.start(asyncio.sleep(0, "done"))
        assert done_soon.result() == "done"
        assert done_soon.ends_within(0)
        with pytest.raises(LookupError, match="gone"):
            failed.result()


def test_stopped_work_has_cleaned_up_when_stop_returns() -> None:
    steps: list[str] = []

    async def working(started: asyncio.Event) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    with LoopThread() as loop:
        started = asyncio.Event()
        running = loop.start(working(started))
        loop.run(started.wait())
        assert not running.ends_within(0)
        running.stop()
        assert steps == ["cleaned up"]


def test_what_is_left_at_the_end_is_cancelled() -> None:
    with LoopThread() as loop:
        running = loop.start(asyncio.Event().wait())
    assert running.ends_within(0)
