"""What is exported and imported elsewhere is the same: content, times, data, order; validity is read anew (B4)."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from context0.errors import IdempotencyMismatch, InvalidInput
from context0.memory.engine import MemoryEngine
from context0.memory.transfer import MAX_LINE_BYTES, memory_line, read_line
from stores.records import Memory, Provenance
from tests.contracts.builders import NOW, build_document
from tests.engine_bench import BACKENDS, EngineBench, open_bench

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40).filter(
    str.strip
)
NAMES = st.none() | st.sampled_from(["Anna", "Zoë", "s-1", "北京"])
SAID = st.sampled_from(["Anna lives in Munich", "Anna lives in Berlin", "Ben bakes bread #food", "I met Zoe yesterday"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
ITEMS = st.fixed_dictionaries(
    {"content": TEXTS | SAID},
    optional={
        "speaker": NAMES,
        "agent_id": NAMES,
        "session_id": NAMES,
        "memory_type": st.sampled_from(["semantic", "episodic", "preference"]),
        "tags": st.lists(st.sampled_from(["a", "b", "ü"]), max_size=3),
        "importance": st.floats(0, 1),
        "occurred_at": MOMENTS,
        "metadata": st.dictionaries(st.sampled_from("xyz"), JSON, max_size=2),
        "provenance": st.builds(Provenance, session_id=NAMES, agent=NAMES, trust=st.floats(0, 1)),
        "idempotency_key": st.sampled_from(["k1", "k2", "k3", "k4"]),
    },
)
KEPT = (
    *("content", "created_at", "memory_type", "speaker", "agent_id", "session_id", "tags", "entities", "summary"),
    *("importance", "confidence", "occurred_at", "expires_at", "content_hash", "embedding_model", "provenance"),
    "metadata",
)


@pytest.fixture(params=BACKENDS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench(request.param, tmp_path) as opened:
        yield opened


async def lines_of(engine: MemoryEngine, user_id: str) -> list[bytes]:
    return [memory_line(memory, former) async for memory, former in engine.export(user_id=user_id)]


async def take_in(engine: MemoryEngine, lines: list[bytes], user_id: str) -> Any:
    return await engine.ingest((read_line(line).fields for line in lines), user_id=user_id)


async def stored(engine: MemoryEngine, user_id: str) -> list[Memory]:
    return [memory async for memory, _ in engine.export(user_id=user_id)]


def kept(memories: list[Memory]) -> list[Mapping[str, Any]]:
    return [{name: getattr(one, name) for name in KEPT} for one in memories]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(items=st.lists(ITEMS, max_size=8))
async def test_an_export_taken_in_elsewhere_is_the_same(items: list[Any]) -> None:
    async with open_bench("reference", Path()) as bench, open_bench("reference", Path()) as other:
        engine, elsewhere = bench.engine(), other.engine()
        for item in items:
            bench.clock.advance(milliseconds=1)
            with suppress(IdempotencyMismatch):
                await engine.add(**item, user_id="anna")
        lines = await lines_of(engine, "anna")
        other.clock.at = bench.clock.at + timedelta(days=1)
        count = await take_in(elsewhere, lines, "ben")
        mine, theirs = await stored(engine, "anna"), await stored(elsewhere, "ben")
        assert (count.added, count.refused) == (len(mine), 0)
        assert kept(theirs) == kept(mine)
        again = await take_in(elsewhere, lines, "ben")
        assert (again.added, again.known) == (0, len(mine))


async def test_every_backend_hands_out_what_another_takes_in(bench: EngineBench, tmp_path: Path) -> None:
    """In the order of arrival, with validity made anew."""
    engine = bench.engine()
    for number, text in enumerate(["Anna lives in Munich", "Ben bakes bread", "Anna lives in Berlin"]):
        bench.clock.advance(minutes=1)
        await engine.add(text, user_id="anna", session_id="s", metadata={"n": number})
    mine = await stored(engine, "anna")
    async with open_bench("sqlite", tmp_path / "other") as other:
        elsewhere = other.engine()
        other.clock.at = bench.clock.at + timedelta(days=1)
        await take_in(elsewhere, await lines_of(engine, "anna"), "ben")
        theirs = await stored(elsewhere, "ben")
        assert kept(theirs) == kept(mine)
        assert [one.invalid_at is None for one in theirs] == [one.invalid_at is None for one in mine]
        assert [one.invalid_at is None for one in mine] == [False, True, True]
        assert theirs[0].superseded_by == theirs[2].id
        newest = (await elsewhere.list(user_id="ben")).items
        assert [one.content for one in newest] == [one.content for one in (await engine.list(user_id="anna")).items]


async def test_taken_in_again_by_its_own_owner_it_adds_nothing(bench: EngineBench) -> None:
    engine = bench.engine()
    await engine.add("note", user_id="anna", idempotency_key="1")
    await engine.add("note", user_id="anna", idempotency_key="2")
    lines = await lines_of(engine, "anna")
    count = await take_in(engine, lines, "anna")
    assert (count.added, count.known) == (0, 2)


async def test_what_was_deleted_comes_back_by_an_import(bench: EngineBench) -> None:
    engine = bench.engine()
    kept_one, gone = [await engine.add(text, user_id="anna") for text in ("stays", "goes")]
    lines = await lines_of(engine, "anna")
    await engine.delete(gone.id, user_id="anna")
    assert (await take_in(engine, lines, "anna")).added == 1
    assert {one.content for one in await stored(engine, "anna")} == {"stays", "goes"}
    assert (await engine.get(kept_one.id, user_id="anna")).content == "stays"


async def test_the_ids_of_another_owner_are_not_known(bench: EngineBench) -> None:
    """S1: an export tells ids; whoever takes it in learns nothing of whose they are."""
    engine = bench.engine()
    await engine.add("secret of Anna", user_id="anna")
    lines = await lines_of(engine, "anna")
    assert (await take_in(engine, lines, "ben")).added == 1
    assert await lines_of(engine, "carl") == []


async def test_former_versions_travel_with_a_memory(bench: EngineBench) -> None:
    engine = bench.engine()
    added = await engine.add("first", user_id="anna")
    bench.clock.advance(minutes=1)
    await engine.update(added.id, user_id="anna", content="second")
    [line] = await lines_of(engine, "anna")
    record = json.loads(line)["record"]
    assert record["content"] == "second"
    assert [(one["version"], one["content"]) for one in record["history"]] == [(1, "first")]
    assert read_line(line).fields["content"] == "second"


async def test_what_has_expired_is_not_handed_out(bench: EngineBench) -> None:
    engine = bench.engine()
    await engine.add("soon over", user_id="anna", expires_at=NOW + timedelta(minutes=1))
    await engine.add("stays", user_id="anna")
    bench.clock.advance(minutes=2)
    assert [one.content for one in await stored(engine, "anna")] == ["stays"]


# --- lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b'"text"', "no JSON object"),
        (b"[1]", "no JSON object"),
        (b'{"kind": "memory"}', "record"),
        (b'{"kind": "memory", "record": [1]}', "record"),
        (b'{"kind": "memory", "record": {"content": "x"}}', "id"),
        (b'{"kind": "receipt", "record": {}}', "receipt"),
        (b'{"kind": {}, "record": {}}', "kind"),
        (b'{"kind": [], "record": {}}', "kind"),
        (b'{"kind": "memory", "record": {"id": "1", "provenance": {"x": 1}}}', "provenance"),
        (b'{"kind": "memory", "record": {"id": "1", "provenance": {"agent": 5}}}', "agent"),
        (b'{"kind": "memory", "record": {"id": "1", "provenance": {"trust": "high"}}}', "trust"),
        (b'"' + b"x" * MAX_LINE_BYTES + b'"', "bytes"),
    ],
)
def test_a_line_that_is_none_says_what_is_wrong(text: bytes, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read_line(text)


def test_lines_of_other_kinds_are_told_apart() -> None:
    assert read_line(b'{"kind": "session", "record": {"id": "s"}}').kind == "other"
    end = read_line(b'{"kind": "end", "record": {"memory": 3}}')
    assert (end.kind, end.fields) == ("end", {"memory": 3})
    plain = read_line(b'{"content": "x", "speaker": "Anna"}')
    assert (plain.kind, plain.fields, plain.exported) == ("memory", {"content": "x", "speaker": "Anna"}, False)


def test_a_line_is_one_line_whatever_the_memory_holds() -> None:
    memory = build_document("two\nlines\u2028\u2029\x1f").memory
    line = memory_line(memory)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert read_line(line).fields["content"] == memory.content
