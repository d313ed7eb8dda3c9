"""Memories become BSON and come back the same; nothing in them is read as anything but data."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.mongo import codec
from stores.records import Document, IndexState, Provenance, Scope
from tests.contracts.builders import (
    ANNA,
    FUTURE,
    NOW,
    PAST,
    build_document,
    build_memory,
    build_relation,
    document_of,
    new_id,
    unit_vector,
)

OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)
FULL = build_memory(
    "Anna moved to Munich",
    summary="moved",
    agent_id="agent",
    session_id="s1",
    session_seq=2**59,
    speaker="Anna",
    memory_type="preference",
    tags=("food", "city"),
    entities=("anna", "munich"),
    importance=1,
    confidence=0.25,
    occurred_at=PAST,
    valid_from=PAST,
    invalid_at=FUTURE,
    superseded_by=new_id(),
    expires_at=FUTURE,
    content_hash="hash",
    embedding_model="model",
    index=IndexState(state="pending", generation=3, attempts=2, next_attempt_at=FUTURE),
    provenance=Provenance(session_id="s1", message_id="m1", agent="agent", trust=0.5),
    metadata={"city": "Munich", "n": 2**40, "deep": {"list": [1, 2.5, None, True, {"x": "y"}]}},
    version=7,
    quarantine=("override",),
)


def through_bson(document: Document, scope: Scope = ANNA) -> dict[str, Any]:
    return bson.decode(bson.encode(codec.encode(document, scope.owner)), OPTIONS)


def test_every_field_of_a_memory_survives() -> None:
    assert codec.decode(through_bson(document_of(FULL))) == FULL
    assert {field.name for field in dataclasses.fields(FULL)} == set(dataclasses.asdict(FULL))


def test_a_bare_memory_survives_and_stores_nothing_empty() -> None:
    memory = build_memory()
    row = through_bson(Document(memory=memory, dedupe_key="k"))
    assert codec.decode(row) == memory
    assert [name for name, value in row.items() if value in (None, [], {}, b"")] == []


def test_the_names_are_the_ones_of_the_design() -> None:
    row = through_bson(document_of(FULL, key="k", relations=[build_relation("a", "b")], embedding=unit_vector(1)))
    assert row["input"] == FULL.content
    assert row["source_user_id"] == "anna"
    assert row["index"] == {"state": "pending", "generation": 3, "attempts": 2, "next_attempt_at": FUTURE}
    assert row["provenance"] == {"session_id": "s1", "message_id": "m1", "agent": "agent", "trust": 0.5}
    assert row["relations"] == [{"source": "a", "relation": "knows", "target": "b", "created_at": PAST, "stated": True}]
    assert row["embedding"] == unit_vector(1).tobytes()
    assert row["created_at"] == PAST
    assert isinstance(row["importance"], float)
    assert {"_id", "dedupe_key", "terms", "entity_terms", "version", "content_hash", "event_at"} <= row.keys()


def test_the_owner_is_the_scopes_whatever_the_memory_says() -> None:
    document = document_of(build_memory(user_id="mallory"))
    assert codec.encode(document, "anna")["source_user_id"] == "anna"
    assert "source_user_id" not in codec.replacement(document, "anna", [])["$set"]


def test_an_event_is_when_it_occurred_or_else_when_it_was_stored() -> None:
    assert through_bson(build_document(occurred_at=NOW))["event_at"] == NOW
    assert through_bson(build_document(at=PAST))["event_at"] == PAST


@pytest.mark.parametrize("year", [1, 1969, 1970, 9999])
def test_times_are_kept_to_the_millisecond(year: int) -> None:
    moment = datetime(year, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert codec.from_ms(codec.to_ms(moment)) == moment
    assert codec.decode(through_bson(build_document(occurred_at=moment))).occurred_at == moment


def test_a_date_that_a_tool_left_as_text_is_read_as_utc() -> None:
    assert codec.moment("2026-05-01 12:00:00.123000") == NOW + timedelta(milliseconds=123)
    assert codec.moment("2026-05-01T14:00:00+02:00") == NOW


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(alphabet="ab$.＼sd0\0é", max_size=6), children, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(alphabet="ab$.＼sd0\0é", max_size=6), JSON, max_size=4))
def test_any_metadata_survives_with_keys_that_mean_nothing_to_mongodb(metadata: dict[str, Any]) -> None:
    row = through_bson(build_document(metadata=metadata))
    assert codec.decode(row).metadata == metadata
    keys = list(keys_of(row.get("metadata", {})))
    assert not [key for key in keys if key.startswith("$") or "." in key or "\0" in key]


def keys_of(value: Any) -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_of(item)


@pytest.mark.parametrize(
    "metadata",
    [
        {"$where": "sleep(1000)"},
        {"$ref": "users", "$id": 1, "$db": "admin"},
        {"a": {"$ne": None}, "b": [{"$gt": ""}]},
        {"a.b": 1, "__proto__": {"x": 1}, "$$ROOT": 1, "": 0},
        {"＼": 1, "＼s": 2, "＼＼d": 3, ".": 4, "$": 5},
    ],
)
def test_hostile_keys_are_inert(metadata: dict[str, Any]) -> None:
    assert codec.decode(through_bson(build_document(metadata=metadata))).metadata == metadata


def test_integers_come_back_as_plain_integers() -> None:
    metadata = codec.decode(through_bson(build_document(metadata={"n": 2**40, "yes": True}))).metadata
    assert type(metadata["n"]) is int
    assert metadata["yes"] is True


def test_a_tombstone_keeps_no_content() -> None:
    row = through_bson(document_of(FULL, relations=[build_relation("a", "b")], embedding=unit_vector(1)))
    update = codec.tombstone(NOW)
    kept = row.keys() - update["$unset"].keys() - update["$set"].keys()
    assert kept == {"_id", "source_user_id", "created_at", "session_seq", "version", "index"}
    assert update["$set"]["input"] == ""
    assert update["$inc"] == {"index.generation": 1, "version": 1}


def test_a_replacement_removes_what_the_new_version_lacks() -> None:
    update = codec.replacement(build_document("short"), "anna", [{"version": 1}])
    assert update["$set"]["input"] == "short"
    assert update["$set"]["history"] == [{"version": 1}]
    assert {"summary", "tags", "embedding", "relations", "expires_at", "metadata"} <= update["$unset"].keys()
    assert not update["$set"].keys() & update["$unset"].keys()
    assert not {"_id", "source_user_id", "created_at"} & (update["$set"].keys() | update["$unset"].keys())


def test_every_optional_field_is_known_as_one() -> None:
    full = codec.encode(
        dataclasses.replace(
            document_of(FULL, relations=[build_relation("a", "b")], embedding=unit_vector(1)), traits=3
        ),
        "anna",
    )
    bare = codec.encode(Document(memory=build_memory(), dedupe_key="k"), "anna")
    assert full.keys() - bare.keys() == set(codec.OPTIONAL) - {"history"}
