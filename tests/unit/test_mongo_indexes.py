"""Indexes are created once, compared exactly, reported honestly, and never dropped; by the store and by the script."""

import asyncio
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stores.errors import Incompatible, StoreError
from stores.mongo.client import MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.mongo.index_table import INDEXES, Index
from stores.mongo.indexes import compare, compare_indexes, ensure_indexes
from tests import mongo_server
from tests.contracts.builders import build_document, put

ROOT = Path(__file__).resolve().parents[2]
MEMORIES = [index for index in INDEXES if index.collection == "memories"]


@pytest.fixture
async def database() -> AsyncIterator[MongoDatabase]:
    opened, user = MongoDatabase(mongo_server.database_url(mongo_server.fresh_name()), options=mongo_server.OPTIONS), 1
    await opened.open(user)
    yield opened
    await opened.handle.client.drop_database(opened.handle.name)
    await opened.aclose(user)


def listed_by_mongodb(index: Index) -> dict[str, Any]:
    """Return an index as MongoDB 7 lists it."""
    spec: dict[str, Any] = {"v": 2, "key": dict(index.keys), "name": index.name}
    if index.is_text:
        plain = {name: kind for name, kind in index.keys if kind != "text"}
        words = {name: 1 for name, kind in sorted(index.keys) if kind == "text"}
        spec |= {"key": {**plain, "_fts": "text", "_ftsx": 1}, "weights": words, "textIndexVersion": 3}
        spec |= {"default_language": "english", "language_override": "text_language"}
    if index.unique:
        spec["unique"] = True
    if index.partial is not None:
        spec["partialFilterExpression"] = index.partial
    return spec


ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
COMPLETE = [ID, *map(listed_by_mongodb, MEMORIES)]


def states(found: list[Any]) -> Mapping[str, str]:
    return {comparison.name: comparison.presence for comparison in found}


def test_what_mongodb_lists_of_our_indexes_is_present() -> None:
    assert set(states(compare(MEMORIES, COMPLETE, "memories")).values()) == {"present"}


@pytest.mark.parametrize("index", MEMORIES, ids=lambda index: index.name)
def test_a_missing_index_is_missing(index: Index) -> None:
    listed = [entry for entry in COMPLETE if entry["name"] != index.name]
    assert [name for name, state in states(compare(MEMORIES, listed, "memories")).items() if state == "missing"] == [
        index.name
    ]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("newest", {"key": {"source_user_id": 1, "created_at": 1, "_id": 1}}),
        ("newest", {"key": {"created_at": -1, "source_user_id": 1, "_id": -1}}),
        ("newest", {"unique": True}),
        ("newest", {"sparse": True}),
        ("expiry", {"expireAfterSeconds": 60}),
        ("dedupe_key_unique", {"unique": False}),
        ("pending", {"partialFilterExpression": {"index.state": "done"}}),
        ("words", {"weights": {"input": 1, "tags": 1}}),
        ("words", {"default_language": "german"}),
    ],
)
def test_an_index_that_differs_is_named_with_the_difference(name: str, change: dict[str, Any]) -> None:
    listed = [{**entry, **change} if entry["name"] == name else entry for entry in COMPLETE]
    [found] = [item for item in compare(MEMORIES, listed, "memories") if item.presence != "present"]
    assert (found.name, found.presence) == (name, "differs")
    assert found.detail


def test_an_index_without_its_partial_filter_differs() -> None:
    listed = [{name: value for name, value in entry.items() if name != "partialFilterExpression"} for entry in COMPLETE]
    differing = {name for name, state in states(compare(MEMORIES, listed, "memories")).items() if state == "differs"}
    assert differing == {index.name for index in MEMORIES if index.partial is not None}


def test_the_same_index_under_another_name_is_present_and_an_unknown_one_obsolete() -> None:
    renamed = [{**entry, "name": "mine"} if entry["name"] == "tags" else entry for entry in COMPLETE]
    other = {"v": 2, "key": {"speaker": 1.0}, "name": "speaker_1"}
    found = {item.name: item for item in compare(MEMORIES, [*renamed, other], "memories")}
    assert (found["tags"].presence, found["tags"].detail) == ("present", "under the name mine")
    assert (found["speaker_1"].presence, found["speaker_1"].detail) == ("obsolete", "[('speaker', 1)]")


def test_a_stand_in_that_forgets_names_and_directions_is_compared_by_fields() -> None:
    listed = [
        {"v": 2, "key": dict.fromkeys((name for name, _ in index.keys if name != "_id"), 1), "name": f"idx_{number}"}
        for number, index in enumerate(MEMORIES)
    ]
    assert set(states(compare(MEMORIES, listed, "memories", exact=False)).values()) == {"present"}
    assert "missing" in states(compare(MEMORIES, listed[1:], "memories", exact=False)).values()


async def test_indexes_are_created_once_and_then_present(database: MongoDatabase) -> None:
    assert set(states(await compare_indexes(database)).values()) == {"missing"}
    assert set(states(await ensure_indexes(database)).values()) == {"created"}
    assert set(states(await ensure_indexes(database)).values()) == {"present"}
    assert set(states(await compare_indexes(database)).values()) == {"present"}
    assert len(states(await compare_indexes(database))) == len(INDEXES)


async def test_two_may_create_them_at_the_same_time(database: MongoDatabase) -> None:
    await asyncio.gather(*(ensure_indexes(database) for _ in range(4)))
    assert set(states(await compare_indexes(database)).values()) == {"present"}


async def test_a_dropped_index_is_missing_and_made_again(database: MongoDatabase) -> None:
    await ensure_indexes(database)
    await database.collection("memories").drop_index("newest")
    assert states(await compare_indexes(database))["newest"] == "missing"
    made = await ensure_indexes(database)
    assert [item.name for item in made if item.presence == "created"] == ["newest"]


async def test_what_differs_or_is_not_declared_is_left_alone(database: MongoDatabase) -> None:
    await database.collection("memories").create_index([("created_at", 1)], name="newest")
    await database.collection("memories").create_index([("speaker", 1)], name="speaker_1")
    after = states(await ensure_indexes(database))
    assert (after["newest"], after["speaker_1"]) == ("differs", "obsolete")


async def test_the_unique_index_is_refused_while_memories_share_a_key(database: MongoDatabase) -> None:
    rows = [{"_id": str(n), "source_user_id": "anna", "dedupe_key": "same"} for n in range(2)]
    await database.collection("memories").insert_many(rows)
    with pytest.raises(StoreError):  # Conflict; the stand-in refuses without a code
        await ensure_indexes(database)


async def test_an_empty_store_gets_all_its_indexes_when_it_is_opened() -> None:
    async with mongo_server.mongo_documents() as documents:
        assert set(states(await compare_indexes(documents._database)).values()) == {"present"}


async def test_a_store_with_memories_gets_only_the_unique_one_and_names_the_script(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with mongo_server.mongo_documents() as documents:
        await put(documents, build_document())
        memories = documents._database.collection("memories")
        await memories.drop_index("newest")
        await memories.drop_index("dedupe_key_unique")
        again = MongoDocuments(documents._database)
        with caplog.at_level(logging.WARNING, "stores.mongo"):
            await again.open()
        found = states(await compare_indexes(documents._database))
        assert (found["newest"], found["dedupe_key_unique"]) == ("missing", "present")
        [record] = [record for record in caplog.records if record.msg == "mongo.indexes_missing"]
        assert record.__dict__["indexes"] == ["memories.newest"]
        assert "create_indexes.py" in record.__dict__["help"]
        await again.aclose()


async def test_a_unique_index_that_is_none_is_refused(database: MongoDatabase) -> None:
    await database.collection("memories").create_index([("source_user_id", 1)], name="dedupe_key_unique")
    with pytest.raises(Incompatible, match="dedupe_key_unique"):
        await MongoDocuments(database).open()


def run_script(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "scripts" / "create_indexes.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("repaired", [True, False], ids=["repaired", "as published"])
def test_the_script_checks_creates_and_creates_again(*, repaired: bool) -> None:
    name = mongo_server.fresh_name()
    url = mongo_server.database_url(name) if repaired else f"{mongo_server.stand_in_uri(repaired=False)}/{name}"
    before = run_script("--url", url, "--check")
    assert (before.returncode, "missing" in before.stdout) == (1, True)
    first = run_script("--url", url)
    assert (first.returncode, "created" in first.stdout) == (0, True)
    second = run_script("--url", url, "--json")
    assert second.returncode == 0
    rows = json.loads(second.stdout)
    assert {row["presence"] for row in rows} == {"present"}
    assert {row["name"] for row in rows} == {index.name for index in INDEXES}
    after = run_script("--url", url, "--check")
    assert (after.returncode, "missing" in after.stdout) == (0, False)
    mongo_server.drop(url)


def test_the_script_says_that_a_server_is_not_there_within_seconds_and_without_the_password() -> None:
    with socket.socket() as listening:  # accepts, and never answers
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"mongodb://anna:secret-word@127.0.0.1:{listening.getsockname()[1]}/context0"
        began = time.monotonic()
        outcome = run_script("--url", url, "--check")
    assert outcome.returncode == 2
    assert time.monotonic() - began < 15
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: MongoDB cannot be reached")
    assert "secret-word" not in outcome.stderr


def test_the_script_refuses_a_url_that_is_none_without_quoting_it() -> None:
    outcome = run_script("--url", "mongodb://anna:secret-word@host:port/context0")
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("error: this MongoDB URL cannot be used")
    assert "secret-word" not in outcome.stderr
