"""DocumentStore: opening, writing, reading, paging, metadata."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stores.protocols import DocumentStore
from stores.records import IndexState, Keyset, Memory, MemoryId, Provenance, Scope
from tests.contracts.backends import Backend, Capability, DocumentBench
from tests.contracts.builders import (
    ANNA,
    BEN,
    FUTURE,
    MILLISECOND,
    NOW,
    PAST,
    build_document,
    build_many,
    build_relation,
    document_of,
    find,
    ids_of,
    memory_ids,
    named,
    new_id,
    put,
    rows_of,
    unit_vector,
)

MANY = 100
HOSTILE_TEXTS = (
    "👩‍👩‍👧‍👦 family, 🇩🇪 flag, 𝕬𝖓𝖓𝖆",
    "שלום עולם \u202eright to left\u202c مرحبا",
    "zero\u200dwidth\u200bjoiner\ufeff and \u2028 separators",
    "e\u0301 is not é",
    "line one\nline two\r\nthree\ttab\x07bell\x1b[31m",
    "'; DROP TABLE memories; -- \" ` \\ % _ [a-z]* {$gt: 1} $where ${jndi} {{x}}",
    "\U0010ffff \uffff ÿ",
    "   ",
    "x" * 70_000,
)


async def page_through(store: DocumentStore, *, limit: int, scope: Scope = ANNA) -> list[Memory]:
    found: list[Memory] = []
    after = None
    while page := await store.list_page(scope=scope, limit=limit, after=after, now=NOW):
        found += page
        after = keyset_of(page[-1])
        assert len(found) <= MANY, "the pages do not end"
    return found


def keyset_of(memory: Memory) -> Keyset:
    return Keyset(round(memory.created_at.timestamp() * 1000), memory.id)


# --- opening and closing


async def test_a_store_may_be_opened_again_and_closed_twice(
    document_backend: Backend[DocumentBench], tmp_path: Path
) -> None:
    async with document_backend.open(tmp_path) as bench:
        document = build_document()
        await put(bench.documents, document)
        await bench.documents.open()
        await bench.documents.ping()
        assert await find(bench.documents, document.memory.id) == document.memory
        await bench.documents.aclose()
        await bench.documents.aclose()


async def test_a_store_has_a_short_name_and_says_which_indexes_it_covers(documents: DocumentStore) -> None:
    assert documents.name.isidentifier()
    assert documents.covers <= {"keyword", "graph"}


@pytest.mark.needs(Capability.DURABLE)
async def test_what_was_acknowledged_is_there_for_another_store_and_after_reopening(
    document_backend: Backend[DocumentBench], tmp_path: Path
) -> None:
    document = build_document("durable", embedding=unit_vector(1), relations=[build_relation("anna", "munich")])
    async with document_backend.open(tmp_path) as first:
        await first.put([document], ANNA)
        async with document_backend.open(tmp_path) as second:
            assert await find(second.documents, document.memory.id) == document.memory
    async with document_backend.open(tmp_path) as third:
        assert await find(third.documents, document.memory.id) == document.memory
        [row] = await rows_of(third.documents)
        assert row.embedding == document.embedding
        assert [hit.id for hit in await third.documents.keyword(["durable"], "durable", scope=ANNA, limit=9, now=NOW)]
        assert [hit.id for hit in await third.graph.search(["anna"], scope=ANNA, limit=9)]


# --- put_many, get_many


async def test_a_memory_comes_back_with_every_field_as_it_was(documents: DocumentStore) -> None:
    full = Memory(
        id=new_id(),
        user_id=ANNA.owner,
        content="Anna moved to Munich",
        created_at=PAST + MILLISECOND,
        updated_at=PAST + 2 * MILLISECOND,
        memory_type="episodic",
        speaker="Anna",
        agent_id="agent",
        session_id="session",
        session_seq=7,
        tags=("move", "city"),
        entities=("anna", "munich"),
        summary="moved",
        importance=0.123456789,
        confidence=0.1,
        occurred_at=datetime(1962, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC),
        valid_from=datetime(2020, 2, 29, tzinfo=UTC),
        invalid_at=datetime(2999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        superseded_by=new_id(),
        expires_at=FUTURE,
        content_hash="abc",
        embedding_model="model@8",
        index=IndexState(state="failed", generation=3, attempts=2, next_attempt_at=FUTURE),
        provenance=Provenance(session_id="s", message_id="m", agent="a", trust=0.25),
        metadata={"a": {"b": [1, 2.5, None, True, "x", {}], "": []}, "ключ": "ÿ", "big": 2**63 - 1, "one": 1.0},
        version=3,
    )
    [stored] = await put(documents, document_of(full))
    found = await find(documents, full.id)
    assert stored == full
    assert found == full
    assert json.dumps(found.metadata) == json.dumps(full.metadata)


async def test_a_memory_with_nothing_optional_comes_back_with_the_defaults(documents: DocumentStore) -> None:
    bare = Memory(id=new_id(), user_id=ANNA.owner, content="x", created_at=PAST, updated_at=PAST)
    assert await put(documents, document_of(bare)) == [bare]
    assert await find(documents, bare.id) == bare


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
async def test_hostile_text_comes_back_unchanged_in_every_field(documents: DocumentStore, text: str) -> None:
    scope = Scope(owner=f"owner {text}"[:300])
    document = build_document(
        text,
        scope=scope,
        key=text[:1000],
        speaker=text[:300],
        session_id=text[:300],
        agent_id=text[:300],
        tags=(text[:300],),
        entities=(text[:300],),
        summary=text,
        metadata={"text": text, "list": [text], "key": {text[:50].replace("$", "").replace(".", ""): 1}},
    )
    await put(documents, document, scope=scope)
    assert await find(documents, document.memory.id, scope=scope) == document.memory
    assert await documents.list_page(scope=scope, limit=9, now=NOW) == [document.memory]
    assert await put(documents, build_document("again", scope=scope, key=text[:1000]), scope=scope) == [document.memory]


async def test_put_many_answers_in_the_order_of_its_documents(documents: DocumentStore) -> None:
    given = build_many(20)[::-1]
    assert ids_of(await put(documents, *given)) == memory_ids(given)


async def test_get_many_answers_in_the_order_of_the_ids_without_the_unknown(documents: DocumentStore) -> None:
    given = memory_ids(build_many(20))
    await put(documents, *build_many(20))
    asked = [given[7], new_id(), given[3], MemoryId(""), MemoryId("' OR 1=1 --"), given[19], MemoryId("%"), given[0]]
    found = await documents.get_many(asked, scope=ANNA, now=NOW)
    assert ids_of(found) == [given[7], given[3], given[19], given[0]]
    assert await documents.get_many([], scope=ANNA, now=NOW) == []


async def test_large_calls_work_whole(documents: DocumentStore) -> None:
    given = build_many(1_500)
    ids = memory_ids(given)
    assert ids_of(await put(documents, *given)) == ids
    assert ids_of(await documents.get_many(ids[:1000], scope=ANNA, now=NOW)) == ids[:1000]
    assert ids_of(await documents.list_page(scope=ANNA, limit=1001, now=NOW)) == ids[::-1][:1001]
    assert [row.id for row in await rows_of(documents)] == ids
    among = frozenset(ids[:1200])
    hits = await documents.keyword(["note"], "note", scope=ANNA, limit=1000, among=among, now=NOW)
    assert len(hits) == 1000
    assert set(ids_of(hits)) <= among


@pytest.mark.parametrize("patience", [0, 1, 3, 10])
async def test_a_cancelled_put_leaves_nothing_half_written(
    document_backend: Backend[DocumentBench], documents: DocumentStore, patience: int
) -> None:
    given = {document.memory.id: document.memory for document in build_many(200)}
    write = asyncio.create_task(put(documents, *map(document_of, given.values())))
    for _ in range(patience):
        await asyncio.sleep(0)
    write.cancel()
    await asyncio.gather(write, return_exceptions=True)
    found = await documents.list_page(scope=ANNA, limit=1001, now=NOW)
    assert all(memory == given[memory.id] for memory in found)
    if Capability.ATOMIC_BATCH in document_backend.capabilities:
        assert len(found) in (0, 200)


async def test_times_are_kept_to_the_millisecond(documents: DocumentStore) -> None:
    moments = [PAST + timedelta(milliseconds=n) for n in (0, 1, 499, 500, 999)]
    given = [build_document(f"at {moment}", at=moment, occurred_at=moment) for moment in moments]
    await put(documents, *given)
    found = await documents.get_many(memory_ids(given), scope=ANNA, now=NOW)
    assert [memory.occurred_at for memory in found] == moments
    assert [memory.created_at for memory in found] == moments


# --- dedupe keys


async def test_a_key_that_a_live_memory_has_is_not_written_again(documents: DocumentStore) -> None:
    first, second = build_document("first", key="k"), build_document("second", key="k")
    assert await put(documents, first) == [first.memory]
    assert await put(documents, second) == [first.memory]
    assert await find(documents, second.memory.id) is None
    assert (await documents.count(ANNA))["memories"] == 1


async def test_a_key_counts_inside_one_call_too(documents: DocumentStore) -> None:
    stored = build_document("stored", key="stored")
    await put(documents, stored)
    one, two, other = build_document("one", key="k"), build_document("two", key="k"), build_document("other")
    answer = await put(documents, one, build_document("again", key="stored"), other, two)
    assert answer == [one.memory, stored.memory, other.memory, one.memory]
    assert (await documents.count(ANNA))["memories"] == 3


async def test_a_key_holds_under_concurrency(documents: DocumentStore) -> None:
    answers = await asyncio.gather(*(put(documents, build_document(f"writer {n}", key="k")) for n in range(50)))
    [winner] = await documents.list_page(scope=ANNA, limit=9, now=NOW)
    assert answers == [[winner]] * 50


@pytest.mark.needs(Capability.DURABLE)
async def test_a_key_holds_between_two_stores_on_the_same_place(
    document_backend: Backend[DocumentBench], tmp_path: Path
) -> None:
    async with document_backend.open(tmp_path) as left, document_backend.open(tmp_path) as right:
        answers = await asyncio.gather(
            *(put((left, right)[n % 2].documents, build_document(f"writer {n}", key="k")) for n in range(20))
        )
        [winner] = await right.documents.list_page(scope=ANNA, limit=9, now=NOW)
    assert answers == [[winner]] * 20


async def test_the_key_of_a_deleted_memory_is_free(documents: DocumentStore) -> None:
    first, second = build_document("first", key="k"), build_document("second", key="k")
    await put(documents, first)
    await documents.delete(first.memory.id, scope=ANNA, now=NOW)
    assert await put(documents, second) == [second.memory]
    assert await documents.list_page(scope=ANNA, limit=9, now=NOW) == [second.memory]


async def test_the_key_of_an_expired_memory_is_free(documents: DocumentStore) -> None:
    first, second = build_document("first", key="k", expires_at=FUTURE), build_document("second", key="k")
    await put(documents, first, now=NOW)
    assert await put(documents, second, now=FUTURE - MILLISECOND) == [first.memory]
    assert await put(documents, second, now=FUTURE) == [second.memory]
    assert await documents.list_page(scope=ANNA, limit=9, now=FUTURE) == [second.memory]
    assert await put(documents, build_document("third", key="k"), now=FUTURE) == [second.memory]


async def test_the_key_that_a_memory_gave_up_by_an_update_is_free(documents: DocumentStore) -> None:
    first = build_document("first", key="old")
    await put(documents, first)
    changed = build_document("changed", key="new", id=first.memory.id, version=2)
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    second = build_document("second", key="old")
    assert await put(documents, second, build_document("third", key="new")) == [second.memory, changed.memory]


async def test_the_same_key_of_another_owner_is_another_memory(documents: DocumentStore) -> None:
    hers, his = build_document("hers", key="k"), build_document("his", key="k", scope=BEN)
    await put(documents, hers)
    assert await put(documents, his, scope=BEN) == [his.memory]
    assert await documents.list_page(scope=ANNA, limit=9, now=NOW) == [hers.memory]


# --- list_page


async def test_a_list_is_newest_first_and_at_most_the_limit(documents: DocumentStore) -> None:
    given = build_many(30)
    await put(documents, *given[10:], *given[:10])
    newest = memory_ids(given)[::-1]
    assert ids_of(await documents.list_page(scope=ANNA, limit=1, now=NOW)) == newest[:1]
    assert ids_of(await documents.list_page(scope=ANNA, limit=30, now=NOW)) == newest
    assert ids_of(await documents.list_page(scope=ANNA, limit=1001, now=NOW)) == newest


@pytest.mark.parametrize("limit", [1, 3, 7, 10, 11])
async def test_pages_give_each_memory_once_even_when_all_were_stored_at_the_same_time(
    documents: DocumentStore, limit: int
) -> None:
    given = [build_document(f"note {n}", id=named(n), at=PAST) for n in (4, 2, 9, 0, 7, 5, 1, 8, 3, 6)]
    await put(documents, *given)
    assert ids_of(await page_through(documents, limit=limit)) == [named(n) for n in range(9, -1, -1)]


async def test_pages_stay_stable_while_memories_arrive_and_the_last_row_is_deleted(documents: DocumentStore) -> None:
    await put(documents, *build_many(10))
    seen: list[int] = []
    after = None
    while page := await documents.list_page(scope=ANNA, limit=3, after=after, now=NOW):
        seen += [int(memory.id[-12:]) for memory in page]
        after = keyset_of(page[-1])
        assert len(seen) <= MANY, "the pages do not end"
        await documents.delete(page[-1].id, scope=ANNA, now=NOW)
        await put(documents, build_document("newer", at=NOW + len(seen) * MILLISECOND))
    assert seen == list(range(9, -1, -1))


async def test_a_page_may_start_behind_a_memory_that_never_was(documents: DocumentStore) -> None:
    given = build_many(5)
    await put(documents, *given)
    between = Keyset(round((PAST + 2 * MILLISECOND).timestamp() * 1000), "~")
    assert ids_of(await documents.list_page(scope=ANNA, limit=9, after=between, now=NOW)) == [
        named(2),
        named(1),
        named(0),
    ]
    assert await documents.list_page(scope=ANNA, limit=9, after=Keyset(0, ""), now=NOW) == []


# --- metadata of the store


async def test_the_first_writer_of_a_meta_key_wins_unless_it_is_replaced(documents: DocumentStore) -> None:
    assert await documents.get_meta("model") is None
    assert await documents.put_meta("model", b"one\x00\xff") == b"one\x00\xff"
    assert await documents.put_meta("model", b"two") == b"one\x00\xff"
    assert await documents.get_meta("model") == b"one\x00\xff"
    assert await documents.put_meta("model", b"three", replace=True) == b"three"
    assert await documents.get_meta("model") == b"three"
    assert await documents.get_meta("Model") is None


async def test_all_the_concurrent_writers_of_a_meta_key_learn_the_same_winner(documents: DocumentStore) -> None:
    told = await asyncio.gather(*(documents.put_meta("key", str(n).encode()) for n in range(20)))
    assert set(told) == {await documents.get_meta("key")}


async def test_the_status_tells_plain_facts(documents: DocumentStore) -> None:
    await put(documents, build_document(), build_document(index=IndexState(state="failed")))
    status = await documents.status()
    assert status
    assert all(isinstance(name, str) and isinstance(fact, int | str) for name, fact in status.items())
