"""Adds at the same time share their work: each has its own outcome, as if it had been alone."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import pytest

from context0.embeddings.protocol import FloatMatrix
from context0.errors import EmbeddingInvalid, InvalidInput
from context0.memory.engine import MemoryEngine
from stores.errors import Conflict, Unavailable
from stores.records import Memory
from tests.engine_bench import EngineBench, Faulty, HashingEmbedder, contents, ids

CALLERS: Final = 40
SAID: Final = [
    "I live in Munich",
    "I work as a nurse",
    "Ben plays the violin",
    "We went to the lake on Sunday",
    "I'm allergic to nuts",
]


class Picky(HashingEmbedder):
    """Refuses a call with a text that it does not like."""

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        if any("unspeakable" in text for text in texts):
            raise EmbeddingInvalid("a text is refused")
        return await super().embed(texts)


def faulty(bench: EngineBench, **parts: Any) -> tuple[MemoryEngine, Faulty]:
    engine = bench.engine(documents=Faulty, **parts)
    documents: Any = engine._parts.documents
    return engine, documents


async def together(engine: MemoryEngine, texts: Sequence[str], user_id: str = "anna") -> list[Any]:
    adds = (engine.add(text, user_id=user_id) for text in texts)
    return await asyncio.gather(*adds, return_exceptions=True)


async def test_forty_adds_of_a_user_are_few_calls(bench: EngineBench) -> None:
    """B4, B6"""
    engine, documents = faulty(bench)
    await engine.list(user_id="anna")
    stored = await together(engine, [f"note {n}" for n in range(CALLERS)])
    assert contents(stored) == [f"note {n}" for n in range(CALLERS)]
    assert len(bench.embedder.calls) <= 5
    assert documents.calls["put_many"] <= 5
    assert sorted(contents(await engine.list(user_id="anna", limit=100))) == sorted(contents(stored))


async def test_what_is_told_together_is_what_is_told_one_by_one(bench: EngineBench) -> None:
    """Facts, words, names and vectors too; and every user has their own."""
    engine = bench.engine()
    users = [f"user {n}" for n in range(8)]
    told = await asyncio.gather(*(engine.add(text, user_id=user) for text in SAID for user in users))
    alone = [await engine.add(text, user_id="alone") for text in SAID]
    for user in users:
        own = [memory for memory in told if memory.user_id == user]
        assert contents(own) == SAID
        assert [memory.entities for memory in own] == [memory.entities for memory in alone]
        listed = await engine.list(user_id=user)
        assert sorted(contents(listed)) == sorted(SAID)
        facts = {(fact.relation, fact.object) for fact in await engine.facts(user_id=user)}
        assert facts == {(fact.relation, fact.object) for fact in await engine.facts(user_id="alone")}
        for strategies in (["keyword"], ["semantic"], ["entity"]):
            found = await engine.search("Ben violin", user_id=user, strategies=strategies, limit=1)
            assert contents(found) == ["Ben plays the violin"], strategies


async def test_a_newer_fact_told_beside_others_ends_the_older_one(engine: MemoryEngine) -> None:
    await engine.add("I live in Munich", user_id="anna")
    await together(engine, [*SAID[1:], "I moved to Graz", *(f"note {n}" for n in range(20))])
    held = {fact.object for fact in await engine.facts(user_id="anna") if fact.relation == "lives_in"}
    open_now = [
        fact.object
        for fact in await engine.facts(user_id="anna")
        if fact.relation == "lives_in" and fact.invalid_at is None
    ]
    assert (held, open_now) == ({"munich", "graz"}, ["graz"])


async def test_a_bad_one_fails_alone(bench: EngineBench) -> None:
    engine = bench.engine(embedder=Picky())
    await engine.list(user_id="anna")
    texts: list[Any] = [f"note {n}" for n in range(10)]
    texts[3], texts[7] = "unspeakable", 5
    outcomes = await together(engine, texts)
    assert isinstance(outcomes[3], EmbeddingInvalid)
    assert isinstance(outcomes[7], InvalidInput)
    stored = [outcome for outcome in outcomes if isinstance(outcome, Memory)]
    assert len(stored) == 8
    assert sorted(ids((await engine.list(user_id="anna")).items)) == sorted(ids(stored))


async def test_a_conflict_of_all_is_met_by_each_alone(bench: EngineBench) -> None:
    engine, documents = faulty(bench)
    await engine.list(user_id="anna")

    async def once_refused() -> None:
        if documents.calls["put_many"] == 2:
            raise Conflict("written by another")

    documents.before["put_many"] = once_refused
    stored = await together(engine, [f"note {n}" for n in range(10)])
    assert contents(stored) == [f"note {n}" for n in range(10)]
    assert sorted(contents(await engine.list(user_id="anna"))) == sorted(contents(stored))


async def test_a_store_that_is_down_is_told_to_all(bench: EngineBench) -> None:
    """D8"""
    engine, documents = faulty(bench)
    await engine.list(user_id="anna")
    documents.down("put_many")
    outcomes = await together(engine, [f"note {n}" for n in range(CALLERS)])
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    documents.repair()
    assert contents(await together(engine, ["note"])) == ["note"]
    assert contents(await engine.list(user_id="anna")) == ["note"]


async def test_who_is_cancelled_takes_nobody_along(bench: EngineBench) -> None:
    """A call that is cancelled at any moment leaves the others' memories whole, each there once."""
    engine = bench.engine(documents=Faulty)
    await engine.list(user_id="anna")
    for moment in range(12):
        adds = [asyncio.create_task(engine.add(f"note {moment} {n}", user_id="anna")) for n in range(8)]
        for _ in range(moment):
            await asyncio.sleep(0)
        adds[0].cancel()
        adds[5].cancel()
        outcomes = await asyncio.gather(*adds, return_exceptions=True)
        others = [outcome for n, outcome in enumerate(outcomes) if n not in (0, 5)]
        assert contents(others) == [f"note {moment} {n}" for n in range(8) if n not in (0, 5)]
        assert await engine.get_many(ids(others), user_id="anna") == others
    everything = contents(await engine.list(user_id="anna", limit=1_000))
    assert len(everything) == len(set(everything))


async def test_closing_waits_for_what_is_under_way(bench: EngineBench) -> None:
    """D4"""
    engine = bench.engine(documents=Faulty)
    bench.forget(engine)
    await engine.list(user_id="anna")
    adds = [asyncio.create_task(engine.add(f"note {n}", user_id="anna")) for n in range(8)]
    for _ in range(3):
        await asyncio.sleep(0)
    await engine.aclose()
    outcomes = await asyncio.gather(*adds, return_exceptions=True)
    told = [outcome for outcome in outcomes if isinstance(outcome, Memory)]
    again = bench.engine()
    if bench.name != "reference":
        assert await again.get_many(ids(told), user_id="anna") == told
    assert not [task for task in asyncio.all_tasks() if (task.get_name() or "").startswith("context0-add")]


@pytest.mark.parametrize("erased", ["anna", "ben"])
async def test_who_is_erased_meanwhile_gets_nothing(bench: EngineBench, erased: str) -> None:
    """S17: an add that began before the erasure does not put anything back."""
    engine, documents = faulty(bench)
    await engine.list(user_id="anna")
    adds = [asyncio.create_task(engine.add(f"note {n}", user_id=user)) for n in range(4) for user in ("anna", "ben")]

    async def first_the_erasure() -> None:
        documents.before.clear()
        await engine.delete_all(user_id=erased)

    documents.before["put_many"] = first_the_erasure
    await asyncio.gather(*adds, return_exceptions=True)
    kept = {user: len((await engine.list(user_id=user)).items) for user in ("anna", "ben")}
    assert kept == {"anna": 4, "ben": 4} | {erased: 0}
