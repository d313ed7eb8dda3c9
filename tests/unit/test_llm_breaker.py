"""The circuit breaker and the retry budget, as pure machines, and the wrapper that asks the breaker (B5: fail fast)."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.errors import LLMInvalid, LLMRejected, LLMTimeout, LLMUnavailable
from context0.llm.breaker import CircuitBreaker
from context0.llm.guarded import Guarded
from context0.llm.protocol import Prompt, PromptMessage
from context0.llm.scripted import ScriptedLLM
from context0.retry_budget import RetryBudget

PROMPT = Prompt(messages=(PromptMessage(role="user", content="one two three"),))


class Hands:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def breaker(clock: Hands) -> CircuitBreaker:
    return CircuitBreaker(failures=3, open_s=10.0, clock=clock)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        ticket = breaker.admit()
        assert ticket is not None
        breaker.failed(ticket)


def test_it_opens_after_enough_failures_and_says_for_how_long(breaker, clock):
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"
    assert breaker.admit() is None
    clock.now += 4
    assert breaker.retry_in_s == 6.0


def test_failures_among_successes_open_it_only_when_they_are_half_of_the_last(breaker):
    for _ in range(20):
        fail(breaker)
        for _ in range(3):
            breaker.succeeded(breaker.admit())
    assert breaker.state == "closed"


def test_after_a_while_one_call_tries_and_its_success_closes(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    ticket = breaker.admit()
    assert ticket is not None
    assert breaker.state == "half_open"
    assert breaker.admit() is None
    breaker.succeeded(ticket)
    assert breaker.state == "closed"
    assert breaker.admit() is not None


def test_the_failure_of_the_one_that_tries_opens_it_again_for_the_whole_time(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    fail(breaker)
    assert breaker.retry_in_s == 10.0


def test_when_the_one_that_tries_is_given_up_another_may_try_at_once(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    breaker.dropped(breaker.admit())
    assert breaker.admit() is not None


def test_late_outcomes_of_a_former_time_tell_nothing(breaker, clock):
    late = [breaker.admit() for _ in range(4)]
    fail(breaker, 3)
    clock.now += 10
    probe = breaker.admit()
    breaker.succeeded(late[0])
    breaker.failed(late[1])
    breaker.dropped(late[2])
    assert breaker.state == "half_open"
    breaker.succeeded(probe)
    breaker.failed(late[3])
    fail(breaker, 2)
    assert breaker.state == "closed"


@given(st.lists(st.sampled_from(["call", "succeed", "fail", "drop", "wait"]), max_size=200))
def test_whatever_happens_at_most_one_call_is_under_way_while_half_open_and_it_always_recovers(events):
    clock = Hands()
    breaker = CircuitBreaker(failures=3, open_s=10.0, clock=clock)
    under_way = []
    for event in events:
        if event == "wait":
            clock.now += 6
        elif event == "call":
            before = breaker.state
            ticket = breaker.admit()
            if ticket is not None:
                under_way.append(ticket)
                assert before != "half_open"
            else:
                assert before != "closed"
        elif under_way:
            report = {"succeed": breaker.succeeded, "fail": breaker.failed, "drop": breaker.dropped}[event]
            report(under_way.pop())
    for ticket in under_way:
        breaker.dropped(ticket)
    clock.now += 10
    breaker.succeeded(breaker.admit())
    assert breaker.state == "closed"


async def drained(llm: Guarded) -> None:
    async for _ in llm.stream(PROMPT):
        pass


@pytest.mark.parametrize("error", [LLMUnavailable("down"), LLMTimeout("late")])
async def test_while_it_is_open_no_call_is_made_and_the_error_says_when_the_next_may(breaker, clock, error):
    model = ScriptedLLM(lambda _: error)
    llm = Guarded(model, breaker)
    for _ in range(3):
        with pytest.raises(type(error)):
            await drained(llm)
    with pytest.raises(LLMUnavailable, match="failed repeatedly") as caught:
        await drained(llm)
    assert (caught.value.passing, caught.value.retry_after_s) == (False, 10.0)
    assert model.calls == 3
    clock.now += 10
    with pytest.raises(type(error)):
        await drained(llm)
    assert model.calls == 4


@pytest.mark.parametrize("error", [LLMRejected("bad key"), LLMInvalid("no JSON")])
async def test_a_refusal_or_an_invalid_answer_shows_that_the_provider_lives(breaker, error):
    llm = Guarded(ScriptedLLM(lambda _: error), breaker)
    for _ in range(10):
        with pytest.raises(type(error)):
            await drained(llm)
    assert breaker.state == "closed"


async def test_who_goes_away_after_the_first_piece_has_proved_that_it_works(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    async with aclosing(Guarded(ScriptedLLM(), breaker).stream(PROMPT)) as pieces:
        await anext(pieces)
    assert breaker.state == "closed"


async def test_who_is_cancelled_while_trying_leaves_the_try_to_the_next(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    asked = asyncio.Event()

    async def forever(_: float) -> None:
        asked.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(drained(Guarded(ScriptedLLM(first_token_s=1, sleep=forever), breaker)))
    await asked.wait()
    assert breaker.state == "half_open"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await drained(Guarded(ScriptedLLM(), breaker))
    assert breaker.state == "closed"


@given(st.integers(0, 2_000), st.floats(0, 1))
def test_in_a_total_outage_retries_stay_within_share_and_reserve(calls, share):
    budget = RetryBudget(share=share, reserve=3)
    retries = 0
    for _ in range(calls):
        budget.deposit()
        while budget.withdraw():
            retries += 1
    assert retries <= 3 + share * calls + 1e-6


def test_a_quiet_time_saves_up_no_endless_budget_and_a_share_of_zero_is_none():
    budget = RetryBudget(share=1.0, reserve=3)
    for _ in range(10_000):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(10_000)) == 30
    none = RetryBudget(share=0.0)
    none.deposit()
    assert not none.withdraw()
