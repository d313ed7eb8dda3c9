"""Each query that the store sends has its index, and asks for the owner last, on the server's side."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from stores.filters import parse_filter
from stores.mongo import queries
from stores.mongo.index_table import INDEXES
from stores.mongo.queries import Query
from stores.records import EdgePattern, Keyset, TimeWindow
from tests import mongo_server
from tests.contracts.builders import NOW, PAST, build_many, named, put
from tests.mongo_planner import PRIMARY, indexes_for

AFTER = Keyset(1_777_550_400_000, named(5))
TYPE = parse_filter({"memory_type": "preference"})
TAG = parse_filter({"tags": {"contains": "food"}})
DEEP = parse_filter({"OR": [{"metadata.a": {"ne": 1}}, {"NOT": {"speaker": "Ben"}}]})
WINDOW = TimeWindow(since=PAST, until=NOW)
SEARCH = queries.any_word("where does she live", "anna", 5, None, NOW)
assert SEARCH is not None

EXPECTED: Mapping[str, tuple[Query, set[str]]] = {
    "by_ids": (queries.by_ids([named(1), named(2)], "anna"), {PRIMARY}),
    "by_keys": (queries.by_keys(["k1", "k2"], "anna"), {"dedupe_key_unique"}),
    "version_of": (queries.version_of(named(1), "anna"), {PRIMARY}),
    "moved_history": (queries.moved_history(named(1), 21, "anna"), {"versions"}),
    "newest": (queries.newest("anna", 20, None, None, NOW), {"newest"}),
    "newest, deep": (queries.newest("anna", 20, AFTER, None, NOW), {"newest"}),
    "newest, filtered": (queries.newest("anna", 20, AFTER, DEEP, NOW), {"newest"}),
    "kept_back": (queries.kept_back("anna", 20, AFTER, NOW), {"quarantined"}),
    "passing": (queries.passing(DEEP, "anna", NOW), {"newest"}),
    "passing, by type": (queries.passing(TYPE, "anna", NOW), {"newest_of_type"}),
    "passing, by tag": (queries.passing(TAG, "anna", NOW), {"tags"}),
    "any_word": (SEARCH, {"words"}),
    "happened": (queries.happened(WINDOW, "anna", 5, None, NOW), {"events"}),
    "happened, open": (queries.happened(TimeWindow(), "anna", 5, None, NOW), {"events"}),
    "happened, among": (queries.happened(WINDOW, "anna", 5, [named(1)], NOW), {PRIMARY}),
    "arrived": (queries.arrived("anna", None, 100, vectors=True), {"newest"}),
    "arrived, deep": (queries.arrived("anna", AFTER, 100, vectors=False), {"newest"}),
    "changed": (queries.changed("anna", PAST, None, 100, vectors=True), {"changes"}),
    "changed, deep": (queries.changed("anna", PAST, AFTER, 100, vectors=True), {"changes"}),
    "index_rows": (queries.index_rows([named(1)], "anna"), {PRIMARY}),
    "documents_of": (queries.documents_of("anna", AFTER, 100), {"newest"}),
    "documents_of_all": (queries.documents_of_all(named(1), 100), {PRIMARY}),
    "due": (queries.due(10, NOW), {"pending"}),
    "due_ids": (queries.due_ids(10, NOW), {"pending"}),
    "due_ids, among": (queries.due_ids(10, NOW, ("anna", [named(1)])), {PRIMARY}),
    "claimed": (queries.claimed([named(1)], "token"), {PRIMARY}),
    "given_up": (queries.given_up(10, None, named(1)), {"failed"}),
    "given_up, of one": (queries.given_up(10, "anna", None), {"failed"}),
    "over": (queries.over(10, NOW), {"expiry"}),
    "buried": (queries.buried([named(1)], "anna"), {PRIMARY}),
    "stated": (queries.stated([EdgePattern("anna")], named(1), "anna"), {"relation_sources", "relation_ends"}),
    "stated, narrowed": (queries.stated([EdgePattern("anna", "lives_in")], None, "anna"), {"relation_sources"}),
    "touching": (queries.touching(["anna", "munich"], "anna"), {"relation_sources", "relation_targets"}),
    "touching_newest": (queries.touching_newest("anna", "anna", 5), {"relation_sources", "relation_targets"}),
}
OF_ALL_OWNERS = {"documents_of_all", "due", "due_ids", "claimed", "given_up", "over"}
PLANNERS_CHOICE = {"passing", "passing, by type", "passing, by tag", "happened, among", "newest, filtered"}
"""Queries that several indexes serve: which is best depends on what is stored."""

cases = pytest.mark.parametrize("name", EXPECTED)


def test_every_query_is_in_the_table() -> None:
    written = {
        name
        for name, function in inspect.getmembers(queries, inspect.isfunction)
        if function.__module__ == queries.__name__ and "Query" in str(inspect.signature(function).return_annotation)
    }
    assert {name for name in written if not name.startswith("_")} == {name.partition(",")[0] for name in EXPECTED}


@cases
def test_each_query_has_an_index(name: str) -> None:
    query, expected = EXPECTED[name]
    indexes = [index for index in INDEXES if index.collection == query.collection]
    assert indexes_for(query.filter, indexes, sort=query.sort) == expected


@cases
def test_without_its_index_a_query_is_found_out(name: str) -> None:
    query, expected = EXPECTED[name]
    if expected == {PRIMARY}:
        return  # MongoDB has that one by itself
    for missing in expected:
        rest = [index for index in INDEXES if index.collection == query.collection and index.name != missing]
        assert indexes_for(query.filter, rest, sort=query.sort) != expected


def test_every_declared_index_of_memories_serves_a_query() -> None:
    used = {index for _, expected in EXPECTED.values() for index in expected}
    declared = {index.name for index in INDEXES if index.collection in ("memories", "memory_history")}
    assert used - {PRIMARY} == declared


def test_the_requirements_indexes_are_declared() -> None:
    declared = {(index.collection, index.keys) for index in INDEXES}
    words = (("source_user_id", 1), ("input", "text"), ("summary", "text"), ("tags", "text"))
    assert declared >= {
        ("memories", (("source_user_id", 1), ("created_at", -1), ("_id", -1))),
        ("memories", (("memory_type", 1), ("source_user_id", 1), ("created_at", -1))),
        ("memories", words),
        ("memories", (("tags", 1), ("source_user_id", 1))),
        ("chat_sessions", (("source_user_id", 1), ("updated_at", -1), ("_id", -1))),
        ("chat_messages", (("source_user_id", 1), ("session_id", 1), ("seq", 1))),
    }


@cases
def test_the_owner_is_asked_for_last(name: str) -> None:
    query, _ = EXPECTED[name]
    if name in OF_ALL_OWNERS:
        assert "source_user_id" not in query.filter
    else:
        assert list(query.filter.items())[-1] == ("source_user_id", "anna")


@cases
def test_reads_leave_out_what_nobody_asked_for(name: str) -> None:
    projection = EXPECTED[name][0].projection
    assert projection
    if name.startswith(("newest", "kept_back", "by_ids", "documents_of")):
        assert {"embedding", "terms", "entity_terms", "relations", "history"} <= {
            k for k, v in projection.items() if v == 0
        }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where does she live", "where does she live"),
        ('"exact phrase" -not', "exact phrase not"),
        ("pre-market —dash", "pre market dash"),
        ('Anna\'s $where {"$ne": 1}', "Anna s where ne 1"),
        ("-", ""),
        ('"', ""),
        ("a a b a", "a b"),
        ("naïve 北京 हिन्दी", "naïve 北京 हिन्दी"),
    ],
)
def test_a_text_search_asks_for_words_and_nothing_else(text: str, expected: str) -> None:
    assert queries.searchable(text) == expected


def test_a_text_search_is_a_document_of_one_string_sorted_by_score() -> None:
    assert SEARCH is not None
    assert SEARCH.filter["$text"] == {"$search": "where does she live"}
    assert SEARCH.sort == (("score", {"$meta": "textScore"}), ("_id", 1))
    assert SEARCH.projection == {"_id": 1, "score": {"$meta": "textScore"}}


def test_a_text_search_asks_for_a_bounded_number_of_words() -> None:
    many = queries.searchable(" ".join(f"w{n}" for n in range(1000)))
    assert len(many.split()) == queries.MAX_SEARCH_WORDS


async def test_the_server_takes_every_query_and_explains_it_by_its_index() -> None:
    """By explain on a server that has it; the stand-in has not: there every query must at least be understood."""
    async with mongo_server.mongo_documents() as documents:
        await put(documents, *build_many(200))
        database = documents._database.handle
        for name, (query, expected) in EXPECTED.items():
            find = {"find": query.collection, "filter": query.filter, "projection": query.projection}
            find |= {"sort": dict(query.sort)} if query.sort else {}
            if "explain" not in mongo_server.CAPABILITIES:
                assert (await database.command(find))["ok"] == 1, name
                continue
            plan = (await database.command("explain", find))["queryPlanner"]["winningPlan"]
            assert "COLLSCAN" not in str(plan), name
            used = set(_index_names(plan))
            assert used == expected or (name in PLANNERS_CHOICE and used), (name, used)


def _index_names(plan: Any) -> list[str]:
    if isinstance(plan, list):
        return [name for item in plan for name in _index_names(item)]
    if not isinstance(plan, dict):
        return []
    own = [plan["indexName"]] if "indexName" in plan else [PRIMARY] if plan.get("stage") == "IDHACK" else []
    return own + [name for item in plan.values() for name in _index_names(item)]
