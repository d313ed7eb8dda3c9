"""What travels to workers: ids, generations and an owner, bounded, and nothing that nobody of us has written (A11)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.errors import ConfigurationError, InvalidInput
from context0.tasks.brokers import build_broker, check_task_url
from context0.tasks.hints import MAX_PIECES, pieces_of, queue_name, told_of
from stores.records import MemoryId

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def test_what_is_told_is_read_again() -> None:
    pieces = [(MemoryId(f"m{n}"), n) for n in range(MAX_PIECES)]
    assert pieces_of("anna", told_of(pieces)) == ("anna", pieces)


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        ("", []),
        ("anna", None),
        ("anna", [["m1", 1]] * (MAX_PIECES + 1)),
        ("anna", [["m1"]]),
        ("anna", [["m1", "1"]]),
        ("anna", [["m1", True]]),
        ("anna", [["", 1]]),
        ("anna", ["m1"]),
        (1, []),
    ],
)
def test_what_nobody_of_us_has_written_is_refused(owner: Any, told: Any) -> None:
    with pytest.raises(InvalidInput):
        pieces_of(owner, told)


@given(JSON, JSON)
def test_anything_is_read_or_refused(owner: Any, told: Any) -> None:
    try:
        name, pieces = pieces_of(owner, told)
    except InvalidInput:
        return
    assert name
    assert all(isinstance(one, str) and isinstance(generation, int) for one, generation in pieces)


def test_a_store_has_a_queue_of_its_own_whoever_opens_it() -> None:
    queue = queue_name("mongodb://anna:secret@b:27017,A:27017/memories?tls=true")
    assert queue == queue_name("mongodb://a:27017,b:27017/memories")
    assert queue != queue_name("mongodb://a:27017,b:27017/others")
    assert queue_name("sqlite:///x.db") == queue_name("sqlite:///./x.db") != queue_name("sqlite:///y.db")
    assert "secret" not in queue


@pytest.mark.parametrize("url", ["kafka://host", "redis", "", "http://x"])
def test_a_broker_that_nobody_speaks_to_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="task_url"):
        check_task_url(url)


def test_known_brokers_are_made_without_connecting() -> None:
    for url in ("redis://127.0.0.1:1/0", "amqp://127.0.0.1:1/"):
        assert build_broker(url, "queue", at_once=4, redeliver_s=60) is not None
    check_task_url("memory://")
