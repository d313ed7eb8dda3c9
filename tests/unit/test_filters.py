"""The filter language: what it takes, what it refuses, what it means."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.errors import InvalidFilter
from stores.filters import (
    FIELDS,
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    OPERATORS,
    And,
    Compare,
    Not,
    Or,
    matches,
    parse_filter,
)
from stores.records import Memory, MemoryId
from tests.contracts.library import filter_specs, varied_documents

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LIBRARY = tuple(document.memory for document in varied_documents())


def passes(spec: dict[str, Any], **fields: Any) -> bool:
    defaults: dict[str, Any] = {
        "id": MemoryId("m"),
        "user_id": "anna",
        "content": "x",
        "created_at": NOON,
        "updated_at": NOON,
    }
    return matches(parse_filter(spec), Memory(**defaults | fields))


def says(spec: dict[str, Any], metadata: object) -> bool:
    """Say whether a memory passes whose metadata.k is `metadata`."""
    return passes(spec, metadata={"k": metadata})


# --- parsing


@pytest.mark.parametrize(
    ("spec", "tree"),
    [
        ({"speaker": "Anna"}, Compare("speaker", "eq", "Anna")),
        ({"type": "preference"}, Compare("memory_type", "eq", "preference")),
        ({"agent": "a"}, Compare("agent_id", "eq", "a")),
        ({"session": {"ne": "s"}}, Compare("session_id", "ne", "s")),
        ({"metadata.a.b": {"in": [1, "x", True]}}, Compare("metadata.a.b", "in", (1, "x", True))),
        (
            {"importance": {"gte": 0.5, "lt": 1}},
            And((Compare("importance", "gte", 0.5), Compare("importance", "lt", 1))),
        ),
        (
            {"tags": {"contains": "food"}, "speaker": "Anna"},
            And((Compare("tags", "contains", "food"), Compare("speaker", "eq", "Anna"))),
        ),
        (
            {"OR": [{"speaker": "Anna"}, {"NOT": {"speaker": "Ben"}}]},
            Or((Compare("speaker", "eq", "Anna"), Not(Compare("speaker", "eq", "Ben")))),
        ),
        (
            {"created_at": {"gt": "2026-05-01T14:00:00.0019+02:00"}},
            Compare("created_at", "gt", NOON + timedelta(milliseconds=1)),
        ),
        ({"occurred_at": NOON.astimezone(timezone(timedelta(hours=9)))}, Compare("occurred_at", "eq", NOON)),
    ],
)
def test_a_filter_is_a_tree(spec: dict[str, Any], tree: object) -> None:
    assert parse_filter(spec) == tree


REFUSED: dict[str, Any] = {
    "no filter": {},
    "not an object": [],
    "text": "speaker",
    "nothing": None,
    "unknown field": {"content": "x"},
    "inner field": {"user_id": "ben"},
    "unknown operator": {"speaker": {"like": "A%"}},
    "driver's operator": {"speaker": {"$ne": "x"}},
    "driver's field": {"$where": "1"},
    "driver's key": {"metadata.$where": "1"},
    "driver's inner key": {"metadata.a.$gt": "1"},
    "small and": {"and": [{"speaker": "x"}]},
    "no operator": {"speaker": {}},
    "no path": {"metadata": "x"},
    "empty path": {"metadata.": "x"},
    "gap in a path": {"metadata.a..b": "x"},
    "end of a path": {"metadata.a.": "x"},
    "quote in a path": {'metadata.a"b': "x"},
    "NUL in a path": {"metadata.a\0": "x"},
    "newline in a path": {"metadata.a\nb": "x"},
    "surrogate in a path": {"metadata.\ud800": "x"},
    "long path": {"metadata" + ".a" * (MAX_DEPTH + 1): "x"},
    "field that is no text": {1: "x"},
    "empty AND": {"AND": []},
    "AND of an object": {"AND": {"speaker": "x"}},
    "OR of text": {"OR": ["speaker"]},
    "NOT of a list": {"NOT": [{"speaker": "x"}]},
    "empty NOT": {"NOT": {}},
    "empty in": {"speaker": {"in": []}},
    "in text": {"speaker": {"in": "Anna"}},
    "large in": {"speaker": {"in": [str(n) for n in range(MAX_VALUES + 1)]}},
    "list in in": {"speaker": {"in": [["Anna"]]}},
    "list": {"tags": ["food"]},
    "null": {"speaker": None},
    "bytes": {"speaker": b"Anna"},
    "object": {"speaker": {"eq": {"a": 1}}},
    "number for text": {"speaker": 1},
    "truth for text": {"speaker": True},
    "text for a number": {"importance": "high"},
    "truth for a number": {"importance": True},
    "number for a time": {"created_at": 1_777_000_000},
    "text that is no time": {"created_at": "yesterday"},
    "time without a zone": {"created_at": "2026-05-01T12:00:00"},
    "naive time": {"created_at": {"gt": datetime(2026, 5, 1)}},  # noqa: DTZ001 - on purpose
    "time for metadata": {"metadata.k": NOON},
    "time for text": {"speaker": NOON},
    "first moment of another zone": {"created_at": "0001-01-01T00:00:00+14:00"},
    "last moment of another zone": {"created_at": "9999-12-31T23:59:59-12:00"},
    "not a number": {"importance": float("nan")},
    "infinity": {"metadata.k": float("inf")},
    "more than 64 bits": {"metadata.k": 2**63},
    "more than a float": {"metadata.k": 10**400},
    "more digits than Python prints": {"metadata.k": 10**5000},
    "NUL": {"speaker": "a\0b"},
    "surrogate": {"speaker": {"in": ["ok", "\udfff"]}},
    "order of truth": {"metadata.k": {"gt": True}},
    "order of lists": {"tags": {"lt": "food"}},
    "part of a number": {"importance": {"contains": 1}},
    "part of a time": {"created_at": {"contains": "2026-05-01T00:00:00Z"}},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_language_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(InvalidFilter) as refusal:
        parse_filter(REFUSED[name])
    assert refusal.value.code == "invalid_filter"
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    "key", ["a b", "größe", "ключ", "a'b", "a\\b", "100%", "[0]", "0", "می\u200cروم", "👩\u200d👩\u200d👧"]
)
def test_keys_of_metadata_are_written_as_people_write_them(key: str) -> None:
    assert passes({f"metadata.{key}": "x"}, metadata={key: "x"})


def test_a_filter_nests_up_to_its_limit() -> None:
    assert parse_filter(nested(MAX_DEPTH - 1))
    with pytest.raises(InvalidFilter, match="levels"):
        parse_filter(nested(MAX_DEPTH))
    with pytest.raises(InvalidFilter, match="levels"):
        parse_filter(nested(400))


def nested(levels: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"speaker": "Anna"}
    for _ in range(levels):
        spec = {"NOT": spec}
    return spec


def test_a_filter_holds_conditions_up_to_its_limit() -> None:
    condition = {"speaker": "Anna"}
    assert parse_filter({"OR": [condition] * MAX_CONDITIONS})
    assert parse_filter({"speaker": {"in": ["Anna"] * MAX_VALUES}})
    with pytest.raises(InvalidFilter, match="conditions"):
        parse_filter({"OR": [condition] * (MAX_CONDITIONS + 1)})
    with pytest.raises(InvalidFilter, match="conditions"):
        parse_filter({"OR": [{"OR": [condition] * 60}, {"NOT": {"AND": [condition] * 60}}]})


keys = st.sampled_from(["AND", "OR", "NOT", *FIELDS, *OPERATORS, "metadata.a", "metadata.a.b"]) | st.text()
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(spec=st.dictionaries(keys, json, max_size=3))
def test_whatever_is_sent_is_taken_or_refused_and_never_breaks(spec: dict[str, Any]) -> None:
    try:
        tree = parse_filter(spec)
    except InvalidFilter:
        return
    assert all(isinstance(matches(tree, memory), bool) for memory in LIBRARY)


# --- meaning


@given(spec=filter_specs())
def test_not_is_the_complement(spec: dict[str, Any]) -> None:
    plain, turned = parse_filter(spec), parse_filter({"NOT": spec})
    assert all(matches(plain, memory) is not matches(turned, memory) for memory in LIBRARY)


@given(left=filter_specs(), right=filter_specs())
def test_and_is_both_and_or_is_either(left: dict[str, Any], right: dict[str, Any]) -> None:
    one, two = parse_filter(left), parse_filter(right)
    both, either = parse_filter({"AND": [left, right]}), parse_filter({"OR": [left, right]})
    for memory in LIBRARY:
        assert matches(both, memory) is (matches(one, memory) and matches(two, memory))
        assert matches(either, memory) is (matches(one, memory) or matches(two, memory))


@pytest.mark.parametrize("values", [["x"], [1, True], ["x", 2.5]])
@pytest.mark.parametrize("memory", LIBRARY, ids=range(len(LIBRARY)))
def test_ne_and_nin_are_the_complements_of_eq_and_in(memory: Memory, values: list[Any]) -> None:
    for field in ("metadata.value", "metadata.list", "metadata.missing"):
        assert matches(parse_filter({field: {"nin": values}}), memory) is not matches(
            parse_filter({field: {"in": values}}), memory
        )
        assert matches(parse_filter({field: {"ne": values[0]}}), memory) is not matches(
            parse_filter({field: values[0]}), memory
        )


@pytest.mark.parametrize("operator", sorted(OPERATORS - {"ne", "nin"}))
@pytest.mark.parametrize("value", ["", "x", 0, 1.5])
def test_a_comparison_with_an_absent_field_is_false(operator: str, value: Any) -> None:
    operand = [value] if operator == "in" else value
    without: list[dict[str, Any]] = [{}, {"k": None}, {"k": {}}, {"other": value}, {"k.l": value}]
    for metadata in without:
        assert not passes({"metadata.k": {operator: operand}}, metadata=metadata)
        assert not passes({"metadata.k.l": {operator: operand}}, metadata=metadata)


def test_a_field_that_is_not_set_is_absent() -> None:
    assert not passes({"speaker": "Anna"})
    assert passes({"speaker": {"ne": "Anna"}})
    assert passes({"speaker": {"nin": ["Anna"]}})
    assert not passes({"occurred_at": {"lt": NOON}})
    assert not passes({"occurred_at": {"gte": NOON}})


def test_values_of_another_kind_are_never_equal_or_ordered() -> None:
    assert not says({"metadata.k": 1}, True)
    assert not says({"metadata.k": True}, 1)
    assert not says({"metadata.k": False}, 0)
    assert not says({"metadata.k": "1"}, 1)
    assert not says({"metadata.k": {"gt": 0}}, "1")
    assert not says({"metadata.k": {"gte": 0}}, True)
    assert not says({"metadata.k": {"lt": "z"}}, 1)
    assert says({"metadata.k": {"ne": 1}}, True)


def test_whole_and_broken_numbers_are_one_kind() -> None:
    assert says({"metadata.k": 1.0}, 1)
    assert says({"metadata.k": {"gt": 1}}, 1.5)
    assert not says({"metadata.k": 2**53}, 2**53 + 1)


def test_eq_and_in_and_contains_on_a_list_ask_for_a_member() -> None:
    members = ["Munich", 1, True]
    assert says({"metadata.k": "Munich"}, members)
    assert says({"metadata.k": {"in": ["Graz", 1]}}, members)
    assert says({"metadata.k": {"contains": True}}, members)
    assert not says({"metadata.k": {"contains": "Mun"}}, members)
    assert not says({"metadata.k": {"gte": 1}}, members)
    assert not says({"metadata.k": "Munich"}, [["Munich"]])
    assert passes({"tags": "food"}, tags=("food", "city"))
    assert not passes({"tags": {"contains": "foo"}}, tags=("food",))


def test_contains_on_text_asks_for_a_part_letter_case_included() -> None:
    assert says({"metadata.k": {"contains": "uni"}}, "Munich")
    assert says({"metadata.k": {"contains": ""}}, "Munich")
    assert not says({"metadata.k": {"contains": "mun"}}, "Munich")
    assert not says({"metadata.k": {"contains": "M.n"}}, "Munich")
    assert not says({"metadata.k": {"contains": "M%"}}, "Munich")
    assert not says({"metadata.k": {"contains": 1}}, "1")


def test_text_is_ordered_by_code_points() -> None:
    assert says({"metadata.k": {"gt": "Z"}}, "a")
    assert says({"metadata.k": {"gt": "\uffff"}}, "\U00010000")


def test_a_path_goes_through_objects_only() -> None:
    assert passes({"metadata.a.b": 1}, metadata={"a": {"b": 1}})
    assert not passes({"metadata.a.b": 1}, metadata={"a": [{"b": 1}]})
    assert not passes({"metadata.a.0": 1}, metadata={"a": [1]})
    assert not passes({"metadata.a.b": 1}, metadata={"a.b": 1})
