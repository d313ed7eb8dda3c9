"""The wrappers around a model (B5, D18): deadlines, retries and fallbacks, on scripted models without a network."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable

import pytest
import stamina
from pydantic import BaseModel

from context0.errors import LLMError, LLMInterrupted, LLMInvalid, LLMRejected, LLMTimeout, LLMUnavailable
from context0.llm.deadlines import Deadlined, Deadlines
from context0.llm.extractive import ExtractiveLLM
from context0.llm.fallback import WithFallback
from context0.llm.options import LlmOptions
from context0.llm.protocol import LLM, Chunk, Prompt, PromptMessage, Usage
from context0.llm.registry import PROVIDERS, build_llm
from context0.llm.retried import Retried, RetryRule
from context0.llm.scripted import ScriptedLLM
from context0.llm.unavailable import CANNOT_BE_REACHED, WithAnswerFromMemory
from context0.llm.wrapper import Wrapper
from context0.retry_budget import RetryBudget

PROMPT = Prompt(messages=(PromptMessage(role="user", content="one two"),), question="one two?")
DOWN = LLMUnavailable("down")


class Fact(BaseModel):
    text: str


class Faulty:
    """A model that yields these chunks and raises these errors, in order; the same for each call."""

    name = "faulty:model"

    def __init__(self, *parts: Chunk | Exception) -> None:
        self.calls = 0
        self._parts = parts

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        self.calls += 1
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            yield part

    async def complete(self, prompt: Prompt, *, schema: type[BaseModel]) -> tuple[BaseModel, Usage]:
        raise NotImplementedError

    async def warm(self) -> None: ...

    async def aclose(self) -> None: ...


@pytest.fixture(autouse=True)
def no_pauses():
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


def retried(model: LLM, *, attempts: int = 3, share: float = 1.0) -> Retried:
    return Retried(model, RetryRule(attempts=attempts), RetryBudget(share=share))


async def texts_of(llm: LLM, prompt: Prompt = PROMPT) -> list[str]:
    return [chunk.text async for chunk in llm.stream(prompt) if chunk.text]


async def never(_: float) -> None:
    await asyncio.Event().wait()


# --- retries


async def test_what_is_down_for_the_moment_is_asked_again_up_to_the_number_of_attempts():
    model = ScriptedLLM([DOWN, DOWN, "well"])
    assert await texts_of(retried(model)) == ["well"]
    model = ScriptedLLM([DOWN] * 9)
    with pytest.raises(LLMUnavailable):
        await texts_of(retried(model))
    assert model.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        *(LLMRejected("no"), LLMTimeout("late"), LLMInvalid("wordless"), LLMUnavailable("open", passing=False)),
        LLMUnavailable("busy", retry_after_s=60.0),
    ],
)
async def test_what_another_attempt_cannot_mend_in_time_is_not_asked_again(error):
    model = ScriptedLLM([error, "never said"])
    with pytest.raises(type(error)):
        await texts_of(retried(model))
    assert model.calls == 1


async def test_nothing_is_asked_again_once_a_piece_was_passed_on():
    model = Faulty(Chunk(text="a"), DOWN)
    with pytest.raises(LLMUnavailable):
        await texts_of(retried(model))
    assert model.calls == 1


async def test_without_a_budget_nothing_is_asked_again():
    model = ScriptedLLM([DOWN, "never said"])
    with pytest.raises(LLMUnavailable):
        await texts_of(retried(model, share=0))


async def test_an_answer_is_repaired_once_and_no_more():
    model = ScriptedLLM(["{}", "{}", '{"text": "never said"}'])
    with pytest.raises(LLMInvalid):
        await retried(model).complete(PROMPT, schema=Fact)
    assert model.calls == 2


# --- deadlines


async def test_an_empty_piece_is_a_sign_of_life_and_not_passed_on():
    llm = Deadlined(Faulty(Chunk(), Chunk(text="a"), Chunk(), Chunk(usage=Usage())), Deadlines(first_token_s=5))
    assert [chunk async for chunk in llm.stream(PROMPT)] == [Chunk(text="a"), Chunk(usage=Usage())]


async def test_the_first_token_the_next_and_the_whole_have_their_deadlines():
    slow_to_begin = ScriptedLLM(first_token_s=1, sleep=never)
    slow_to_go_on = ScriptedLLM(interval_s=1, sleep=never)
    for model, deadlines, error in (
        (slow_to_begin, Deadlines(first_token_s=0.01), LLMTimeout),
        (slow_to_begin, Deadlines(stream_s=0.01), LLMTimeout),
        (slow_to_go_on, Deadlines(between_tokens_s=0.01), LLMInterrupted),
        (slow_to_go_on, Deadlines(stream_s=0.01), LLMInterrupted),
    ):
        with pytest.raises(error, match=r"0\.01 s"):
            await texts_of(Deadlined(model, deadlines))
    with pytest.raises(LLMTimeout):
        await Deadlined(slow_to_begin, Deadlines(complete_s=0.01)).complete(PROMPT, schema=Fact)
    assert (slow_to_begin.cancelled, slow_to_go_on.cancelled) == (2, 2)


async def test_each_wait_has_its_own_time_and_what_the_reader_takes_counts_for_none():
    class Halting(Faulty):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
            for pause_s in (0.0, 0.08, 0.0, 60.0):
                await asyncio.sleep(pause_s)
                yield Chunk(text="a")

    seen = []
    with pytest.raises(LLMInterrupted, match=r"0\.3 s"):
        async for chunk in Deadlined(Halting(), Deadlines(first_token_s=0.05, between_tokens_s=0.3)).stream(PROMPT):
            seen.append(chunk.text)
            await asyncio.sleep(0.35 if len(seen) == 2 else 0.0)
    assert seen == ["a", "a", "a"]


async def test_a_piece_that_comes_as_its_time_ends_is_passed_on_and_its_reader_is_left_alone():
    loop, came = asyncio.get_running_loop(), asyncio.Event()

    def busy_until_it_is_late() -> None:
        time.sleep(0.03)
        loop.call_soon(came.set)  # as what a socket tells: before the timers of the same round

    class LateByNothing(Faulty):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
            loop.call_soon(busy_until_it_is_late)
            await came.wait()
            yield Chunk(text="a")

    seen = []
    async for chunk in Deadlined(LateByNothing(), Deadlines(first_token_s=0.02)).stream(PROMPT):
        seen.append(chunk.text)
        for _ in range(5):
            await asyncio.sleep(0)
    assert seen == ["a"]


async def test_a_model_that_goes_on_after_its_time_is_cut_off_all_the_same():
    class Deaf(Faulty):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            yield Chunk(text="a")

    with pytest.raises(LLMTimeout):
        await texts_of(Deadlined(Deaf(), Deadlines(first_token_s=0.01)))
    assert asyncio.current_task().cancelling() == 0


async def test_a_timeout_of_the_model_itself_is_not_taken_for_ours():
    with pytest.raises(TimeoutError, match="its own"):
        await texts_of(Deadlined(Faulty(TimeoutError("its own")), Deadlines(first_token_s=5)))


# --- fallbacks


async def test_the_second_model_answers_for_the_first_and_says_why():
    llm = WithFallback(ScriptedLLM([LLMTimeout("late")]), ScriptedLLM(["second"], model="b"))
    chunks = [chunk async for chunk in llm.stream(PROMPT)]
    assert {chunk.fallback for chunk in chunks} == {"llm_timeout"}
    assert chunks[-1].model == "scripted:b"


async def test_while_the_first_model_answers_the_second_is_not_asked():
    second = ScriptedLLM()
    llm = WithFallback(ScriptedLLM(['{"text": "x"}', "first"]), second)
    assert (await llm.complete(PROMPT, schema=Fact))[0].text == "x"
    assert await texts_of(llm) == ["first"]
    assert second.calls == 0


async def test_when_both_fail_the_error_of_the_second_is_raised_from_that_of_the_first():
    first, second = LLMTimeout("late"), LLMRejected("no")
    for ask in (texts_of, lambda llm: llm.complete(PROMPT, schema=Fact)):
        with pytest.raises(LLMRejected) as caught:
            await ask(WithFallback(ScriptedLLM([first]), ScriptedLLM([second])))
        assert caught.value.__cause__ is first


@pytest.mark.parametrize("wrap", [WithFallback, WithAnswerFromMemory])
async def test_what_breaks_off_after_the_first_piece_is_raised(wrap):
    other = ScriptedLLM()
    with pytest.raises(LLMInterrupted):
        await texts_of(wrap(Faulty(Chunk(text="a"), LLMInterrupted("cut")), other))
    assert other.calls == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DOWN, CANNOT_BE_REACHED),
        (LLMTimeout("x"), "The language model did not answer in time. "),
        (LLMRejected("x"), "The language model refused this request; its settings need a look. "),
        (LLMInvalid("x"), "The language model gave no usable answer. "),
    ],
)
async def test_the_answer_from_memory_says_first_what_went_wrong(error, said):
    llm = WithAnswerFromMemory(ScriptedLLM([error]), ExtractiveLLM())
    chunks = [chunk async for chunk in llm.stream(PROMPT)]
    assert "".join(chunk.text for chunk in chunks).startswith(said + "Your memories hold nothing on that")
    assert {chunk.fallback for chunk in chunks} == {error.code}
    assert chunks[-1].model == "extractive:rules"


async def test_work_without_a_question_gets_the_error_and_no_answer_from_memory():
    llm = WithAnswerFromMemory(ScriptedLLM([DOWN, DOWN]), ExtractiveLLM())
    with pytest.raises(LLMUnavailable):
        await texts_of(llm, Prompt(messages=PROMPT.messages))
    with pytest.raises(LLMUnavailable):
        await llm.complete(PROMPT, schema=Fact)


async def test_every_wrapper_closes_and_warms_what_it_wraps():
    class Watched(Faulty):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        async def warm(self) -> None:
            self.seen.append("warm")

        async def aclose(self) -> None:
            self.seen.append("close")

    first, second = Watched(), Watched()
    llm = WithAnswerFromMemory(WithFallback(Wrapper(first), second), ExtractiveLLM())
    await llm.warm()
    await llm.aclose()
    assert first.seen == second.seen == ["warm", "close"]
    assert llm.name == "faulty:model"


# --- cancellation at every await


POINTS: dict[str, Callable[[ScriptedLLM], LLM]] = {
    "retried": retried,
    "deadlined": lambda model: Deadlined(model, Deadlines(first_token_s=60, between_tokens_s=60, stream_s=60)),
    "first of two": lambda model: WithFallback(model, ScriptedLLM()),
    "second of two": lambda model: WithFallback(ScriptedLLM([DOWN]), model),
    "with an answer": lambda model: WithAnswerFromMemory(model, ExtractiveLLM()),
}


@pytest.mark.parametrize("wrap", POINTS.values(), ids=POINTS.keys())
@pytest.mark.parametrize("pause", range(3))
async def test_a_cancelled_call_ends_its_model_at_any_await_and_leaves_no_task(wrap, pause):
    reached, pauses = asyncio.Event(), 0

    async def sleep(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses > pause:
            reached.set()
            await asyncio.Event().wait()

    model = ScriptedLLM(lambda _: "a b c", first_token_s=1, interval_s=1, sleep=sleep)
    before = asyncio.all_tasks()
    task = asyncio.create_task(texts_of(wrap(model)))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.cancelled == 1
    assert asyncio.all_tasks() == before


# --- registry and options


def test_every_provider_is_built_by_name_without_a_network():
    for provider in PROVIDERS:
        options = LlmOptions(base_url="http://127.0.0.1:9/v1")
        assert build_llm(provider, options).name.partition(":")[0] == provider


@pytest.mark.parametrize(
    ("provider", "options", "said"),
    [
        ("gpt", {}, "extractive, openai, scripted"),
        ("openai", {}, "llm_api_key or llm_base_url"),
        ("scripted", {"model": "clever"}, "echo, down"),
    ],
)
def test_a_wrong_setting_says_what_to_do(provider, options, said):
    from context0.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match=said):
        build_llm(provider, LlmOptions(**options))


@pytest.mark.parametrize(
    "name", ["max_tokens", "connect_s", "first_token_s", "deadline_s", "attempts", "breaker_open_s"]
)
def test_an_option_out_of_range_is_refused_and_the_key_is_not_shown(name):
    from context0.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match=name):
        LlmOptions(**{name: 0})
    assert "sk-1" not in repr(LlmOptions(api_key="sk-1"))


async def test_the_scripted_provider_can_be_down_by_settings():
    llm = build_llm("scripted", LlmOptions(model="down", attempts=1))
    chunks = [chunk async for chunk in llm.stream(PROMPT)]
    assert chunks[0].text == CANNOT_BE_REACHED


async def test_a_script_that_is_used_up_says_so():
    llm = ScriptedLLM(["one"])
    await texts_of(llm)
    with pytest.raises(LLMError, match="call 2"):
        await texts_of(llm)


async def test_scripted_pauses_are_those_that_were_asked_for():
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    llm = ScriptedLLM(["a b c"], first_token_s=0.3, interval_s=0.02, sleep=sleep)
    assert await texts_of(llm) == ["a ", "b ", "c"]
    assert slept == [0.3, 0.02, 0.02]
