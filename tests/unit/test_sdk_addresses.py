"""Several addresses of one service: the client goes round, past those that are down, and loses nothing by it."""

from collections import Counter
from typing import Any

import httpx
import pytest

from context0 import AsyncContext0Client, Context0Client
from context0.sdk.addresses import Addresses, addresses_of
from context0.sdk.errors import InvalidInput, NotFound, Unavailable, Unreachable
from context0.sdk.retrying import RetryRule
from context0.wire import DoneEvent

A, B, C = (f"http://{name}.example" for name in "abc")
MEMORY = {
    "id": "m1",
    "user_id": "anna",
    "content": "tea",
    "created_at": "2026-05-01T00:00:00Z",
    "updated_at": "2026-05-01T00:00:00Z",
}
STOPPING = {"error": {"code": "stopping", "message": "later", "request_id": "r"}}
GONE = {"error": {"code": "not_found", "message": "no", "request_id": "r"}}
WITHOUT_RESERVE = RetryRule(share=0.0, reserve=0.0)


class Service:
    """Three processes: what each was asked, and how those that are down refuse. tokens: of their writes."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.down: dict[str, str] = {}
        self.seen: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        address = f"http://{request.url.host}"
        self.asked[address] += 1
        self.seen.append(request.headers.get("context0-consistency", ""))
        how = self.down.get(address)
        if how == "refused":
            raise httpx.ConnectError("refused", request=request)
        if how == "stopping":
            return httpx.Response(503, json=STOPPING, headers={"retry-after": "1"})
        if how == "broken":
            raise httpx.ReadError("broken", request=request)
        token = f"{request.url.host[0]}.{self.asked[address]}.1.signature"
        return httpx.Response(201, json=MEMORY, headers={"context0-consistency": token})


def client_of(service: Any, *urls: str, rule: RetryRule = WITHOUT_RESERVE) -> Context0Client:
    http = httpx.Client(transport=httpx.MockTransport(service))
    return Context0Client(urls, http_client=http, retries=rule, sticky=False)


def test_requests_go_round() -> None:
    service = Service()
    with client_of(service, A, B, C) as client:
        for _ in range(9):
            client.memories.add("tea")
    assert service.asked == {A: 3, B: 3, C: 3}
    assert service.seen[-1].count(",") == 2, "the latest write of each process"


@pytest.mark.parametrize("how", ["refused", "stopping"])
def test_an_address_that_takes_nothing_costs_no_failure_no_wait_and_no_budget(how: str) -> None:
    """A rolling restart: one is down, then another; a retry needs no reserve, as nothing was done."""
    service = Service()
    with client_of(service, A, B) as client:
        for down in ({B: how}, {A: how}, {}):
            service.down = down
            for _ in range(20):
                client.memories.add("tea")
    assert sum(service.asked.values()) < 60 + 8, "it is passed over for a while"


@pytest.mark.parametrize(("how", "error"), [("refused", Unreachable), ("stopping", Unavailable)])
def test_when_all_are_down_the_error_is_raised_after_each_was_asked_once(how: str, error: type[Exception]) -> None:
    service = Service()
    service.down = dict.fromkeys((A, B, C), how)
    with client_of(service, A, B, C) as client, pytest.raises(error):
        client.memories.add("tea")
    assert service.asked == {A: 1, B: 1, C: 1}


def test_what_may_have_been_done_is_sent_again_only_as_the_rule_says() -> None:
    service = Service()
    service.down = {A: "broken"}
    rule = RetryRule(first_wait_s=0.0)
    with client_of(service, A, B, rule=rule) as client:
        assert [client.memories.add("tea").id for _ in range(3)] == ["m1"] * 3
        with pytest.raises(Exception, match="broke"):
            for _ in range(2):
                client.memories.update("m1", content="x")


def test_an_address_that_comes_back_is_asked_again() -> None:
    now = [0.0]
    addresses = Addresses([A, B], now=lambda: now[0])
    addresses.note(A, took=False)
    assert [addresses.pick() for _ in range(3)] == [B, B, B]
    now[0] = 0.6
    assert {addresses.pick(), addresses.pick()} == {A, B}
    addresses.note(A, took=False)
    now[0] = 1.2
    assert [addresses.pick() for _ in range(3)] == [B, B, B], "twice as long"
    addresses.note(B, took=False)
    assert addresses.pick() in (A, B), "somebody has to be asked"
    assert addresses.pick(tried={A, B}) in (A, B)
    assert addresses.pick(A, tried={B}) == A
    assert addresses.pick(A, tried={A}) == B


def test_a_key_has_an_address_of_its_own_and_the_next_one_when_that_is_down() -> None:
    """So an owner's memories are in one process's memory; keys are spread evenly, and few move with an address."""
    service = Service()
    http = httpx.Client(transport=httpx.MockTransport(service))
    with Context0Client([A, B, C], "c0_a-key", http_client=http, retries=WITHOUT_RESERVE) as client:
        for _ in range(5):
            client.memories.add("tea")
        [own] = service.asked
        service.down = {own: "refused"}
        for _ in range(5):
            client.memories.add("tea")
    assert sorted(service.asked.values()) == [5, 6]
    keys = [f"key {number}" for number in range(3_000)]
    firsts = [addresses_of([C, B, A], key, sticky=True).urls[0] for key in keys]
    assert all(900 < count < 1_100 for count in Counter(firsts).values())
    fewer = [addresses_of([A, B], key, sticky=True).urls[0] for key in keys]
    assert all(before in (C, after) for before, after in zip(firsts, fewer, strict=True))


def test_a_list_of_addresses_is_checked() -> None:
    assert addresses_of([f"{A}/", A, B], "", sticky=False).urls == (A, B)
    for wrong in ([], ["nothing"], [A, 7]):
        with pytest.raises(InvalidInput, match="base_url"):
            Context0Client(wrong)  # type: ignore[arg-type]


TURN = (
    'id: t1:0\ndata: {"type": "session", "session_id": "s1", "turn_id": "t1"}\n\n',
    'id: t1:1\ndata: {"type": "done", "text": "Munich", "session_id": "s1", "turn_id": "t1"}\n\n',
)


class Turns:
    """The turn runs on B, whose stream breaks after its first event; the others do not know it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.host[0]}")
        if request.url.host != "b.example":
            return httpx.Response(404, json=GONE)
        text = TURN[0] if request.method == "POST" else TURN[1]
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


async def test_a_turn_is_taken_up_where_it_runs_and_looked_for_by_who_does_not_know() -> None:
    turns = Turns()
    http = httpx.AsyncClient(transport=httpx.MockTransport(turns))
    rule = RetryRule(first_wait_s=0.0, share=0.0, reserve=0.0)
    async with AsyncContext0Client([B, A, C], http_client=http, retries=rule, sticky=False) as client:
        events = [event async for event in client.chat.stream("hello", resumable=True)]
        assert isinstance(events[-1], DoneEvent)
        assert turns.asked == ["POST b", "GET b"]
    turns.asked.clear()
    http = httpx.AsyncClient(transport=httpx.MockTransport(turns))
    async with AsyncContext0Client([C, A, B], http_client=http, retries=rule, sticky=False) as client:
        assert [event.type async for event in client.chat.resume("t1")] == ["done"]
        assert turns.asked == ["GET c", "GET a", "GET b"]
        turns.asked.clear()
    http = httpx.AsyncClient(transport=httpx.MockTransport(turns))
    async with AsyncContext0Client([C, A], http_client=http, retries=rule, sticky=False) as client:
        with pytest.raises(NotFound):
            await anext(aiter(client.chat.resume("t1")))
        assert turns.asked == ["GET c", "GET a"]
