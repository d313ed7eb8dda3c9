"""What bounds the search arms of SQLite for large owners, with small bounds: what is left out, and what never is."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from stores.records import EdgePattern, MemoryId
from stores.sqlite import graph, searching
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from stores.sqlite.rows import query
from stores.sqlite.statements import _sought
from tests.contracts.builders import ANNA, NOW, build_document, build_relation, named, words_of


class Bench(NamedTuple):
    documents: SqliteDocuments
    graph: SqliteGraph

    async def put(self, *texts: str) -> None:
        """Store the texts in order, with ascending ids; each word is an entity that the memory mentions."""
        documents = [
            build_document(text, id=named(n), relations=[build_relation("it", word) for word in words_of(text)])
            for n, text in enumerate(texts)
        ]
        await self.documents.put_many(documents, scope=ANNA, now=NOW)

    async def by_words(self, text: str, limit: int = 9, among: list[int] | None = None) -> list[int]:
        hits = await self.documents.keyword(words_of(text), text, scope=ANNA, limit=limit, among=_named(among), now=NOW)
        return [int(hit.id[-12:]) for hit in hits]

    async def by_entity(self, entity: str, among: list[int] | None = None) -> list[int]:
        hits = await self.graph.search([entity], scope=ANNA, limit=9, among=_named(among))
        return [int(hit.id[-12:]) for hit in hits]


def _named(numbers: list[int] | None) -> list[MemoryId] | None:
    return None if numbers is None else [named(n) for n in numbers]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(searching, "_MOST_READ", 4)
    monkeypatch.setattr(searching, "_RANKED", 2)
    monkeypatch.setattr(graph, "MOST_RELATIONS", 3)
    database = SqliteDatabase(tmp_path / "context0.db")
    documents = SqliteDocuments(database)
    await documents.open()
    yield Bench(documents, SqliteGraph(database))
    await documents.aclose()


async def test_the_rarest_words_propose_and_the_common_ones_rank(bench: Bench) -> None:
    await bench.put("rare", *["common"] * 9, "rare common", "rare")
    assert await bench.by_words("common rare") == [10, 0, 11]


async def test_of_a_word_that_all_have_the_newest_are_found(bench: Bench) -> None:
    await bench.put(*["common"] * 9)
    assert sorted(await bench.by_words("common")) == [5, 6, 7, 8]


async def test_of_one_common_word_and_another_those_with_both_come_first(bench: Bench) -> None:
    await bench.put(*["common"] * 9, "common frequent", *["frequent"] * 5, "common frequent")
    assert (await bench.by_words("common frequent"))[0] == 15


async def test_how_often_a_word_is_in_a_memory_ranks_those_that_hold_as_many(bench: Bench) -> None:
    await bench.put("tea", "tea tea")
    assert await bench.by_words("tea") == [1, 0]


async def test_more_than_are_ranked_at_a_time_are_found(bench: Bench) -> None:
    await bench.put("tea", "milk", "tea milk")
    assert await bench.by_words("tea milk") == [2, 0, 1]


async def test_deleted_memories_take_no_place(bench: Bench) -> None:
    await bench.put("tea", "tea", "tea")
    for n in (0, 1):
        await bench.documents.delete(named(n), scope=ANNA, now=NOW)
    assert await bench.by_words("tea", limit=1) == [2]


@pytest.mark.parametrize(("few", "many"), [(2_000, 20_000), (0, 20_000), (0, 1)])
async def test_a_search_narrowed_to_few_many_or_very_many_leaves_nothing_out(
    few: int, many: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_FEW", few)
    monkeypatch.setattr(searching, "MANY", many)
    await bench.put("common frequent", *["common"] * 9, "rare")
    assert await bench.by_words("common rare", among=[0, 1, 5]) == [0, 1, 5]
    assert await bench.by_entity("common", among=[0, 1, 5]) == [0, 1, 5]


async def test_narrowed_to_very_many_what_is_best_of_all_is_found_among_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_FEW", 0)
    monkeypatch.setattr(searching, "MANY", 1)
    await bench.put("rare", *["common"] * 9, "rare common", "rare")
    assert await bench.by_words("common rare", among=[0, 1, 2, 11], limit=2) == [0, 11]
    assert await bench.by_words("common rare", among=[0, 1, 2, 11], limit=3) == [0, 11, 1], "one more than the best"


async def test_of_an_entity_the_newest_relations_are_looked_at(bench: Bench) -> None:
    await bench.put(*["munich"] * 5, "graz")
    assert await bench.by_entity("munich") == [2, 3, 4]


async def test_an_entity_of_many_narrowed_to_many_leaves_nothing_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "MANY", 1)
    await bench.put(*["munich"] * 5)
    assert await bench.by_entity("munich", among=[0, 1]) == [0, 1]


async def test_what_a_fact_may_end_is_sought_down_to_its_target_or_its_end(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "context0.db")
    await database.open()
    open_ones, ended = _sought(EdgePattern("self", "likes", "tea"), 0)
    for sought, index in (
        (open_ones, "relations_stated (owner_no=? AND source=? AND relation=? AND target=?)"),
        (ended, "relations_over (owner_no=? AND source=? AND relation=? AND <expr>>?)"),
    ):
        explain = f"EXPLAIN QUERY PLAN {sought.format(wanted='wanted')}"
        plan = await database.read(partial(query, sql=explain, values={"wanted": "[]", "owner": 1, "since": 0}))
        assert index in plan[-1][-1]
    await database.aclose()
