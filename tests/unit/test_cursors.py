"""Cursors continue what they were made for, and nothing else."""

import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.cursors import MAX_AGE, MAX_LENGTH, CursorCodec, CursorContext
from stores.errors import InvalidCursor

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CODEC = CursorCodec(b"s" * 32)
LIST = CursorContext(kind="list", owner="anna", query={"limit": 20, "where": {"tags": "food"}})
ALPHABET = string.ascii_letters + string.digits + "-_.=+/ \0é"

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
keysets = st.lists(scalars | st.lists(scalars, max_size=3), max_size=5)
contexts = st.builds(
    CursorContext,
    kind=st.sampled_from(["list", "search"]),
    owner=texts,
    query=scalars | st.dictionaries(texts, scalars, max_size=3),
)
compressed = ["the same words again and again " * 40, 1]


@given(keyset=keysets, context=contexts)
def test_a_cursor_gives_back_its_keyset(keyset: list[Any], context: CursorContext) -> None:
    assert CODEC.decode(CODEC.encode(keyset, context, now=NOW), context, now=NOW) == keyset


@given(keyset=keysets, context=contexts)
def test_a_cursor_is_plain_text_for_an_address(keyset: list[Any], context: CursorContext) -> None:
    assert set(CODEC.encode(keyset, context, now=NOW)) <= set(string.ascii_letters + string.digits + "-_.")


@pytest.mark.parametrize("keyset", [[1_777_000_000_000, "0197-id"], compressed], ids=["short", "compressed"])
def test_any_change_of_one_character_is_refused(keyset: list[Any]) -> None:
    cursor = CODEC.encode(keyset, LIST, now=NOW)
    for place in range(len(cursor)):
        for character in ALPHABET.replace(cursor[place], ""):
            refused(cursor[:place] + character + cursor[place + 1 :])


@given(data=st.data(), keyset=keysets)
def test_any_single_edit_of_any_cursor_is_refused(data: st.DataObject, keyset: list[Any]) -> None:
    cursor = CODEC.encode(keyset, LIST, now=NOW)
    place = data.draw(st.integers(0, len(cursor) - 1))
    character = data.draw(st.characters().filter(lambda drawn: drawn != cursor[place]))
    refused(cursor[:place] + character + cursor[place + 1 :])
    refused(cursor[:place] + cursor[place + 1 :])
    refused(cursor[:place] + character + cursor[place:])


@given(owner=texts.filter(lambda owner: owner != LIST.owner))
def test_another_owner_s_cursor_is_refused(owner: str) -> None:
    refused(CODEC.encode([1, "id"], CursorContext(kind=LIST.kind, owner=owner, query=LIST.query), now=NOW))


@given(query=scalars | st.dictionaries(texts, scalars, max_size=3))
def test_the_cursor_of_another_query_is_refused(query: Any) -> None:
    refused(CODEC.encode([1, "id"], CursorContext(kind=LIST.kind, owner=LIST.owner, query=query), now=NOW))


def test_the_order_of_a_query_s_keys_does_not_matter() -> None:
    turned = CursorContext(kind="list", owner="anna", query={"where": {"tags": "food"}, "limit": 20})
    assert CODEC.decode(CODEC.encode([1], turned, now=NOW), LIST, now=NOW) == [1]


def test_the_cursor_of_another_kind_of_listing_is_refused() -> None:
    refused(CODEC.encode([1, "id"], CursorContext(kind="search", owner=LIST.owner, query=LIST.query), now=NOW))


def test_what_belongs_to_the_kind_cannot_move_to_the_owner() -> None:
    split = CursorContext(kind="a", owner='b","c', query=None)
    joined = CursorContext(kind='a","b', owner="c", query=None)
    with pytest.raises(InvalidCursor):
        CODEC.decode(CODEC.encode([1], split, now=NOW), joined, now=NOW)


def test_a_cursor_of_another_secret_is_refused() -> None:
    refused(CursorCodec(b"t" * 32).encode([1, "id"], LIST, now=NOW))


def test_a_cursor_holds_for_a_day() -> None:
    cursor = CODEC.encode([1], LIST, now=NOW)
    assert CODEC.decode(cursor, LIST, now=NOW + MAX_AGE) == [1]
    with pytest.raises(InvalidCursor, match="24 hours"):
        CODEC.decode(cursor, LIST, now=NOW + MAX_AGE + timedelta(seconds=1))


@given(text=st.text())
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("text", ["", ".", "..", "null", "W10.", "\ud800", "x" * (MAX_LENGTH + 1), "é" * 100])
def test_garbage_is_refused(text: str) -> None:
    refused(text)


def test_a_short_secret_is_no_secret() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CursorCodec(b"s" * 31)


def test_the_refusal_has_a_stable_code_and_is_a_value_error() -> None:
    assert InvalidCursor.code == "invalid_cursor"
    assert issubclass(InvalidCursor, ValueError)


def refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        CODEC.decode(cursor, LIST, now=NOW)
