"""When the client sends again, and when never: without I/O and on a fake clock (D12)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.sdk import chat_calls, memory_calls
from context0.sdk.errors import (
    Conflict,
    InvalidInput,
    NoAnswer,
    NotFound,
    RateLimited,
    ServerFailed,
    Unavailable,
    Unreachable,
)
from context0.sdk.requests import Answer
from context0.sdk.retrying import Failure, RetryRule, carried_out
from tests.sdk_driver import Driven, FakeTime, answer, failure, lost, pace, unsent

MEMORY = {
    "id": "m1",
    "user_id": "anna",
    "content": "tea",
    "created_at": "2026-05-01T00:00:00Z",
    "updated_at": "2026-05-01T00:00:00Z",
}
REPLY = {"text": "Munich", "session_id": "s1", "turn_id": "t1"}
PASSING = [unsent(), lost(), failure(503, "store_unavailable"), failure(429, "rate_limited"), failure(504, "timeout")]


@pytest.mark.parametrize("first", PASSING)
def test_an_add_is_repeated_as_it_was_since_the_same_memory_twice_is_one(first: Answer | Failure) -> None:
    driven = Driven()
    memory = driven.run(carried_out(memory_calls.add("tea", {"tags": ["drink"]}), pace()), [first, answer(201, MEMORY)])
    assert memory.id == "m1"
    bodies = {step.request.body for step in driven.sent}
    assert [json.loads(body or b"") for body in bodies] == [{"content": "tea", "tags": ["drink"]}]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 422, 500, 507])
def test_what_another_attempt_cannot_mend_is_not_tried_again(status: int) -> None:
    driven = Driven()
    with pytest.raises(Exception, match="no"):
        driven.run(carried_out(memory_calls.get("m1"), pace()), [failure(status, "any")])
    assert len(driven.sent) == 1


def test_a_turn_is_sent_again_only_if_it_never_left() -> None:
    driven = Driven()
    call = chat_calls.send("hi", {})
    assert driven.run(carried_out(call, pace()), [unsent(), answer(200, REPLY)]).text == "Munich"
    for outcome, kind in (
        (lost(), NoAnswer),
        (failure(503, "overloaded"), Unavailable),
        (failure(429, "x"), RateLimited),
    ):
        once = Driven()
        with pytest.raises(kind):
            once.run(carried_out(call, pace()), [outcome])
        assert len(once.sent) == 1


def test_a_change_is_sent_again_only_where_the_service_says_that_it_did_nothing() -> None:
    call = memory_calls.change("m1", {"content": "coffee"})
    for outcome in (unsent(), failure(429, "rate_limited"), failure(503, "overloaded"), failure(503, "stopping")):
        assert Driven().run(carried_out(call, pace()), [outcome, answer(200, MEMORY)]).id == "m1"
    for outcome, kind in ((lost(), NoAnswer), (failure(503, "store_unavailable"), Unavailable)):
        with pytest.raises(kind):
            Driven().run(carried_out(call, pace()), [outcome])


def test_a_delete_whose_answer_was_lost_has_deleted_what_is_gone_afterwards() -> None:
    gone = failure(404, "not_found")
    Driven().run(carried_out(memory_calls.delete("m1"), pace()), [lost(), gone])
    for before in ([], [unsent()], [failure(429, "rate_limited")], [failure(503, "overloaded")]):
        with pytest.raises(NotFound):
            Driven().run(carried_out(memory_calls.delete("m1"), pace()), [*before, gone])
    with pytest.raises(NotFound):
        Driven().run(carried_out(memory_calls.delete("m1"), pace()), [lost(), failure(404, "unknown_route")])


def test_waits_grow_and_are_at_least_what_the_service_asks_for() -> None:
    driven = Driven()
    steps = carried_out(memory_calls.get("m1"), pace(retries=3, first_wait_s=0.2))
    driven.run(steps, [lost(), lost(), failure(503, "overloaded", retry_after="2"), answer(200, MEMORY)])
    assert driven.waits[:2] == [0.2, 0.4]
    assert 2 <= driven.waits[2] < 3


def test_a_wait_is_drawn_from_zero_on_so_that_clients_do_not_come_back_together() -> None:
    driven = Driven()
    driven.run(carried_out(memory_calls.get("m1"), pace(draw=lambda: 0.0)), [lost(), answer(200, MEMORY)])
    assert driven.waits == [0.0]


def test_a_wait_that_is_asked_for_but_too_long_is_left_to_the_caller() -> None:
    driven = Driven()
    with pytest.raises(RateLimited) as raised:
        driven.run(carried_out(memory_calls.get("m1"), pace()), [failure(429, "rate_limited", retry_after="3600")])
    assert (raised.value.retry_after_s, driven.waits) == (3600.0, [])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        (
            {"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            30.0,
        ),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_beside_the_answers_own(
    headers: dict[str, str], seconds: float | None
) -> None:
    with pytest.raises(Unavailable) as raised:
        Driven().run(carried_out(memory_calls.get("m1"), pace(retries=0)), [failure(503, "overloaded", **headers)])
    assert raised.value.retry_after_s == seconds


def test_all_attempts_share_one_deadline() -> None:
    time = FakeTime(attempt_s=4.0)
    driven = Driven()
    with pytest.raises(NoAnswer):
        driven.run(carried_out(memory_calls.get("m1"), pace(time, timeout_s=10, retries=9)), [lost()] * 3, time)
    assert [round(step.timeout_s, 1) for step in driven.sent] == [10.0, 5.8, 1.4]


def test_retries_of_all_calls_together_are_bounded_so_that_an_outage_is_not_made_worse() -> None:
    shared = pace(retries=5, reserve=3.0, share=0.1)
    attempts = 0
    for _ in range(100):
        driven = Driven()
        steps = carried_out(memory_calls.get("m1"), shared)
        with pytest.raises(Unreachable):
            driven.run(steps, iter(unsent, None))
        attempts += len(driven.sent)
    assert attempts <= 100 * 1.1 + 3


def test_every_attempt_carries_the_id_by_which_the_logs_know_the_call() -> None:
    driven = Driven()
    driven.run(carried_out(memory_calls.get("m1"), pace()), [lost(), answer(200, MEMORY)])
    assert [step.request.headers["x-request-id"] for step in driven.sent] == ["call-1", "call-1"]


@given(st.lists(st.sampled_from(PASSING), max_size=8), st.integers(0, 5))
def test_a_call_ends_after_at_most_its_attempts(outcomes: list[Answer | Failure], retries: int) -> None:
    driven = Driven()
    endless = iter([*outcomes, *[failure(500, "internal")] * 9])
    steps = carried_out(memory_calls.get("m1"), pace(retries=retries, reserve=100, timeout_s=1e6))
    with pytest.raises((Unavailable, RateLimited, ServerFailed)):
        driven.run(steps, endless)
    assert 1 <= len(driven.sent) <= min(retries, len(outcomes)) + 1


def test_a_settled_decision_is_told_as_a_conflict() -> None:
    with pytest.raises(Conflict, match="settled"):
        Driven().run(carried_out(chat_calls.decide("d1", "undo"), pace()), [failure(409, "conflict", "was settled")])


@pytest.mark.parametrize(
    "rule", [{"retries": -1}, {"retries": True}, {"retries": 1.5}, {"first_wait_s": -1.0}, {"silence_s": float("nan")}]
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(rule))):
        RetryRule(**rule)
