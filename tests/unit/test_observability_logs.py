"""The log of the service: JSON lines of events and numbers; no text, no secret, whatever is logged (E11, S14)."""

import io
import json
import logging
from typing import Any

import pytest
import stamina
import structlog

from context0.observability.logs import structured_logs

SECRET = "canary-5f1c"
log = logging.getLogger("context0.tests")


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_an_event_is_one_line_of_json_with_its_fields(stream: io.StringIO) -> None:
    with structured_logs(stream=stream):
        log.info("memories.added", extra={"count": 3, "ms": 1.5, "parts": {"entity": "timeout"}, "arms": ["a", "b"]})
    (line,) = lines_of(stream)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "context0.tests",
        "event": "memories.added",
        "count": 3,
        "ms": 1.5,
        "parts": {"entity": "timeout"},
        "arms": ["a", "b"],
    }


def test_what_is_bound_to_the_request_is_on_every_line(stream: io.StringIO) -> None:
    with structured_logs(stream=stream), structlog.contextvars.bound_contextvars(request_id="r-1"):
        log.warning("one")
        log.warning("two")
    assert [line["request_id"] for line in lines_of(stream)] == ["r-1", "r-1"]


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": SECRET},
        {"password": SECRET, "secret": SECRET, "authorization": SECRET, "dsn": SECRET},
        {"content": SECRET, "text": SECRET, "prompt": SECRET, "query": SECRET, "user_id": SECRET, "answer": SECRET},
        {"outer": {"inner": {"api_key": SECRET}}},
        {"place": f"mongodb://user:{SECRET}@host/database?x=1"},
        {"why": f"cannot reach https://host/?key={SECRET}"},
        {"thing": type("Thing", (), {"__repr__": lambda _: SECRET})()},
        {"raw": SECRET.encode()},
    ],
)
def test_texts_and_secrets_are_hidden_by_their_names_and_shapes(stream: io.StringIO, fields: dict[str, object]) -> None:
    with structured_logs(stream=stream):
        log.warning("something", extra=fields)
    assert lines_of(stream)
    assert SECRET not in stream.getvalue()


def test_numbers_whose_names_have_token_or_key_in_them_are_told(stream: io.StringIO) -> None:
    with structured_logs(stream=stream):
        log.info("chat.turn", extra={"prompt_tokens": 5, "completion_tokens": 6, "ms": {"prompt": 7}})
    assert {"prompt_tokens": 5, "completion_tokens": 6, "ms": {"prompt": 7}}.items() <= lines_of(stream)[0].items()


@pytest.mark.parametrize(
    "value", ["\ud800", "a\nb", "x" * 10_000, 10**30, float("nan"), {1: {2: {3: {4: 5}}}}, [[[[1]]]]]
)
def test_a_strange_value_breaks_no_line(stream: io.StringIO, value: object) -> None:
    with structured_logs(stream=stream):
        log.warning("odd", extra={"value": value})
    assert len(stream.getvalue().splitlines()) == 1
    assert len(stream.getvalue()) < 500
    assert lines_of(stream)[0]["event"] == "odd"


def test_an_exception_is_told_by_its_kinds_and_places_only(stream: io.StringIO) -> None:
    with structured_logs(stream=stream):
        try:
            try:
                raise KeyError(SECRET)
            except KeyError as exc:
                raise RuntimeError(f"cannot do {SECRET}") from exc
        except RuntimeError:
            log.exception("it.broke")
    (line,) = lines_of(stream)
    assert line["error"] == ["builtins.RuntimeError", "builtins.KeyError"]
    assert line["trace"][-1].endswith("test_an_exception_is_told_by_its_kinds_and_places_only")
    assert SECRET not in stream.getvalue()


def test_another_library_is_heard_from_warning_on_and_only_by_its_template(stream: io.StringIO) -> None:
    other = logging.getLogger("httpx")
    with structured_logs(stream=stream):
        other.info("HTTP Request: %s", SECRET)
        other.warning("retrying %s", SECRET)
        other.warning(f"already put together: {SECRET}")
        other.warning(ValueError(SECRET))
    assert SECRET not in stream.getvalue()
    events = [line["event"] for line in lines_of(stream)]
    assert events[0] == "retrying %s"
    assert events[1].startswith("test_observability_logs:")
    assert events[2] == "ValueError"


async def test_a_retry_is_told_without_the_arguments_of_the_call(stream: io.StringIO) -> None:
    calls = []

    @stamina.retry(on=OSError, attempts=2, wait_initial=0, wait_max=0, wait_jitter=0)
    async def call(key: str) -> None:
        calls.append(key)
        if len(calls) == 1:
            raise OSError(key)

    with structured_logs(stream=stream):
        await call(SECRET)
    assert len(calls) == 2
    assert SECRET not in stream.getvalue()


def test_afterwards_logging_is_as_it_was(stream: io.StringIO) -> None:
    handlers, level, config = (
        logging.getLogger().handlers[:],
        logging.getLogger("context0").level,
        structlog.get_config(),
    )
    with structured_logs(level="DEBUG", stream=stream):
        log.debug("inside")
    log.warning("outside")
    assert [line["event"] for line in lines_of(stream)] == ["inside"]
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger("context0").level == level
    assert structlog.get_config() == config
