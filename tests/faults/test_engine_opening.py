"""Opening, closing and giving up: one opening for all, a failure for all, a new try for the next; and a true end."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from context0.errors import ConfigurationError, EngineClosed
from context0.memory.engine import MemoryEngine
from context0.memory.lazy_vectors import LazyVectors
from context0.memory.results import ErasureReceipt
from stores.errors import StoreError, Timeout, Unavailable
from stores.reference.vectors import ReferenceVectors
from tests.contracts.builders import ANNA, NOW
from tests.engine_bench import EngineBench, Faulty, HashingEmbedder, contents, count_of, many, open_bench

CALLERS: Final = 50
RECEIPT: Final = ErasureReceipt(user_id="anna", erased_at=NOW, stores=())
CALLS: Final[dict[str, Callable[[MemoryEngine], Any]]] = {
    "add": lambda engine: engine.add("note", user_id="anna"),
    "add_many": lambda engine: engine.add_many(many(2), user_id="anna"),
    "get": lambda engine: engine.get("x", user_id="anna"),
    "get_many": lambda engine: engine.get_many(["x"], user_id="anna"),
    "list": lambda engine: engine.list(user_id="anna"),
    "search": lambda engine: engine.search("note", user_id="anna"),
    "update": lambda engine: engine.update("x", user_id="anna", content="y"),
    "delete": lambda engine: engine.delete("x", user_id="anna"),
    "delete_all": lambda engine: engine.delete_all(user_id="anna"),
    "recheck": lambda engine: engine.recheck(RECEIPT),
    "verify_receipt": lambda engine: engine.verify_receipt(RECEIPT),
    "audit_trail": lambda engine: engine.audit_trail(),
    "erasure": lambda engine: engine.erasure("x"),
    "history": lambda engine: engine.history("x", user_id="anna"),
    "facts": lambda engine: engine.facts(user_id="anna"),
    "superseded": lambda engine: engine.superseded("x", user_id="anna"),
    "keep_both": lambda engine: engine.keep_both("x", user_id="anna"),
    "ingest": lambda engine: engine.ingest(many(2), user_id="anna"),
    "export": lambda engine: anext(engine.export(user_id="anna")),
    "catch_up": lambda engine: engine.catch_up("x", user_id="anna"),
    "pending_work": lambda engine: engine.pending_work(user_id="anna"),
    "failed_work": lambda engine: engine.failed_work(user_id="anna"),
    "retry_failed": lambda engine: engine.retry_failed(user_id="anna"),
    "drop_failed": lambda engine: engine.drop_failed(user_id="anna"),
    "quarantined": lambda engine: engine.quarantined(user_id="anna"),
    "release": lambda engine: engine.release("x", user_id="anna"),
    "delete_source": lambda engine: engine.delete_source(user_id="anna", session_id="s"),
    "work_on": lambda engine: engine.work_on(["x"], user_id="anna"),
    "flush": lambda engine: engine.flush(),
    "chats": lambda engine: engine.chats(),
    "replies": lambda engine: engine.replies(),
    "store_now": lambda engine: engine.store_now(),
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench("sqlite", tmp_path) as opened:
        yield opened


def faulty(bench: EngineBench, **parts: Any) -> tuple[MemoryEngine, Faulty]:
    engine = bench.engine(documents=Faulty, **parts)
    documents: Any = engine._parts.documents
    return engine, documents


# --- opening


async def test_nothing_is_opened_before_the_first_call(bench: EngineBench) -> None:
    """A8"""
    engine, documents = faulty(bench)
    async with engine:
        assert not documents.calls
    assert documents.calls.keys() == {"aclose"}


async def test_many_first_calls_open_once(bench: EngineBench) -> None:
    """A8"""
    hashing = HashingEmbedder()
    embedder = Faulty(hashing)
    engine, documents = faulty(bench, embedder=embedder)
    stored = await asyncio.gather(*(engine.add(f"note {n}", user_id="anna") for n in range(CALLERS)))
    assert len({memory.id for memory in stored}) == CALLERS
    assert documents.calls["open"] == 1
    assert sum(map(len, hashing.calls)) == CALLERS
    assert embedder.calls["embed"] == 1 + len(hashing.calls), "the model was loaded once"


async def test_a_vector_store_is_opened_when_it_is_first_asked_and_once(bench: EngineBench) -> None:
    """A8"""
    vectors = Faulty(ReferenceVectors())
    engine = bench.engine(vectors=LazyVectors(vectors))
    await engine.add("note", user_id="anna", expires_at=None)
    await engine.search("note", user_id="anna", strategies=["keyword"])
    await asyncio.gather(*(engine.search("note", user_id="anna") for _ in range(CALLERS)))
    assert vectors.calls["open"] == 1


@pytest.mark.parametrize("step", ["open", "get_meta", "put_meta"])
async def test_a_failed_opening_is_told_to_all_and_tried_again_by_the_next(bench: EngineBench, step: str) -> None:
    """A8"""
    engine, documents = faulty(bench)
    documents.down(step)
    outcomes = await asyncio.gather(*(engine.list(user_id="anna") for _ in range(CALLERS)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert documents.calls["open"] == 1, "they do not queue up for one failure after the other"
    documents.repair()
    assert (await engine.list(user_id="anna")).items == ()
    assert documents.calls["open"] == 2


async def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(bench: EngineBench) -> None:
    embedder = Faulty(HashingEmbedder())
    engine = bench.engine(embedder=embedder)
    embedder.faults["embed"] = ConfigurationError("the extra is not installed")
    with pytest.raises(ConfigurationError, match="extra"):
        await engine.add("note", user_id="anna")
    embedder.repair()
    assert (await engine.add("note", user_id="anna")).content == "note"


async def test_whoever_gives_up_waiting_for_the_opening_leaves_the_others_alone(bench: EngineBench) -> None:
    engine, documents = faulty(bench)
    documents.hang("open")
    first = asyncio.create_task(engine.list(user_id="anna"))
    await documents.called.wait()
    second = asyncio.create_task(engine.list(user_id="anna"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    documents.repair()
    assert (await second).items == ()
    assert documents.calls["open"] == 1


async def test_a_search_keeps_its_deadline_while_the_stores_are_opened(bench: EngineBench) -> None:
    engine, documents = faulty(bench)
    documents.hang("open")
    began = time.monotonic()
    with pytest.raises(Timeout, match="deadline"):
        await engine.search("note", user_id="anna", deadline_ms=100)
    assert time.monotonic() - began < 0.4
    documents.repair()
    assert (await engine.search("note", user_id="anna")).items == ()
    assert documents.calls["open"] == 1


# --- closing


@pytest.mark.parametrize("opened", [True, False], ids=["opened", "never opened"])
async def test_a_closed_engine_says_so(bench: EngineBench, opened: bool) -> None:
    engine, documents = faulty(bench)
    if opened:
        await engine.add("note", user_id="anna")
    await engine.aclose()
    before = dict(documents.calls)
    for name, call in CALLS.items():
        with pytest.raises(EngineClosed, match="make a new one"):
            await call(engine)
        assert dict(documents.calls) == before, name
    await engine.aclose()


def test_every_public_method_is_asked_of_a_closed_engine() -> None:
    public = {name for name, _ in inspect.getmembers(MemoryEngine, inspect.isfunction) if not name.startswith("_")}
    without_stores = {"aclose", "attach", "consistency_token", "touched"}
    assert set(CALLS) == public - without_stores - {"feedback", "tune", "undo_tuning"}


async def test_closing_twice_at_once_is_harmless(bench: EngineBench) -> None:
    engine = bench.engine()
    await engine.add("note", user_id="anna")
    await asyncio.gather(engine.aclose(), engine.aclose())
    await engine.aclose()


async def test_closing_during_the_opening_ends_it_and_tells_those_who_wait(bench: EngineBench) -> None:
    engine, documents = faulty(bench)
    documents.hang("open")
    waiting = [asyncio.create_task(engine.list(user_id="anna")) for _ in range(3)]
    await documents.called.wait()
    await engine.aclose()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {EngineClosed}
    assert engine._background is None


async def test_closing_ends_background_work_that_hangs(bench: EngineBench) -> None:
    """The work stays due: the next engine does it."""
    embedder = Faulty(HashingEmbedder(local=False))
    embedder.hang("embed")
    engine = bench.engine(embedder=embedder)
    added = await engine.add("note", user_id="anna")
    await embedder.called.wait()
    async with asyncio.timeout(2):
        await engine.aclose()
    after = bench.engine(embedder=HashingEmbedder(local=False))
    await after.flush()
    assert (await after.get(added.id, user_id="anna")).index.state == "done"


async def test_closing_ends_work_that_loses_its_cancellation(bench: EngineBench) -> None:
    """As `asyncio.wait_for` of Python 3.11 does now and then, and PyMongo with it."""

    class Stubborn(HashingEmbedder):
        async def embed(self, texts: Any) -> Any:
            for _ in range(2 if texts else 0):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    working.set()
            return await super().embed(texts)

    working = asyncio.Event()
    engine = bench.engine(embedder=Stubborn(local=False))
    await engine.add("note", user_id="anna")
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await engine.aclose()
    assert working.is_set()


async def test_closing_closes_everything_though_one_part_cannot_be_closed(bench: EngineBench) -> None:
    class Unclosable(ReferenceVectors):
        async def aclose(self) -> None:
            raise Unavailable("cannot be closed")

    closed = Faulty(HashingEmbedder())
    engine, documents = faulty(bench, vectors=Unclosable(), embedder=closed)
    await engine.add("note", user_id="anna")
    with pytest.raises(Unavailable):
        await engine.aclose()
    assert (documents.calls["aclose"], closed.calls["aclose"]) == (1, 1)
    bench.forget(engine)


async def test_the_background_work_survives_what_nobody_foresaw(
    bench: EngineBench, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = Faulty(HashingEmbedder(local=False))
    embedder.faults["embed"] = RuntimeError("a mistake of ours")
    engine = bench.engine(embedder=embedder)
    first = await engine.add("note 1", user_id="anna")
    await embedder.called.wait()
    await engine.flush()
    assert "index.breaks" in caplog.messages
    embedder.repair()
    embedder.called.clear()
    bench.clock.advance(minutes=1)  # what failed is tried again later
    second = await engine.add("note 2", user_id="anna")
    async with asyncio.timeout(5):
        await embedder.called.wait()
    await engine.flush()
    states = [memory.index.state for memory in await engine.get_many([first.id, second.id], user_id="anna")]
    assert states == ["done", "done"]


# --- giving up


async def cancelled_after(steps: int, call: Any) -> Any:
    """Run `call` for so many turns of the loop, then cancel it; return its outcome."""
    task = asyncio.ensure_future(call)
    for _ in range(steps):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    return outcome


@pytest.mark.parametrize("fresh", [True, False], ids=["while it opens", "when it is open"])
async def test_a_call_that_is_given_up_anywhere_leaves_the_engine_usable(tmp_path: Path, fresh: bool) -> None:
    steps = [*range(12), *range(12, 60, 4)]
    async with open_bench("sqlite", tmp_path) as bench:
        engine = bench.engine(owner_index_staleness_s=0.0)  # a write that was given up counts as another process's
        for step in steps:
            if fresh:
                await engine.aclose()
                engine = bench.engine(owner_index_staleness_s=0.0)
            else:
                await engine.list(user_id="anna")
            for call in (
                engine.add(f"note {step}", user_id="anna", idempotency_key=f"k{step}"),
                engine.search("note", user_id="anna", filters={"speaker": {"ne": "Ben"}}),
            ):
                outcome = await cancelled_after(step, call)
                assert not isinstance(outcome, StoreError), outcome
            await engine.add(f"note {step}", user_id="anna", idempotency_key=f"k{step}")
            found = await engine.search(f"note {step}", user_id="anna", limit=1, strategies=["keyword"])
            assert contents(found) == [f"note {step}"]
            assert found.degraded == ()
        assert await count_of(engine) == len(steps)
        assert (await engine.delete_all(user_id="anna")).ok
        assert await engine._parts.vectors.count(ANNA) == 0
