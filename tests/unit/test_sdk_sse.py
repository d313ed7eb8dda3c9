"""Server-sent events, as the client reads them: the standard's rules, in pieces of any size."""

from itertools import pairwise

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

from context0.sdk import sse
from context0.sdk.errors import Unreadable
from context0.sdk.sse import EventDecoder, ServerEvent

STREAM = (
    b"\xef\xbb\xbfretry: 1500\n\n: ping\r\n\r\nid: t:0\nevent: session\ndata: {}\n\n"
    b"data: one\ndata:two\ndata\n\nid: t:1\r\ndata: \xc3\xa4\r\n\r\nevent: nothing\n\nid\ndata: last\r\rdata: cut"
)
EVENTS = [
    ServerEvent(event="session", data="{}", id="t:0"),
    ServerEvent(event="message", data="one\ntwo\n", id="t:0"),
    ServerEvent(event="message", data="ä", id="t:1"),
    ServerEvent(event="message", data="last", id=""),
]
LINES = st.sampled_from(
    [b"data: x", b"data", b"id: 7", b"event: token", b": ping", b"", b"retry: 10", "data: ö→".encode()]
)


def test_events_are_read_as_the_standard_says() -> None:
    decoder = EventDecoder()
    assert decoder.feed(STREAM) == EVENTS
    assert decoder.retry_s == 1.5


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_it_makes_no_difference_how_the_bytes_are_cut(cuts: list[int]) -> None:
    decoder, places = EventDecoder(), sorted({0, *cuts, len(STREAM)})
    found = [event for start, end in pairwise(places) for event in decoder.feed(STREAM[start:end])]
    assert found == EVENTS


@given(st.lists(LINES, max_size=30), st.sampled_from([b"\n", b"\r\n"]))
def test_it_reads_what_httpx_sse_reads(lines: list[bytes], end: bytes) -> None:
    data = b"".join(line + end for line in lines)
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=data)
    expected = [(one.event, one.data) for one in EventSource(response).iter_sse() if one.data]
    assert [(one.event, one.data) for one in EventDecoder().feed(data) if one.data] == expected


def test_text_that_is_no_utf8_is_an_error_and_not_another_text() -> None:
    with pytest.raises(Unreadable, match="UTF-8"):
        EventDecoder().feed(b"data: \xff\n\n")


def test_an_event_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LONGEST_EVENT", 1_000)
    decoder = EventDecoder()
    with pytest.raises(Unreadable, match="end"):
        for _ in range(20):
            decoder.feed(b"data: " + b"x" * 100 + b"\n")
