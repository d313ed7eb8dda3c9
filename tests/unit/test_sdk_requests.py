"""What the client sends and how it reads answers, without I/O: addresses, ids, JSON, errors by code (B10, S14)."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.errors import InvalidInput as InvalidInputOfLibrary
from context0.sdk import chat_calls, errors, memory_calls
from context0.sdk.answers import error_of
from context0.sdk.requests import Answer, base_url_of, json_of, query_of, segment
from context0.sdk.retrying import carried_out
from tests.sdk_driver import Driven, answer, failure, pace


@pytest.mark.parametrize(
    ("given_url", "told"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://memory.example/", "https://memory.example"),
        (" http://[::1]:8000/base/ ", "http://[::1]:8000/base"),
    ],
)
def test_an_address_is_taken_with_its_path_and_without_its_last_slash(given_url: str, told: str) -> None:
    assert base_url_of(given_url) == told


@pytest.mark.parametrize(
    "url",
    [
        *("", "127.0.0.1:8000", "ftp://a", "http://", "http://user:secret@a", "http://a?key=secret"),
        *("http://a#secret", 8000, "http://[::1", "http://a:99999999"),
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_repeating_it(url: Any) -> None:
    with pytest.raises(errors.InvalidInput, match="base_url") as raised:
        base_url_of(url)
    assert "secret" not in str(raised.value)


@given(st.text(min_size=1).filter(lambda text: text.strip() and text not in (".", "..")))
def test_an_id_is_one_part_of_a_path_whatever_it_holds(text: str) -> None:
    try:
        quoted = segment("memory_id", text)
    except errors.InvalidInput:
        assert any("\ud800" <= letter <= "\udfff" for letter in text)
    else:
        assert not set(quoted) & set("/?#% \\") - {"%"}


@pytest.mark.parametrize("memory_id", ["", "  ", ".", "..", None, 7, "\ud800"])
def test_an_id_that_would_lead_to_another_route_is_refused(memory_id: Any) -> None:
    for call in (memory_calls.get, memory_calls.delete, memory_calls.history, chat_calls.delete_session):
        with pytest.raises(errors.InvalidInput, match="_id"):
            call(memory_id)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", object(), {1j: 2}, {"deep": [{"x": math.nan}]}])
def test_what_json_cannot_say_is_refused_and_never_becomes_null(value: object) -> None:
    with pytest.raises(errors.InvalidInput):
        json_of({"metadata": value})


def test_a_nest_without_an_end_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(errors.InvalidInput):
        json_of(endless)


def test_times_and_sets_are_sent_as_text_and_lists() -> None:
    moment = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)
    assert json_of({"at": moment, "of": {"b", "a"}}) == b'{"at":"2026-05-04T18:30:00+00:00","of":["a","b"]}'
    with pytest.raises(errors.InvalidInput, match="time zone"):
        json_of(datetime(2026, 5, 4))  # noqa: DTZ001 - that is the point


def test_nothing_is_left_out_of_an_address_but_none() -> None:
    assert query_of(limit=0, pending=False, cursor=None, text="") == {"limit": "0", "pending": "false", "text": ""}


def test_a_listing_is_narrowed_in_its_address() -> None:
    query = memory_calls.page(20, None, {"filters": {"speaker": "Anna"}, "memory_types": {"semantic"}}).request.query
    assert query == {"limit": "20", "filters": '{"speaker":"Anna"}', "memory_type": ["semantic"]}
    with pytest.raises(errors.InvalidInput, match="owner"):
        memory_calls.page(20, None, {"owner": "ben"})  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize("memories", ["text", [["a"]], [1], 7])
def test_memories_that_are_no_list_of_dictionaries_are_refused(memories: Any) -> None:
    with pytest.raises(errors.InvalidInput, match="memories"):
        memory_calls.add_many(memories)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_cursor", errors.InvalidInput),
        (401, "unauthorized", errors.Unauthorized),
        (403, "not_local", errors.Forbidden),
        (404, "not_found", errors.NotFound),
        (409, "conflict", errors.Conflict),
        (413, "too_large", errors.TooLarge),
        (422, "invalid_filter", errors.InvalidInput),
        (422, "idempotency_mismatch", errors.IdempotencyMismatch),
        (429, "too_many_requests", errors.RateLimited),
        (500, "internal", errors.ServerFailed),
        (501, "configuration", errors.ServerFailed),
        (502, "llm_rejected", errors.Unavailable),
        (503, "store_unavailable", errors.Unavailable),
        (504, "store_timeout", errors.Unavailable),
        (507, "store_full", errors.Unavailable),
        (418, "teapot", errors.ClientError),
    ],
)
def test_a_failure_is_the_error_of_its_code_or_status(status: int, code: str, kind: type[errors.ClientError]) -> None:
    told = error_of(failure(status, code, "what to do next"))
    assert type(told) is kind
    assert (told.code, told.status, told.request_id) == (code, status, "r-1")
    assert "what to do next" in str(told)


def test_what_the_library_calls_invalid_the_client_does_too() -> None:
    with pytest.raises(InvalidInputOfLibrary) as raised:
        raise error_of(failure(422, "invalid_input", "content: is empty"))
    assert isinstance(raised.value, ValueError)
    assert errors.InvalidInput.code == "invalid_input"
    assert errors.Unavailable("…", code="store_full").code == "store_full"
    assert errors.Unavailable.code == "unavailable"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, errors.Unreadable),
        (401, errors.Unauthorized),
        (404, errors.Unreadable),
        (413, errors.TooLarge),
        (429, errors.RateLimited),
        (500, errors.ServerFailed),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
    ],
)
def test_a_failure_that_is_not_of_this_api_is_told_without_its_page(
    status: int, kind: type[errors.ClientError]
) -> None:
    told = error_of(Answer(status=status, headers={"content-type": "text/html"}, body=b"<html>secret</html>"))
    assert type(told) is kind
    assert "secret" not in str(told)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id": "m1"}', b'{"id": 7, "content": "secret"}'])
def test_an_answer_that_is_no_memory_is_never_taken_for_one(body: bytes) -> None:
    with pytest.raises(errors.Unreadable) as raised:
        Driven().run(carried_out(memory_calls.get("m1"), pace()), [Answer(status=200, body=body)])
    assert "secret" not in str(raised.value)


def test_fields_that_a_newer_service_adds_are_passed_over() -> None:
    page = Driven().run(
        carried_out(memory_calls.page(5, None, {}), pace()), [answer(200, {"items": [], "next_cursor": None, "new": 1})]
    )
    assert page.items == ()
