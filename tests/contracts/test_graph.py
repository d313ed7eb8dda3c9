"""GraphStore: relations, hops, degrees, times, owners."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from stores.protocols import GraphStore
from stores.records import Document, Hit, Scope
from tests.contracts.backends import DocumentBench
from tests.contracts.builders import (
    ANNA,
    BEN,
    NOW,
    PAST,
    build_document,
    build_relation,
    ids_of,
    named,
    new_id,
)
from tests.contracts.introspection import methods_taking, probes_in

DAY = timedelta(days=1)
STRANGER = Scope(owner="stranger")


def build_graph(*edges: Sequence[str], scope: Scope = ANNA, at: datetime = PAST) -> list[Document]:
    """Return one memory for each edge, with ascending ids and times: ("anna", "munich") or with more ends in pairs."""
    return [
        build_document(
            f"edge {n}",
            scope=scope,
            id=named(n),
            at=at + n * DAY,
            relations=[build_relation(*ends[i : i + 2], at=at + n * DAY) for i in range(0, len(ends), 2)],
        )
        for n, ends in enumerate(edges)
    ]


def numbers_of(hits: list[Hit]) -> list[int]:
    return [int(hit.id[-12:]) for hit in hits]


def share(degree: int) -> float:
    return 1 / math.log2(2 + degree)


# --- search


async def test_one_hop_finds_memories_that_touch_an_asked_entity_from_either_side(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich"), ("ben", "anna"), ("ben", "graz"), ("carl", "carl")), ANNA)
    assert set(numbers_of(await graph.graph.search(["anna"], scope=ANNA, limit=9))) == {0, 1}
    assert numbers_of(await graph.graph.search(["carl"], scope=ANNA, limit=9)) == [3]
    assert set(numbers_of(await graph.graph.search({"munich", "graz"}, scope=ANNA, limit=9))) == {0, 2}
    assert await graph.graph.search(["nobody"], scope=ANNA, limit=9) == []
    assert await graph.graph.search([], scope=ANNA, limit=9) == []
    assert await graph.graph.search([], scope=ANNA, hops=2, limit=9) == []


async def test_a_relation_adds_less_the_more_relations_its_entity_has(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich"), ("anna", "ben"), ("anna", "carl"), ("graz", "dora")), ANNA)
    hits = dict(await graph.graph.search(["anna", "graz"], scope=ANNA, limit=9))
    assert hits == pytest.approx({named(0): share(3), named(1): share(3), named(2): share(3), named(3): share(1)})


async def test_the_relations_of_one_memory_add_up(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich", "anna", "ben"), ("anna", "carl")), ANNA)
    hits = await graph.graph.search(["anna"], scope=ANNA, limit=9)
    assert numbers_of(hits) == [0, 1]
    assert [hit.score for hit in hits] == pytest.approx([2 * share(3), share(3)])


async def test_a_relation_between_two_asked_entities_adds_for_both(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich"), ("anna", "ben")), ANNA)
    hits = await graph.graph.search(["anna", "munich"], scope=ANNA, limit=9)
    assert numbers_of(hits) == [0, 1]
    assert [hit.score for hit in hits] == pytest.approx([share(2) + share(1), share(2)])


async def test_the_second_hop_finds_what_touches_a_neighbour_for_half(graph: DocumentBench) -> None:
    edges = (("anna", "munich"), ("munich", "ben"), ("carl", "munich"), ("ben", "graz"))
    await graph.put(build_graph(*edges), ANNA)
    assert numbers_of(await graph.graph.search(["anna"], scope=ANNA, limit=9)) == [0]
    hits = dict(await graph.graph.search(["anna"], scope=ANNA, hops=2, limit=9))
    assert hits == pytest.approx({named(0): share(1), named(1): share(3) / 2, named(2): share(3) / 2})


async def test_a_relation_counts_in_the_nearest_hop_only(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich"), ("anna", "ben"), ("ben", "munich")), ANNA)
    hits = dict(await graph.graph.search(["anna"], scope=ANNA, hops=2, limit=9))
    assert hits == pytest.approx({named(0): share(2), named(1): share(2), named(2): share(2)})


async def test_equal_scores_come_by_ascending_id_and_the_limit_cuts_behind_them(graph: DocumentBench) -> None:
    documents = build_graph(*(("anna", f"friend {n}") for n in range(10)))
    await graph.put(documents[::-1], ANNA)
    assert numbers_of(await graph.graph.search(["anna"], scope=ANNA, limit=99)) == list(range(10))
    assert numbers_of(await graph.graph.search(["anna"], scope=ANNA, limit=4)) == [0, 1, 2, 3]


async def test_among_applies_before_the_limit(graph: DocumentBench) -> None:
    await graph.put(build_graph(*(("anna", f"friend {n}") for n in range(10))), ANNA)
    among = {named(7), named(5), new_id()}
    assert numbers_of(await graph.graph.search(["anna"], scope=ANNA, limit=1, among=among)) == [5]
    assert numbers_of(await graph.graph.search(["anna"], scope=ANNA, limit=9, among=list(among))) == [5, 7]
    assert await graph.graph.search(["anna"], scope=ANNA, limit=9, among=frozenset()) == []


@pytest.mark.parametrize("hops", [1, 2])
async def test_as_of_a_time_only_the_relations_valid_then_are_seen(graph: DocumentBench, hops: int) -> None:
    spans = {0: (None, None), 1: (PAST, None), 2: (None, PAST), 3: (PAST, PAST + DAY), 4: (PAST + DAY, None)}
    documents = [
        build_document(id=named(n), relations=[build_relation("anna", f"place {n}", valid_from=start, invalid_at=end)])
        for n, (start, end) in spans.items()
    ]
    await graph.put(documents, ANNA)

    async def valid(moment: datetime | None) -> list[int]:
        return sorted(numbers_of(await graph.graph.search(["anna"], scope=ANNA, hops=hops, limit=9, as_of=moment)))

    assert await valid(None) == [0, 1, 2, 3, 4]
    assert await valid(PAST - DAY) == [0, 2]
    assert await valid(PAST) == [0, 1, 3]
    assert await valid(PAST + DAY) == [0, 1, 4]


async def test_a_degree_counts_only_the_relations_found(graph: DocumentBench) -> None:
    relations = [build_relation("anna", "now"), build_relation("anna", "then", invalid_at=PAST)]
    await graph.put([build_document(id=named(0), relations=relations)], ANNA)
    [hit] = await graph.graph.search(["anna"], scope=ANNA, limit=9, as_of=NOW)
    assert hit.score == pytest.approx(share(1))


async def test_a_retired_relation_is_known_no_more(graph: DocumentBench) -> None:
    await graph.put([build_document(relations=[build_relation("anna", "munich", retired_at=PAST)])], ANNA)
    assert await graph.graph.search(["anna"], scope=ANNA, limit=9) == []
    assert await graph.graph.relations("anna", scope=ANNA, limit=9) == []


HOSTILE_ENTITIES = (
    "$where",
    "a.b",
    "%",
    "_",
    "'",
    '"',
    "*",
    "NEAR(",
    "👩‍👩‍👧",
    "שלום",
    "e\u0301",
    "two\nlines",
    "Anna",
    " ",
)


@pytest.mark.parametrize("entity", HOSTILE_ENTITIES)
async def test_an_entity_is_only_ever_itself(graph: DocumentBench, entity: str) -> None:
    await graph.put(build_graph((entity, "x"), ("anna", "aXb"), ("a_b", "é")), ANNA)
    assert numbers_of(await graph.graph.search([entity], scope=ANNA, limit=9)) == [0]
    assert await graph.graph.relations(entity, scope=ANNA, limit=9) == [(named(0), entity, "knows", "x")]


# --- put_many, delete_many


async def test_writing_again_replaces_the_relations_of_the_memory(graph: DocumentBench) -> None:
    first, other = build_graph(("anna", "munich"), ("anna", "ben"))
    await graph.put([first, other], ANNA)
    changed = build_document(id=first.memory.id, relations=[build_relation("anna", "graz")])
    for _ in range(2):
        await graph.graph.put_many([changed], scope=ANNA)
        assert await graph.graph.search(["munich"], scope=ANNA, limit=9) == []
        assert ids_of(await graph.graph.search(["graz"], scope=ANNA, limit=9)) == [first.memory.id]
        assert await graph.graph.count(ANNA) == 2
    await graph.graph.put_many([build_document(id=first.memory.id)], scope=ANNA)
    assert await graph.graph.count(ANNA) == 1


async def test_deleting_removes_the_relations_of_these_memories_only(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich"), ("anna", "ben", "ben", "graz"), ("anna", "carl")), ANNA)
    await graph.graph.delete_many([named(1), new_id()], scope=ANNA)
    assert numbers_of(await graph.graph.search(["anna"], scope=ANNA, limit=9)) == [0, 2]
    assert await graph.graph.search(["graz"], scope=ANNA, limit=9) == []
    assert await graph.graph.count(ANNA) == 2
    await graph.graph.delete_many([named(1)], scope=ANNA)
    await graph.graph.delete_many([], scope=ANNA)
    assert await graph.graph.count(ANNA) == 2


# --- relations, erase, count, aclose


async def test_relations_of_an_entity_come_newest_memory_first(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich"), ("ben", "anna"), ("ben", "graz"), ("anna", "carl")), ANNA)
    newest = [
        (named(3), "anna", "knows", "carl"),
        (named(1), "ben", "knows", "anna"),
        (named(0), "anna", "knows", "munich"),
    ]
    assert await graph.graph.relations("anna", scope=ANNA, limit=9) == newest
    assert await graph.graph.relations("anna", scope=ANNA, limit=2) == newest[:2]
    assert await graph.graph.relations("nobody", scope=ANNA, limit=2) == []


async def test_an_erasure_removes_the_owner_s_relations_and_says_how_many(graph: DocumentBench) -> None:
    await graph.put(build_graph(("anna", "munich", "anna", "ben"), ("anna", "carl")), ANNA)
    his = build_document(scope=BEN, relations=[build_relation("anna", "ben")])
    await graph.put([his], BEN)
    assert await graph.graph.count(ANNA) == 3
    assert await graph.graph.erase(ANNA) == 3
    assert await graph.graph.count(ANNA) == 0
    assert await graph.graph.erase(ANNA) == 0
    assert await graph.graph.search(["anna"], scope=ANNA, limit=9) == []
    assert ids_of(await graph.graph.search(["anna"], scope=BEN, limit=9)) == [his.memory.id]


async def test_a_graph_may_be_opened_again_and_closed_twice(graph: DocumentBench) -> None:
    await graph.graph.open()
    await graph.put(build_graph(("anna", "munich")), ANNA)
    assert await graph.graph.count(ANNA) == 1
    assert graph.graph.name
    await graph.graph.aclose()
    await graph.graph.aclose()


# --- isolation: each probe asks as a STRANGER about ANNA's entities and ids


async def probe_put_many(store: GraphStore) -> None:
    await store.put_many([build_document(id=named(0), relations=[build_relation("anna", "stolen")])], scope=STRANGER)
    await store.erase(STRANGER)


async def probe_delete_many(store: GraphStore) -> None:
    await store.delete_many([named(0)], scope=STRANGER)


async def probe_search(store: GraphStore) -> None:
    for hops in (1, 2):
        assert await store.search(["anna"], scope=STRANGER, hops=hops, limit=9, among=[named(0)]) == []


async def probe_relations(store: GraphStore) -> None:
    assert await store.relations("anna", scope=STRANGER, limit=9) == []


async def probe_erase(store: GraphStore) -> None:
    assert await store.erase(STRANGER) == 0


async def probe_count(store: GraphStore) -> None:
    assert await store.count(STRANGER) == 0


PROBES = probes_in(globals())


def test_every_method_that_takes_a_scope_is_probed() -> None:
    assert set(PROBES) == methods_taking(GraphStore, "scope")


@pytest.mark.parametrize("method", PROBES)
async def test_another_owner_s_relations_behave_as_unknown(graph: DocumentBench, method: str) -> None:
    await graph.put(build_graph(("anna", "munich"), ("munich", "ben")), ANNA)

    async def everything() -> list[Any]:
        return [
            await graph.graph.search(["anna"], scope=ANNA, hops=2, limit=9),
            await graph.graph.relations("munich", scope=ANNA, limit=9),
            await graph.graph.count(ANNA),
        ]

    before = await everything()
    await PROBES[method](graph.graph)
    assert await everything() == before


async def test_a_second_hop_never_leaves_the_owner(graph: DocumentBench) -> None:
    await graph.put([build_document(scope=BEN, relations=[build_relation("munich", "ben")])], BEN)
    await graph.put(build_graph(("anna", "munich")), ANNA)
    assert numbers_of(await graph.graph.search(["anna"], scope=ANNA, hops=2, limit=9)) == [0]
