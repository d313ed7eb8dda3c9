"""What the engine answers while something behind it is down, slow or wrong: no empty answer, no lost write."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from context0.embeddings.validated import Validated
from context0.errors import EmbeddingInvalid, EmbeddingModelMismatch, EmbeddingUnavailable, SearchUnavailable
from context0.memory.engine import MemoryEngine
from context0.memory.lazy_vectors import LazyVectors
from context0.memory.parts import Limits
from stores.errors import StoreError, Timeout, Unavailable
from stores.records import Scope
from stores.reference.vectors import ReferenceVectors
from tests.contracts.builders import ANNA, NOW, rows_of
from tests.engine_bench import DIMENSION, REGIMES, EngineBench, Faulty, HashingEmbedder, contents, many, open_bench
from tests.scripted_embedder import ScriptedEmbedder
from tests.scripted_embedder import rows_of as scripted_rows

MAX_ATTEMPTS: Final = Limits().index_max_attempts
DOWN: Final = EmbeddingUnavailable("the provider is down")
QUESTION: Final = "Where does Anna live?"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench("sqlite", tmp_path) as opened:
        yield opened


@pytest.fixture
def embedder() -> Faulty:
    """A remote embedder."""
    return Faulty(HashingEmbedder(local=False))


def both_regimes(function: Callable[..., Any]) -> Any:
    return pytest.mark.parametrize("limits", REGIMES.values(), ids=REGIMES)(function)


# --- the embedder


@both_regimes
async def test_without_embeddings_the_other_arms_answer_and_nothing_is_lost(
    bench: EngineBench, embedder: Faulty, limits: Any
) -> None:
    """A5, B4: an add is acknowledged, found by its words at once, and by its meaning once it could be embedded."""
    engine = bench.engine(embedder=embedder, **limits)
    embedder.faults["embed"] = DOWN
    added = await engine.add("Anna lives in Munich", user_id="anna")
    assert added.index.state == "pending"
    found = await engine.search(QUESTION, user_id="anna")
    assert (contents(found), found.degraded) == (["Anna lives in Munich"], ("semantic",))
    assert "keyword" in found.items[0].arms
    await engine.flush()
    assert (await engine.get(added.id, user_id="anna")).index.state == "pending"

    embedder.repair()
    assert await engine.flush() == 0, "it is not due yet"
    bench.clock.advance(minutes=1)
    assert await engine.flush() == 1
    assert (await engine.get(added.id, user_id="anna")).index.state == "done"
    found = await engine.search(QUESTION, user_id="anna", strategies=["semantic"])
    assert (contents(found), found.degraded) == (["Anna lives in Munich"], ())


@both_regimes
async def test_an_embedder_that_hangs_costs_the_deadline_and_no_answer(
    bench: EngineBench, embedder: Faulty, limits: Any
) -> None:
    engine = bench.engine(embedder=embedder, **limits)
    embedder.hang("embed")
    await engine.add("Anna lives in Munich", user_id="anna")
    began = time.monotonic()
    found = await engine.search(QUESTION, user_id="anna", deadline_ms=500, explain=True)
    assert time.monotonic() - began < 0.8
    assert (contents(found), found.degraded) == (["Anna lives in Munich"], ("semantic",))
    assert found.explanation["failures"] == {"semantic": "deadline"}


async def test_a_question_about_a_time_is_answered_without_embeddings(bench: EngineBench, embedder: Faulty) -> None:
    """What the arms that are left have found is not too irrelevant to be told."""
    engine = bench.engine(embedder=embedder)
    yesterday = NOW - timedelta(days=1)
    await engine.add_many([{"content": "Anna sang", "occurred_at": yesterday}, *many(200)], user_id="anna")
    embedder.faults["embed"] = DOWN
    found = await engine.search("what happened yesterday?", user_id="anna", limit=1)
    assert (contents(found), found.degraded) == (["Anna sang"], ("semantic",))


async def test_an_outage_of_any_length_only_puts_the_work_off(bench: EngineBench, embedder: Faulty) -> None:
    engine = bench.engine(embedder=embedder)
    embedder.faults["embed"] = DOWN
    added = await engine.add("Anna lives in Munich", user_id="anna")
    for _ in range(3 * MAX_ATTEMPTS):
        bench.clock.advance(minutes=11)
        await engine.flush()
    assert embedder.calls["embed"] >= 3 * MAX_ATTEMPTS
    embedder.repair()
    bench.clock.advance(minutes=11)
    await engine.flush()
    assert (await engine.get(added.id, user_id="anna")).index.state == "done"


async def test_a_text_that_the_embedder_refuses_spoils_no_other(bench: EngineBench) -> None:
    class Choosy(HashingEmbedder):
        async def embed(self, texts: Any) -> Any:
            if any("poison" in text for text in texts):
                raise EmbeddingInvalid("one of the texts is too long")
            return await super().embed(texts)

    engine = bench.engine(embedder=Choosy(local=False))
    stored = await engine.add_many([*many(20), {"content": "note of poison"}, *many(20, "more {n}")], user_id="anna")
    await engine.flush()
    states = [memory.index.state for memory in await engine.get_many([each.id for each in stored], user_id="anna")]
    assert [n for n, state in enumerate(states) if state != "done"] == [20]
    for _ in range(MAX_ATTEMPTS):
        bench.clock.advance(minutes=11)
        await engine.flush()
    assert (await engine.get(stored[20].id, user_id="anna")).index.state == "failed"
    assert "note of poison" in contents(await engine.search("poison", user_id="anna"))


async def test_an_add_that_needs_no_network_is_refused_whole_when_it_cannot_be_embedded(bench: EngineBench) -> None:
    local = Faulty(HashingEmbedder())
    engine = bench.engine(embedder=local)
    kept = await engine.add("note", user_id="anna")
    local.faults["embed"] = DOWN
    with pytest.raises(EmbeddingUnavailable):
        await engine.add_many(many(3), user_id="anna")
    with pytest.raises(EmbeddingUnavailable):
        await engine.update(kept.id, user_id="anna", content="changed")
    assert (await engine.list(user_id="anna")).items == (kept,)


UNUSABLE: Final[dict[str, Callable[[Any], Any]]] = {
    "NaN": lambda texts: scripted_rows(texts) * np.float32("nan"),
    "infinite": lambda texts: scripted_rows(texts) * np.float32("inf"),
    "zero": lambda texts: scripted_rows(texts) * 0,
    "too short": lambda texts: scripted_rows(texts)[:, :3],
    "too few": lambda texts: scripted_rows(texts)[:0],
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_unusable_vectors_are_never_stored(bench: EngineBench, name: str) -> None:
    scripted = ScriptedEmbedder()
    engine = bench.engine(embedder=Validated(scripted))
    first = await engine.add("note 1", user_id="anna", wait=True)
    assert (await engine.get(first.id, user_id="anna")).index.state == "done"
    scripted.answer = UNUSABLE[name]
    second = await engine.add("note 2", user_id="anna", wait=True)
    assert (await engine.get(second.id, user_id="anna")).index.state == "pending"
    vectors = {row.id: row.embedding for row in await rows_of(engine._parts.documents, scope=ANNA)}
    assert vectors[second.id] is None
    assert vectors[first.id] is not None
    found = await engine.search("note", user_id="anna")
    assert sorted(contents(found)) == ["note 1", "note 2"]
    assert found.degraded == ("semantic",)
    scripted.answer = scripted_rows
    bench.clock.advance(minutes=1)
    await engine.flush()
    assert (await engine.get(second.id, user_id="anna")).index.state == "done"


@pytest.mark.parametrize("name", UNUSABLE)
async def test_unusable_vectors_made_here_refuse_the_add(bench: EngineBench, name: str) -> None:
    scripted = ScriptedEmbedder(local=True)
    engine = bench.engine(embedder=Validated(scripted))
    await engine.add("note 1", user_id="anna")
    scripted.answer = UNUSABLE[name]
    with pytest.raises(EmbeddingInvalid):
        await engine.add("note 2", user_id="anna")
    assert contents(await engine.list(user_id="anna")) == ["note 1"]


# --- another model


@pytest.mark.parametrize("local", [True, False], ids=["local", "remote"])
async def test_another_model_is_refused_by_name_and_what_needs_none_goes_on(bench: EngineBench, local: bool) -> None:
    before = bench.engine()
    kept = await before.add("Anna lives in Munich", user_id="anna")
    await before.aclose()
    engine = bench.engine(embedder=HashingEmbedder(local=local, model="other/64"))
    for call in (
        lambda: engine.add("note", user_id="anna"),
        lambda: engine.add_many(many(20), user_id="anna"),
        lambda: engine.update(kept.id, user_id="anna", content="changed"),
        lambda: engine.search("Munich", user_id="anna"),
        lambda: engine.search("Munich", user_id="nobody", strategies=["semantic"]),
    ):
        with pytest.raises(EmbeddingModelMismatch, match="context0 reindex") as caught:
            await call()
        assert caught.value.stored == f"hashing/64 ({DIMENSION} dimensions)"
    assert (await engine.list(user_id="anna")).items == (kept,)
    assert contents(await engine.search("Munich", user_id="anna", strategies=["keyword", "entity"])) == [kept.content]
    await engine.delete(kept.id, user_id="anna")
    assert (await engine.delete_all(user_id="anna")).ok


async def test_the_first_vector_of_another_process_settles_the_model(bench: EngineBench) -> None:
    """Vectors of two models are not compared, though both processes opened an empty store."""
    ours = bench.engine(embedder=HashingEmbedder(model="other/64"))
    theirs = bench.engine()
    assert (await ours.search("Munich", user_id="anna")).items == ()
    await theirs.add("Anna lives in Munich", user_id="anna")
    with pytest.raises(EmbeddingModelMismatch):
        await ours.search("Munich", user_id="anna")
    with pytest.raises(EmbeddingModelMismatch):
        await ours.add("note", user_id="anna")
    assert contents(await theirs.list(user_id="anna")) == ["Anna lives in Munich"]


# --- arms


async def test_when_every_arm_fails_the_search_does_too(bench: EngineBench, embedder: Faulty) -> None:
    """A5: never an empty answer."""
    documents = bench.engine(embedder=embedder)
    await documents.add("Anna lives in Munich", user_id="anna")
    embedder.faults["embed"] = DOWN
    with pytest.raises(SearchUnavailable) as caught:
        await documents.search(QUESTION, user_id="anna", strategies=["semantic"])
    assert caught.value.failures == {"semantic": "embedding_unavailable"}

    engine, store, graph = large(bench, embedder)
    store.down("keyword", "temporal")
    graph.down("search")
    with pytest.raises(SearchUnavailable) as caught:
        await engine.search("Was Anna in Munich yesterday?", user_id="anna")
    down = "store_unavailable"
    others = {"keyword": down, "entity": down, "temporal": down}
    assert caught.value.failures == {"semantic": "embedding_unavailable"} | others


def large(bench: EngineBench, embedder: Any = None) -> tuple[MemoryEngine, Faulty, Faulty]:
    """Return an engine that asks the stores' own arms, with its document store and its graph."""
    engine = bench.engine(documents=Faulty, graph=Faulty, embedder=embedder, owner_index_max_memories=0)
    documents: Any = engine._parts.documents
    graph: Any = engine._parts.graph
    return engine, documents, graph


@pytest.mark.parametrize("fault", ["down", "hang"])
@pytest.mark.parametrize(("arm", "method"), [("keyword", "keyword"), ("temporal", "temporal"), ("entity", "search")])
async def test_one_arm_that_fails_is_named_and_the_others_answer(
    bench: EngineBench, arm: str, method: str, fault: str
) -> None:
    """A5"""
    engine, documents, graph = large(bench)
    await engine.add("Anna was in Munich", user_id="anna", occurred_at=NOW - timedelta(days=1))
    getattr(graph if arm == "entity" else documents, fault)(method)
    found = await engine.search("Was Anna in Munich yesterday?", user_id="anna", deadline_ms=500)
    assert (contents(found), found.degraded) == (["Anna was in Munich"], (arm,))
    assert set(found.items[0].arms) == {"semantic", "keyword", "entity", "temporal"} - {arm}


# --- the documents


@both_regimes
@pytest.mark.parametrize("method", ["get_many", "match", "scan", "count"])
async def test_a_search_that_cannot_read_the_documents_fails_in_time(
    bench: EngineBench, limits: Any, method: str
) -> None:
    engine = bench.engine(documents=Faulty, **limits)
    documents: Any = engine._parts.documents
    await engine.add("Anna lives in Munich", user_id="anna")
    narrowed: dict[str, Any] = {"filters": {"speaker": {"ne": "Ben"}}} if method == "match" else {}
    documents.down(method)
    called = False
    for error, faults in ((Unavailable, documents.faults), (Timeout, {method: "hang"})):
        documents.faults = faults
        before, began = documents.calls[method], time.monotonic()
        try:
            found = await engine.search(QUESTION, user_id="anna", deadline_ms=300, **narrowed)
        except error as exc:
            assert type(exc) is error
        else:
            assert found.degraded or documents.calls[method] == before
            assert contents(found) == ["Anna lives in Munich"]
        called = called or documents.calls[method] > before
        assert time.monotonic() - began < 0.6
    documents.repair()
    assert contents(await engine.search(QUESTION, user_id="anna")) == ["Anna lives in Munich"]
    assert called or limits, "the owner index is made of what all of these return"


async def test_every_call_says_that_the_documents_are_down(bench: EngineBench) -> None:
    engine = bench.engine(documents=Faulty)
    documents: Any = engine._parts.documents
    kept = await engine.add("Anna lives in Munich", user_id="anna")
    documents.down()
    for call in (
        lambda: engine.add("note", user_id="anna"),
        lambda: engine.add_many(many(2), user_id="anna"),
        lambda: engine.get(kept.id, user_id="anna"),
        lambda: engine.get_many([kept.id], user_id="anna"),
        lambda: engine.list(user_id="anna"),
        lambda: engine.search(QUESTION, user_id="anna"),
        lambda: engine.update(kept.id, user_id="anna", content="changed"),
        lambda: engine.delete(kept.id, user_id="anna"),
        lambda: engine.delete_all(user_id="anna"),
        lambda: engine.history(kept.id, user_id="anna"),
        engine.flush,
    ):
        with pytest.raises(Unavailable):
            await call()
    documents.repair()
    assert (await engine.list(user_id="anna")).items == (kept,)


# --- the vectors


async def test_a_vector_store_that_cannot_be_opened_fails_its_arm_only(bench: EngineBench) -> None:
    """A5, A8"""
    vectors = Faulty(ReferenceVectors())
    vectors.down("open")
    engine = bench.engine(vectors=LazyVectors(vectors))
    added = await engine.add("Anna lives in Munich", user_id="anna", wait=True)
    found = await engine.search(QUESTION, user_id="anna")
    assert (contents(found), found.degraded) == (["Anna lives in Munich"], ("semantic",))
    gone = await engine.add("gone", user_id="anna")
    await engine.delete(gone.id, user_id="anna")
    assert contents(await engine.list(user_id="anna")) == ["Anna lives in Munich"]
    assert vectors.calls.keys() == {"open"}

    vectors.repair()
    bench.clock.advance(minutes=1)
    await engine.flush()
    found = await engine.search(QUESTION, user_id="anna", strategies=["semantic"])
    assert (contents(found), found.degraded) == (["Anna lives in Munich"], ())
    assert (await engine.get(added.id, user_id="anna")).index.state == "done"
    assert await vectors.count(ANNA) == 1


async def test_a_receipt_with_a_failed_store_is_not_ok_and_the_next_one_finishes(bench: EngineBench) -> None:
    vectors = Faulty(ReferenceVectors())
    engine = bench.engine(vectors=LazyVectors(vectors))
    await engine.add_many(many(3), user_id="anna", wait=True)
    await engine.add_many(many(2), user_id="ben", wait=True)
    for method in ("erase", "count"):
        vectors.down(method)
        receipt = await engine.delete_all(user_id="anna")
        assert [store.store for store in receipt.stores if not store.ok] == ["reference"]
        assert not receipt.ok
        assert "the store is down" in str(receipt.stores[1].error)
        assert (await engine.list(user_id="anna")).items == ()
        vectors.repair()
    receipt = await engine.delete_all(user_id="anna")
    assert receipt.ok
    assert (await vectors.count(ANNA), await vectors.count(Scope(owner="ben"))) == (0, 2)


async def test_a_failed_erasure_of_the_documents_is_an_error_and_can_be_repeated(bench: EngineBench) -> None:
    engine = bench.engine(documents=Faulty)
    documents: Any = engine._parts.documents
    await engine.add_many(many(3), user_id="anna")
    for method in ("erase", "count"):
        documents.down(method)
        with pytest.raises(StoreError):
            await engine.delete_all(user_id="anna")
        documents.repair()
    receipt = await engine.delete_all(user_id="anna")
    assert receipt.ok
    assert (await engine.list(user_id="anna")).items == ()
