"""Pinecone that is busy, broken, silent or somebody else: typed errors within the deadline, never an empty answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest

from stores.errors import Incompatible, StoreError, Timeout, Unavailable
from stores.pinecone.vectors import PineconeOptions, PineconeVectors
from stores.records import MemoryId, Point, Scope
from tests.loopback_pinecone import API_KEY, INDEX, Answer, Fault, LoopbackPinecone, busy

ANNA = Scope(owner="anna")
EAST = np.array([1, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
DEADLINE_S = 0.5
SLACK_S = 0.5
"""For a machine that is busy with other tests."""
POINT = Point(id=MemoryId("a"), vector=EAST)

Call = Callable[[PineconeVectors], Awaitable[object]]
CALLS: dict[str, Call] = {
    "put_many": lambda store: store.put_many([POINT], scope=ANNA),
    "delete_many": lambda store: store.delete_many([POINT.id], scope=ANNA),
    "query": lambda store: store.query(EAST, scope=ANNA, limit=1),
    "erase": lambda store: store.erase(ANNA),
    "count": lambda store: store.count(ANNA),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@pytest.fixture
async def server() -> AsyncIterator[LoopbackPinecone]:
    async with LoopbackPinecone() as running:
        yield running


@pytest.fixture
async def store(server: LoopbackPinecone) -> AsyncIterator[PineconeVectors]:
    async with server.opened(query_timeout_s=DEADLINE_S, write_timeout_s=DEADLINE_S) as opened:
        await opened.put_many([POINT], scope=ANNA)
        server.seen.clear()
        yield opened


def many(number: int) -> list[Point]:
    return [Point(id=MemoryId(f"m{place}"), vector=EAST) for place in range(number)]


async def refused(call: Awaitable[object], error: type[StoreError]) -> StoreError:
    """Return what `call` raises, which is of exactly this class, has a cause, and tells no secret."""
    with pytest.raises(error) as caught:
        await call
    assert type(caught.value) is error
    assert API_KEY not in str(caught.value)
    return caught.value


# --- what passes --------------------------------------------------------------------------------------------------


@every_call
@pytest.mark.parametrize("fault", [busy(0.0), busy(status=503), busy(status=500), "reset"], ids=str)
async def test_a_passing_fault_costs_one_more_attempt(
    server: LoopbackPinecone, store: PineconeVectors, call: Call, fault: Fault
) -> None:
    await call(store)
    without_fault = len(server.seen)
    await store.put_many([POINT], scope=ANNA)
    server.seen.clear()
    server.faults.append(fault)
    await call(store)
    assert len(server.seen) == without_fault + 1


async def test_three_refusals_for_haste_are_four_requests_and_no_error(
    server: LoopbackPinecone, store: PineconeVectors
) -> None:
    server.faults.extend([busy(0.01)] * 3)
    assert [hit.id for hit in await store.query(EAST, scope=ANNA, limit=1)] == ["a"]
    assert server.paths() == ["POST /query"] * 4


async def test_the_wait_that_the_server_asks_for_is_kept(server: LoopbackPinecone, store: PineconeVectors) -> None:
    server.faults.append(busy(0.2))
    began = time.monotonic()
    await store.query(EAST, scope=ANNA, limit=1)
    assert time.monotonic() - began >= 0.2


async def test_one_busy_batch_of_several_is_sent_again_alone(server: LoopbackPinecone) -> None:
    async with server.opened(max_batch_records=10) as store:
        server.faults.append(busy(0.0))
        await store.put_many(many(50), scope=ANNA)
        assert len(server.seen) == 6
        assert await store.count(ANNA) == 50


# --- what does not ------------------------------------------------------------------------------------------------


@every_call
@pytest.mark.parametrize("fault", [busy(), busy(status=503), "reset"], ids=str)
async def test_an_outage_is_unavailable_within_the_deadline(
    server: LoopbackPinecone, store: PineconeVectors, call: Call, fault: Fault
) -> None:
    server.fault_always = fault
    began = time.monotonic()
    error = await refused(call(store), Unavailable)
    assert time.monotonic() - began < DEADLINE_S + SLACK_S
    assert error.__cause__ is not None
    assert 2 <= len(server.seen) <= 5  # the driver's own retries are off: with them it would be four times that


@every_call
async def test_silence_is_a_timeout_at_the_deadline(
    server: LoopbackPinecone, store: PineconeVectors, call: Call
) -> None:
    server.fault_always = "hang"
    began = time.monotonic()
    error = await refused(call(store), Timeout)
    assert DEADLINE_S - 0.05 < time.monotonic() - began < DEADLINE_S + SLACK_S
    assert error.__cause__ is not None
    assert len(server.seen) == 1


async def test_a_wait_beyond_the_deadline_is_an_error_at_once(server: LoopbackPinecone, store: PineconeVectors) -> None:
    server.fault_always = busy(60)
    began = time.monotonic()
    await refused(store.query(EAST, scope=ANNA, limit=1), Unavailable)
    assert time.monotonic() - began < DEADLINE_S
    assert len(server.seen) == 1


@every_call
async def test_a_gateway_that_knows_nothing_is_an_outage_and_not_an_empty_memory(
    server: LoopbackPinecone, store: PineconeVectors, call: Call
) -> None:
    server.fault_always = Answer(status=404, body=b"<html>no such page</html>", headers={"content-type": "text/html"})
    await refused(call(store), Unavailable)
    assert len(server.seen) == 1


@pytest.mark.parametrize("call", [CALLS["query"], CALLS["count"], CALLS["put_many"]])
async def test_an_answer_that_is_not_pinecones_is_unavailable(
    server: LoopbackPinecone, store: PineconeVectors, call: Call
) -> None:
    server.fault_always = Answer(body=b"<html>welcome</html>")
    await refused(call(store), Unavailable)


async def test_a_body_that_cannot_be_unpacked_is_unavailable(server: LoopbackPinecone, store: PineconeVectors) -> None:
    server.fault_always = Answer(body=b"not gzip", headers={"content-encoding": "gzip"})
    await refused(store.query(EAST, scope=ANNA, limit=1), Unavailable)


@every_call
@pytest.mark.parametrize(("status", "error"), [(401, Unavailable), (403, Unavailable), (400, StoreError)])
async def test_a_refusal_is_not_repeated_and_tells_no_secret(
    server: LoopbackPinecone, store: PineconeVectors, call: Call, status: int, error: type[StoreError]
) -> None:
    body = b'{"code": 7, "message": "the key ' + API_KEY.encode() + b' is no good", "details": []}'
    server.fault_always = Answer(status=status, body=body, headers={"x-pinecone-request-id": "r-17"})
    raised = await refused(call(store), error)
    assert str(status) in str(raised)
    assert "r-17" in str(raised)
    assert len(server.seen) == 1


async def test_a_batch_that_fails_stops_the_others(server: LoopbackPinecone) -> None:
    async with server.opened(max_batch_records=1, max_concurrent_batches=2) as store:
        server.fault_always = Answer(status=400)
        await refused(store.put_many(many(100), scope=ANNA), StoreError)
        assert len(server.seen) <= 4


async def test_the_whole_write_has_one_deadline(server: LoopbackPinecone) -> None:
    async with server.opened(max_batch_records=1, max_concurrent_batches=1, write_timeout_s=DEADLINE_S) as store:
        server.faults.append("reset")
        server.fault_always = "hang"
        began = time.monotonic()
        await refused(store.put_many(many(10), scope=ANNA), Timeout)
        assert time.monotonic() - began < DEADLINE_S + SLACK_S


# --- the life of the connection -----------------------------------------------------------------------------------


async def test_a_server_that_is_gone_is_unavailable_and_its_return_is_noticed(server: LoopbackPinecone) -> None:
    async with LoopbackPinecone() as other:
        options = other.options(open_timeout_s=0.3)
    store = PineconeVectors(INDEX, options=options)
    await refused(store.open(), Unavailable)
    await refused(store.query(EAST, scope=ANNA, limit=1), Unavailable)
    back = PineconeVectors(INDEX, options=server.options())
    server.fault_always = busy(60)
    await refused(back.open(), Unavailable)
    server.fault_always = None
    await back.open()
    assert await back.query(EAST, scope=ANNA, limit=1) == []
    await back.aclose()


async def test_concurrent_opens_connect_once(server: LoopbackPinecone) -> None:
    store = PineconeVectors(INDEX, options=server.options())
    await asyncio.gather(*(store.open() for _ in range(5)))
    assert len(server.seen) == 1
    await store.aclose()


@every_call
async def test_a_closed_store_is_unavailable(server: LoopbackPinecone, store: PineconeVectors, call: Call) -> None:
    await store.aclose()
    await store.aclose()
    await refused(call(store), Unavailable)
    assert server.seen == []


async def test_opening_without_a_key_sends_nothing(server: LoopbackPinecone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", API_KEY)  # only the settings read the environment
    await refused(PineconeVectors(INDEX, options=server.options(api_key="")).open(), Unavailable)
    assert server.seen == []


@pytest.mark.parametrize("key", ["k3y-17", "line\nbreak", "naïve"])
async def test_opening_with_a_wrong_key_does_not_repeat_it(server: LoopbackPinecone, key: str) -> None:
    with pytest.raises(StoreError) as caught:
        await PineconeVectors(INDEX, options=server.options(api_key=key)).open()
    assert key not in str(caught.value)
    assert len(server.seen) <= 1


async def test_an_index_that_is_not_there_is_named(server: LoopbackPinecone) -> None:
    error = await refused(PineconeVectors("nowhere", options=server.options()).open(), Unavailable)
    assert "nowhere" in str(error)


@pytest.mark.parametrize("by_host", [False, True])
async def test_an_index_of_another_metric_is_left_alone(by_host: bool) -> None:
    async with LoopbackPinecone(metric="euclidean") as server:
        options = server.options(host=server.url) if by_host else server.options()
        await refused(PineconeVectors(INDEX, options=options).open(), Incompatible)
        assert len(server.seen) == 1


async def test_a_host_that_is_none_is_refused() -> None:
    store = PineconeVectors(INDEX, options=PineconeOptions(api_key=API_KEY, host="nonsense"))
    await refused(store.open(), StoreError)


async def test_a_cancelled_call_ends_at_once_and_the_store_lives_on(
    server: LoopbackPinecone, store: PineconeVectors
) -> None:
    server.faults.append("hang")
    server.arrived.clear()
    call = asyncio.create_task(store.query(EAST, scope=ANNA, limit=1))
    await server.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [hit.id for hit in await store.query(EAST, scope=ANNA, limit=1)] == ["a"]
