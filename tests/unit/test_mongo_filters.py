"""The translation of filters means what `stores.filters.matches` means, and lets no operator through."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.errors import InvalidFilter
from stores.filters import And, Compare, Filter, Not, Or, matches, parse_filter
from stores.mongo.codec import encode
from stores.mongo.filters import MAX_PATTERN_BYTES, compile_filter
from stores.records import Memory
from tests import mongo_matcher
from tests.contracts.builders import NOW, build_memory, document_of

OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)
CALM = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ALLOWED = {"$and", "$or", "$nor", "$in", "$gt", "$gte", "$lt", "$lte", "$regex", "$type"}

TEXTS = st.sampled_from(["", "a", "ab", "Ab", "b.*", "a\nb", "é", "10", "true", "a$b"])
SCALARS = TEXTS | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5, -0.5]) | st.none()
KEYS = st.sampled_from(["a", "b", "a.b", "$a", "0"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
TIMES = st.sampled_from([NOW + timedelta(milliseconds=n) for n in range(3)])
MEMORIES = st.builds(
    lambda metadata, **fields: build_memory("text", metadata=metadata, **fields),
    metadata=st.dictionaries(KEYS, VALUES, max_size=3),
    speaker=st.none() | TEXTS,
    memory_type=st.sampled_from(["semantic", "episodic"]),
    tags=st.lists(TEXTS, max_size=2).map(tuple),
    importance=st.sampled_from([0.0, 0.5, 1.0]),
    occurred_at=st.none() | TIMES,
)
PATHS = st.lists(st.sampled_from(["a", "b", "0"]), min_size=1, max_size=3).map(
    lambda keys: ".".join(["metadata", *keys])
)


@st.composite
def comparisons(draw: st.DrawFn) -> Filter:
    field = draw(st.sampled_from(["speaker", "memory_type", "tags", "importance", "occurred_at"]) | PATHS)
    values: st.SearchStrategy[Any] = SCALARS.filter(lambda value: value is not None)
    operators = ["eq", "ne", "in", "nin", "contains", "gt", "gte", "lt", "lte"]
    match field:
        case "speaker" | "memory_type":
            values = TEXTS
        case "tags":
            values, operators = TEXTS, ["eq", "ne", "in", "nin", "contains"]
        case "importance":
            values, operators = st.sampled_from([0, 0.5, 1]), ["eq", "ne", "in", "nin", "gt", "gte", "lt", "lte"]
        case "occurred_at":
            values, operators = TIMES, ["eq", "ne", "in", "nin", "gt", "gte", "lt", "lte"]
    name = draw(st.sampled_from(operators))
    value = draw(st.lists(values, min_size=1, max_size=3)) if name in ("in", "nin") else draw(values)
    if name in ("gt", "gte", "lt", "lte") and isinstance(value, bool):
        value = 1
    return parse_filter({field: {name: value}})


def trees() -> st.SearchStrategy[Filter]:
    return st.recursive(
        comparisons(),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda items: And(tuple(items)))
            | st.lists(inner, min_size=1, max_size=3).map(lambda items: Or(tuple(items)))
            | inner.map(Not)
        ),
        max_leaves=4,
    )


def finds(tree: Filter, memory: Memory) -> bool:
    stored = bson.decode(bson.encode(encode(document_of(memory), "anna")), OPTIONS)
    query = bson.decode(bson.encode(compile_filter(tree)), OPTIONS)
    return mongo_matcher.matches(query, stored)


@CALM
@given(trees(), MEMORIES)
def test_the_translation_finds_exactly_what_the_language_means(tree: Filter, memory: Memory) -> None:
    assert finds(tree, memory) == matches(tree, memory)


@CALM
@given(trees())
def test_no_operator_but_the_listed_ones_comes_out(tree: Filter) -> None:
    assert operators_in(compile_filter(tree)) <= ALLOWED


def operators_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {key for key in value if key.startswith("$")}.union(*map(operators_in, value.values()))
    return set().union(*map(operators_in, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize(
    ("metadata", "spec", "expected"),
    [
        ({"a": [{"b": 1}]}, {"metadata.a.b": 1}, False),  # MongoDB would look into the list
        ({"a": [7, 8]}, {"metadata.a.0": 7}, False),  # and take 0 for a place in it
        ({"a": {"0": 7}}, {"metadata.a.0": 7}, True),
        ({"a": [1, 5]}, {"metadata.a": {"gt": 3}}, False),  # and compare with any member
        ({"a": ["xay"]}, {"metadata.a": {"contains": "a"}}, False),  # and search in any member
        ({"a": ["a"]}, {"metadata.a": {"contains": "a"}}, True),
        ({"a": True}, {"metadata.a": 1}, False),
        ({"a": 1}, {"metadata.a": True}, False),
        ({"a": 1.0}, {"metadata.a": 1}, True),
        ({"a": "1"}, {"metadata.a": {"gte": 0}}, False),
        ({}, {"metadata.a": {"ne": 1}}, True),
        ({"a": None}, {"metadata.a": {"nin": [1]}}, True),
        ({"a": "x.y"}, {"metadata.a": {"contains": "."}}, True),
        ({"a": "xzy"}, {"metadata.a": {"contains": "x.y"}}, False),
        ({"a": "X"}, {"metadata.a": {"contains": "x"}}, False),
        ({"a": {"b": 1}}, {"metadata.a": {"eq": "b"}}, False),
    ],
)
def test_the_cases_where_mongodb_alone_would_answer_otherwise(
    metadata: dict[str, Any], spec: dict[str, Any], *, expected: bool
) -> None:
    memory = build_memory(metadata=metadata)
    assert matches(parse_filter(spec), memory) is expected
    assert finds(parse_filter(spec), memory) is expected


def test_contains_is_an_escaped_pattern_without_options() -> None:
    query = compile_filter(Compare("speaker", "contains", "(?i)(a+)+$"))
    assert query == {"speaker": {"$regex": re.escape("(?i)(a+)+$")}}


def test_contains_refuses_what_mongodb_would() -> None:
    with pytest.raises(InvalidFilter, match="shorten"):
        compile_filter(Compare("speaker", "contains", "." * MAX_PATTERN_BYTES))


@pytest.mark.parametrize("value", ["$where", '{"$gt": ""}', "$ne", "\u0024expr"])
def test_a_value_that_looks_like_an_operator_is_a_value(value: str) -> None:
    assert compile_filter(parse_filter({"speaker": value})) == {"speaker": {"$in": [value]}}
    assert operators_in(compile_filter(parse_filter({"metadata.a": value}))) == {"$in"}


@pytest.mark.parametrize(
    "spec", [{"speaker": {"$ne": 1}}, {"$where": "1"}, {"metadata.$x": 1}, {"speaker": {"eq": {}}}]
)
def test_operators_of_mongodb_are_no_words_of_the_language(spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidFilter):
        parse_filter(spec)


def test_the_matcher_that_these_tests_trust_knows_lists_on_a_path() -> None:
    document = {"a": [{"b": 1}, {"b": [2, 3]}], "d": datetime(2026, 1, 1, tzinfo=UTC)}
    assert mongo_matcher.matches({"a.b": {"$in": [3]}}, document)
    assert mongo_matcher.matches({"a.0.b": 1}, document)
    assert mongo_matcher.matches({"a": {"$elemMatch": {"b": {"$gt": 1}}}}, document)
    assert mongo_matcher.matches({"c": None, "d": {"$lt": datetime(2027, 1, 1, tzinfo=UTC)}}, document)
    assert not mongo_matcher.matches({"a.b": {"$exists": False}}, document)
    with pytest.raises(NotImplementedError):
        mongo_matcher.matches({"a": {"$where": "1"}}, document)
