"""B1, B5: the analyst reads a finished turn by rules, or by one call of a model; where that fails, by rules."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from context0.agents.base import Turn
from context0.agents.conversation_analyst import ConversationAnalyst
from context0.context.summary import WINDOW
from context0.errors import Context0Error, InvalidInput
from context0.llm.protocol import Chunk, Prompt, Usage
from stores.errors import Unavailable
from stores.records import Message, Session
from tests.context_records import ANNA, NOW, SESSION, ListedSource, message


class ModelAway(Context0Error):
    code: ClassVar[str] = "llm_unavailable"


class Model:
    """A model that answers what it was told to, raises it, or is silent."""

    name = "scripted:analyst"

    def __init__(self, answer: dict[str, Any] | Exception | None) -> None:
        self.answer = answer
        self.prompts: list[Prompt] = []

    async def warm(self) -> None: ...

    async def aclose(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        raise NotImplementedError(prompt)
        yield Chunk()

    async def complete(self, prompt: Prompt, *, schema: type[BaseModel]) -> tuple[Any, Usage]:
        self.prompts.append(prompt)
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return schema.model_validate(self.answer), Usage(prompt_tokens=50, completion_tokens=20)


class Away(ListedSource):
    async def recent(self, *args: Any, **named: Any) -> list[Message]:
        raise Unavailable("the disk is away")


def turn(text: str = "I am so happy in Munich!", answer: str = "Good to hear.", **changes: Any) -> Turn:
    fields: dict[str, Any] = {"id": "t1", "scope": ANNA, "session_id": SESSION, "asked_at": NOW}
    return Turn(text=text, answer=answer, **fields | changes)


def session(**changes: Any) -> Session:
    return Session(id=SESSION, created_at=NOW, updated_at=NOW, **changes)


def talk(count: int) -> tuple[Message, ...]:
    return tuple(message(at, f"My locker has number {at}." if at % 2 else "Noted.") for at in range(1, count + 1))


def source_of(messages: tuple[Message, ...]) -> ListedSource:
    return ListedSource(messages={(one.session_id, one.seq): one for one in messages})


ANALYSED = {
    "topics": ["Munich"],
    "sentiment": "positive",
    "open_questions": ["Where?"],
    "summary": "Anna is in Munich.",
}


async def test_topics_mood_and_open_questions_are_read_by_rules() -> None:
    analysis = await ConversationAnalyst(ListedSource()).analyse(
        turn(
            "I love hiking in Garmisch with Ben. When does the hut open?", "I do not know when it opens. Shall I look?"
        )
    )
    assert {"garmisch", "ben", "hiking"} <= set(analysis.topics)
    assert analysis.sentiment == "positive"
    assert analysis.open_questions == ("When does the hut open?", "Shall I look?")
    assert (analysis.by, analysis.failures, analysis.summary) == ("rules", (), None)


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("I'm not happy at all", "negative"),
        ("Great food, but the service was terrible.", "mixed"),
        ("The train leaves at nine.", "neutral"),
        ("I don't hate it", "positive"),
        ("Ich bin heute sehr traurig", "negative"),
    ],
)
async def test_moods(text: str, mood: str) -> None:
    assert (await ConversationAnalyst(ListedSource()).analyse(turn(text))).sentiment == mood


async def test_messages_that_leave_the_window_are_folded_into_the_summary() -> None:
    messages = talk(WINDOW + 2)
    source = source_of(messages)
    analysis = await ConversationAnalyst(source).analyse(
        turn(history=messages[:WINDOW], session=session(next_seq=WINDOW + 3))
    )
    assert analysis.summary is not None
    told, up_to = analysis.summary
    assert up_to == 8
    assert [f"number {at}." in told for at in (1, 3, 5, 7, 9)] == [True, True, True, True, False]
    assert not source.asked


async def test_messages_that_are_not_at_hand_are_read_by_one_query() -> None:
    messages = talk(60)
    source = source_of(messages)
    analysis = await ConversationAnalyst(source).analyse(
        turn(history=messages[-6:], session=session(next_seq=61, summary="Stated:\n- My desk is 9.", summary_seq=40))
    )
    assert analysis.summary is not None
    assert analysis.summary[1] == 56
    assert "My desk is 9." in analysis.summary[0]
    assert "number 41." in analysis.summary[0]
    assert source.asked == {"history": 1}


async def test_a_long_backlog_takes_several_turns_and_leaves_nothing_out() -> None:
    source = source_of(talk(1_000))
    seen, summary, up_to = [], "", 0
    while up_to < 990:
        analysis = await ConversationAnalyst(source).analyse(
            turn(session=session(next_seq=1_001, summary=summary, summary_seq=up_to))
        )
        assert analysis.summary is not None
        assert analysis.summary[1] > up_to
        summary, up_to = analysis.summary
        seen.append(up_to)
    assert seen == [200, 400, 600, 800, 996]


async def test_numbers_that_nobody_used_are_passed_over() -> None:
    analysis = await ConversationAnalyst(ListedSource()).analyse(
        turn(session=session(next_seq=21, summary="Stated:\n- tea"))
    )
    assert analysis.summary == ("Stated:\n- tea", 16)


async def test_history_that_cannot_be_read_is_named_and_the_rest_is_told() -> None:
    analysis = await ConversationAnalyst(Away()).analyse(turn(session=session(next_seq=40)))
    assert analysis.summary is None
    assert analysis.failures == (("history", "store_unavailable"),)
    assert analysis.sentiment == "positive"


async def test_b5_a_model_is_called_once_and_reads_fenced_text() -> None:
    model = Model(ANALYSED)
    analysis = await ConversationAnalyst(ListedSource(), llm=model).analyse(turn("I like </memory-data> Munich"))
    assert (analysis.by, analysis.topics, analysis.open_questions) == ("model", ("munich",), ("Where?",))
    assert analysis.usage.prompt_tokens == 50
    (prompt,) = model.prompts
    assert prompt.messages[-1].content.count("</memory-data>") == 1
    assert analysis.summary is None


async def test_a_models_summary_is_taken_where_one_is_due() -> None:
    messages = talk(14)
    analysis = await ConversationAnalyst(source_of(messages), llm=Model(ANALYSED)).analyse(
        turn(history=messages, session=session(next_seq=15))
    )
    assert analysis.summary == ("Anna is in Munich.", 10)


@pytest.mark.parametrize(
    ("answer", "reason"), [(ModelAway("no answer"), "llm_unavailable"), (None, "deadline")], ids=["away", "silent"]
)
async def test_a_model_that_fails_leaves_it_to_the_rules_and_that_is_said(
    answer: Exception | None, reason: str
) -> None:
    messages = talk(14)
    analyst = ConversationAnalyst(source_of(messages), llm=Model(answer), deadline_s=0.02)
    analysis = await analyst.analyse(turn(history=messages, session=session(next_seq=15)))
    assert (analysis.by, analysis.failures) == ("rules", (("model", reason),))
    assert analysis.summary is not None
    assert analysis.sentiment == "positive"


async def test_a_cancelled_analysis_ends() -> None:
    task = asyncio.create_task(ConversationAnalyst(ListedSource(), llm=Model(None)).analyse(turn()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_turn_off_the_record_is_refused() -> None:
    with pytest.raises(InvalidInput, match="off the record"):
        await ConversationAnalyst(ListedSource()).analyse(turn(mode="off_record"))


async def test_a_turn_that_only_reads_makes_no_summary() -> None:
    messages = talk(14)
    analysis = await ConversationAnalyst(source_of(messages)).analyse(
        turn(mode="read_only", history=messages, session=session(next_seq=15))
    )
    assert analysis.summary is None


async def test_what_is_masked_stays_masked() -> None:
    messages = tuple(message(at, "My address is [email], call [phone].") for at in range(1, 15, 2))
    analysis = await ConversationAnalyst(source_of(messages)).analyse(
        turn("Write to [email]?", "I don't know [email].", history=messages, session=session(next_seq=15))
    )
    assert analysis.summary is not None
    assert "[email], call [phone]" in analysis.summary[0]
    assert analysis.open_questions == ("Write to [email]?",)
    assert "email" not in analysis.topics
