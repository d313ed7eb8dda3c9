"""Every read of chats has an index, names its owner last, and is understood by the server. A1, A9, B9."""

import asyncio
import inspect
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stores.mongo import chat_queries
from stores.mongo.chat_codec import message_key, session_key
from stores.mongo.index_table import CHAT_INDEXES
from stores.mongo.queries import Query
from stores.records import Keyset, SessionId
from tests.contracts.builders import named
from tests.contracts.chat_bench import build_message
from tests.mongo_planner import PRIMARY, indexes_for
from tests.mongo_server import CAPABILITIES, database_url, drop, fresh_name, mongo_chats
from tests.unit.test_mongo_queries import _index_names

AFTER = Keyset(1_777_550_400_000, named(5))
S1 = SessionId("s1")

EXPECTED: Mapping[str, tuple[Query, str]] = {
    "one_session": (chat_queries.one_session(S1, "anna"), PRIMARY),
    "living": (chat_queries.living([session_key(S1, "anna"), session_key(S1, "ben")]), PRIMARY),
    "latest_sessions": (chat_queries.latest_sessions("anna", 20, None), "latest"),
    "latest_sessions, deep": (chat_queries.latest_sessions("anna", 20, AFTER), "latest"),
    "recent_messages": (chat_queries.recent_messages(S1, "anna", 10, None), "in_order"),
    "recent_messages, deep": (chat_queries.recent_messages(S1, "anna", 10, 500), "in_order"),
    "profile_of": (chat_queries.profile_of("anna"), PRIMARY),
    "one_decision": (chat_queries.one_decision("d1", "anna"), PRIMARY),
    "newest_decisions": (chat_queries.newest_decisions("anna", 20, AFTER, None), "newest_decisions"),
    "newest_decisions, of a state": (
        chat_queries.newest_decisions("anna", 20, AFTER, "pending"),
        "decisions_in_state",
    ),
}
PLANNERS_CHOICE = {"profile_of", "newest_decisions, of a state", "one_session", "one_decision"}
"""Queries that another index serves too."""


def test_every_query_is_in_the_table() -> None:
    written = {
        name
        for name, function in inspect.getmembers(chat_queries, inspect.isfunction)
        if function.__module__ == chat_queries.__name__ and not name.startswith("_")
    }
    assert written == {name.partition(",")[0] for name in EXPECTED}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_query_has_an_index(name: str) -> None:
    query, expected = EXPECTED[name]
    indexes = [index for index in CHAT_INDEXES if index.collection == query.collection]
    assert indexes_for(query.filter, indexes, sort=query.sort) == {expected}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_owner_is_asked_for_last(name: str) -> None:
    query, _ = EXPECTED[name]
    if name == "living":
        assert query.projection == {"_id": 1}, "of all owners, by keys that hold them: it tells nothing else"
    else:
        assert list(query.filter.items())[-1] == ("source_user_id", "anna")


def test_a_page_of_sessions_goes_on_behind_the_key_of_the_last_one() -> None:
    query = chat_queries.latest_sessions("anna", 20, Keyset(1_777_550_400_000, "s1"))
    assert session_key(S1, "anna") in str(query.filter)
    assert query.sort == (("updated_at", -1), ("_id", -1))


NAMES = st.text("ab:1 é", max_size=6)
PLACES = st.tuples(NAMES, NAMES, st.integers(1, 20))


@given(PLACES, PLACES)
@example(("a", "b:c", 1), ("a:b", "c", 1))
@example(("1:a", "b", 1), ("a", "1:b", 1))
@example(("a", "b", 12), ("a", "b:1", 2))
def test_no_two_places_have_the_same_key(one: tuple[str, str, int], other: tuple[str, str, int]) -> None:
    keys = [
        (session_key(SessionId(name), owner), message_key(build_message(seq, session=name), owner))
        for owner, name, seq in (one, other)
    ]
    assert (keys[0][0] == keys[1][0]) == (one[:2] == other[:2])
    assert (keys[0][1] == keys[1][1]) == (one == other)


@given(st.text(max_size=6), st.lists(st.text(max_size=6)))
def test_an_owner_s_session_keys_sort_as_the_ids(owner: str, names: list[str]) -> None:
    """By code points, as MongoDB compares texts: pages go on where the other stores' do."""
    by_key = sorted(names, key=lambda name: session_key(SessionId(name), owner))
    assert by_key == sorted(names)


def test_what_an_erasure_removes_is_found_by_an_index_of_each_collection() -> None:
    for collection in chat_queries.OWNED.values():
        indexes = [index for index in CHAT_INDEXES if index.collection == collection]
        assert any(index.keys[0][0] == "source_user_id" and index.partial is None for index in indexes), collection


async def test_the_server_takes_every_query_and_explains_it_by_its_index() -> None:
    """By explain on a server that has it; the stand-in has not: there every query must at least be understood."""
    name = fresh_name()
    async with mongo_chats(name) as chats:
        database = chats._database.handle
        for about, (query, expected) in EXPECTED.items():
            find = {"find": query.collection, "filter": query.filter, "projection": query.projection}
            find |= {"sort": dict(query.sort)} if query.sort else {}
            if "explain" not in CAPABILITIES:
                assert (await database.command(find))["ok"] == 1, about
                continue
            plan = (await database.command("explain", find))["queryPlanner"]["winningPlan"]
            assert "COLLSCAN" not in str(plan), about
            used = set(_index_names(plan))
            assert used == {expected} or (about in PLANNERS_CHOICE and used), (about, used)
    await asyncio.to_thread(drop, database_url(name))
