"""A streamed turn through cuts: every event once, in order; a turn that cannot be taken up again says so (B7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.sdk import chat_calls
from context0.sdk.errors import (
    ClientError,
    InvalidInput,
    NoAnswer,
    RateLimited,
    StreamCut,
    Unauthorized,
    Unavailable,
    Unreadable,
)
from context0.sdk.requests import Answer
from context0.sdk.retrying import Failure, Send
from context0.sdk.streaming import StreamedTurn
from context0.wire import ChatEvent, DoneEvent, ErrorEvent, MemoryWrittenEvent, SessionEvent, ShutdownEvent, TokenEvent
from tests.sdk_driver import failure, heard, lost, pace, unsent

TURN = "t1"
TOKENS = tuple(TokenEvent(text=f"tök {number} ") for number in range(6))
DONE = DoneEvent(text="".join(one.text for one in TOKENS), session_id="s1", turn_id=TURN)
EVENTS: tuple[ChatEvent, ...] = (
    SessionEvent(session_id="s1", turn_id=TURN),
    *TOKENS,
    DONE,
    MemoryWrittenEvent(memories=("m1",)),
)
OPENED = Answer(status=200, headers={"content-type": "text/event-stream; charset=utf-8"})


def frames(events: tuple[ChatEvent, ...] = EVENTS, turn_id: str = TURN) -> list[bytes]:
    return [
        f"id: {turn_id}:{number}\nevent: {one.type}\ndata: {one.model_dump_json()}\n\n".encode()
        for number, one in enumerate(events)
    ]


class Service:
    """Streams a turn, and cuts each connection after so many bytes; a cut of None lets it come to its end."""

    def __init__(self, *cuts: int | None, events: tuple[ChatEvent, ...] = EVENTS, clean: bool = False) -> None:
        self.asked: list[str | None] = []
        self.refusals: list[Answer | Failure] = []
        self._cuts = iter(cuts)
        self._frames = frames(events)
        self._clean = clean
        self._left: list[bytes] = []

    def send(self, step: Send) -> Answer | Failure:
        if self.asked and self.refusals:
            return self.refusals.pop(0)
        last = step.request.headers.get("last-event-id")
        self.asked.append(last)
        after = 0 if last is None else int(last.rpartition(":")[2]) + 1
        data, cut = b"retry: 1000\n\n" + b"".join(self._frames[after:]), next(self._cuts, None)
        self._is_cut = cut is not None
        data = data if cut is None else data[:cut]
        self._left = [data[start : start + 7] for start in range(0, len(data), 7)]
        return OPENED

    def read(self) -> bytes | Failure:
        if self._left:
            return self._left.pop(0)
        return b"" if self._clean or not self._is_cut else lost()


def turn(*, resumable: bool = True, last_event_id: str | None = None, **rule: int) -> StreamedTurn:
    opening = chat_calls.stream("hi", {}, resumable=resumable)
    if last_event_id is not None:
        opening = chat_calls.follow(TURN, last_event_id)
    return StreamedTurn(
        opening,
        pace(None, **rule),  # type: ignore[arg-type]  # only of the rule
        resuming=chat_calls.follow if resumable else None,
        turn_id=None if last_event_id is None else TURN,
        last_event_id=last_event_id,
    )


def test_a_stream_that_is_not_cut_is_told_as_it_comes() -> None:
    service, followed = Service(), turn(resumable=False)
    assert tuple(heard(followed.steps(), service.send, service.read)) == EVENTS
    assert (followed.turn_id, followed.session_id, followed.last_event_id) == (TURN, "s1", f"{TURN}:8")


@given(st.lists(st.integers(140, 1200), max_size=5), st.booleans())
def test_every_event_is_told_once_whatever_the_cuts(cuts: list[int], clean: bool) -> None:
    service = Service(*cuts, clean=clean)
    told = tuple(heard(turn(resumes=20).steps(), service.send, service.read))
    assert told == EVENTS or (clean and told == EVENTS[:-1])  # after `done` a clean end is the end


def test_an_event_that_the_service_repeats_is_told_once() -> None:
    service = Service(300)
    repeating = turn()
    sending = service.send

    def from_the_start(step: Send) -> Answer | Failure:
        return sending(step if not service.asked else Send(request=chat_calls.follow(TURN, None), timeout_s=1))

    assert tuple(heard(repeating.steps(), from_the_start, service.read)) == EVENTS


def test_a_turn_that_is_not_resumable_ends_with_the_cut_and_says_where() -> None:
    service = Service(400)
    with pytest.raises(StreamCut) as raised:
        heard(turn(resumable=False).steps(), service.send, service.read)
    assert raised.value.turn_id == TURN
    assert raised.value.last_event_id is not None
    assert len(service.asked) == 1


def test_a_cut_before_anything_was_told_cannot_be_mended() -> None:
    service = Service(5)
    with pytest.raises(StreamCut, match="ask again") as raised:
        heard(turn().steps(), service.send, service.read)
    assert raised.value.turn_id is None


def test_a_service_that_is_away_for_a_moment_is_asked_again() -> None:
    service = Service(400)
    service.refusals = [unsent(), failure(503, "overloaded"), failure(429, "rate_limited")]
    assert tuple(heard(turn().steps(), service.send, service.read)) == EVENTS


@pytest.mark.parametrize(
    ("refusals", "told"),
    [
        ([failure(404, "not_found")], "has the turn no more"),
        ([failure(401, "unauthorized")], "could not be taken up"),
        ([unsent()] * 3, "could not be taken up"),
    ],
)
def test_a_turn_that_cannot_be_taken_up_again_is_cut(refusals: list[Answer | Failure], told: str) -> None:
    service = Service(400)
    service.refusals = refusals
    with pytest.raises(StreamCut, match=told) as raised:
        heard(turn(resumes=3).steps(), service.send, service.read)
    assert raised.value.last_event_id is not None


def test_after_done_a_cut_that_cannot_be_mended_is_no_failure() -> None:
    size = len(b"".join(frames()[:8])) + len(b"retry: 1000\n\n")
    service = Service(size)
    service.refusals = [failure(404, "not_found")]
    assert tuple(heard(turn().steps(), service.send, service.read)) == EVENTS[:-1]


def test_cuts_that_bring_nothing_new_are_counted_and_others_not() -> None:
    fruitful, fruitless = [230] * 3, [20] * 9
    service = Service(*fruitful, *fruitless)
    with pytest.raises(StreamCut):
        heard(turn(resumes=2).steps(), service.send, service.read)
    assert len(service.asked) == len(fruitful) + 2


def test_a_stream_is_taken_up_behind_the_event_that_is_named() -> None:
    service = Service()
    told = heard(turn(last_event_id=f"{TURN}:3").steps(), service.send, service.read)
    assert (tuple(told), service.asked) == (EVENTS[4:], [f"{TURN}:3"])


def test_a_failure_of_the_turn_is_an_event_and_the_end() -> None:
    events = (EVENTS[0], ErrorEvent(code="llm_unavailable", message="no"))
    service = Service(events=events)
    assert tuple(heard(turn().steps(), service.send, service.read)) == events


def test_a_service_that_stops_is_said_to_be_unavailable() -> None:
    service = Service(events=(*EVENTS[:3], ShutdownEvent()))  # type: ignore[arg-type]
    with pytest.raises(Unavailable) as raised:
        heard(turn().steps(), service.send, service.read)
    assert raised.value.code == "shutdown"


def test_kinds_of_events_that_are_not_known_are_passed_over() -> None:
    service = Service()
    service._frames.insert(1, b'event: mood\ndata: {"type": "mood", "value": 3}\n\n')
    assert tuple(heard(turn().steps(), service.send, service.read)) == EVENTS


def test_an_event_that_cannot_be_read_is_an_error_without_its_text() -> None:
    service = Service()
    service._frames[2] = b'id: t1:2\nevent: token\ndata: {"type": "token", "text": {"secret": 1}}\n\n'
    with pytest.raises(Unreadable) as raised:
        heard(turn().steps(), service.send, service.read)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (failure(422, "invalid_input", "message: is empty"), InvalidInput),
        (failure(401, "unauthorized"), Unauthorized),
        (failure(429, "rate_limited"), RateLimited),
        (lost(), NoAnswer),
        (Answer(status=200, headers={"content-type": "application/json"}, body=b"{}"), Unreadable),
    ],
)
def test_a_turn_that_does_not_begin_raises_why(refusal: Answer | Failure, kind: type[ClientError]) -> None:
    with pytest.raises(kind):
        heard(turn().steps(), lambda _: refusal, lambda: b"")
