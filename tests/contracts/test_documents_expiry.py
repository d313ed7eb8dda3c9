"""DocumentStore: a memory whose time is over is invisible to every read, and is left to the sweeper."""

from datetime import datetime

import pytest

from stores.errors import NotFound
from stores.filters import parse_filter
from stores.protocols import DocumentStore
from stores.records import Document, TimeWindow
from tests.contracts.builders import (
    ANNA,
    BEN,
    FUTURE,
    MILLISECOND,
    NOW,
    PENDING,
    build_document,
    document_of,
    find,
    ids_of,
    memory_ids,
    put,
    rows_of,
)
from tests.contracts.introspection import methods_taking, probes_in

NOT_READS = {"put_many", "delete", "settle", "expired", "quarantined"}


# Each probe says whether the method, asked at `now`, still sees the memory.


async def probe_get_many(store: DocumentStore, document: Document, now: datetime) -> bool:
    return bool(await store.get_many([document.memory.id], scope=ANNA, now=now))


async def probe_list_page(store: DocumentStore, document: Document, now: datetime) -> bool:
    return bool(await store.list_page(scope=ANNA, limit=9, now=now))


async def probe_match(store: DocumentStore, document: Document, now: datetime) -> bool:
    return bool(await store.match(parse_filter({"NOT": {"speaker": "nobody"}}), scope=ANNA, now=now))


async def probe_update(store: DocumentStore, document: Document, now: datetime) -> bool:
    try:
        await store.update(document, scope=ANNA, expected_version=1, now=now)
    except NotFound:
        return False
    return True


async def probe_history(store: DocumentStore, document: Document, now: datetime) -> bool:
    try:
        return bool(await store.history(document.memory.id, scope=ANNA, now=now))
    except NotFound:
        return False


async def probe_keyword(store: DocumentStore, document: Document, now: datetime) -> bool:
    return bool(await store.keyword(["expiring"], "expiring", scope=ANNA, limit=9, now=now))


async def probe_temporal(store: DocumentStore, document: Document, now: datetime) -> bool:
    return bool(await store.temporal(TimeWindow(), scope=ANNA, limit=9, now=now))


async def probe_pending(store: DocumentStore, document: Document, now: datetime) -> bool:
    return bool(await store.pending(limit=9, now=now))


async def probe_claim(store: DocumentStore, document: Document, now: datetime) -> bool:
    return bool(await store.claim(limit=9, now=now, until=now))


PROBES = probes_in(globals())


def test_every_method_that_takes_a_time_is_probed() -> None:
    assert set(PROBES) == methods_taking(DocumentStore, "now") - NOT_READS


@pytest.mark.parametrize("method", PROBES)
async def test_a_memory_is_seen_until_its_time_is_over_and_not_after(documents: DocumentStore, method: str) -> None:
    document = build_document("expiring", index=PENDING, expires_at=FUTURE)
    await put(documents, document)
    assert await PROBES[method](documents, document, FUTURE - MILLISECOND) is True
    assert await PROBES[method](documents, document, FUTURE) is False


async def test_the_sweeper_is_told_of_expired_memories_of_every_owner_until_they_are_deleted(
    documents: DocumentStore,
) -> None:
    hers, his = build_document("hers", expires_at=FUTURE), build_document("his", scope=BEN, expires_at=FUTURE)
    await put(documents, hers, build_document("stays"), build_document("later", expires_at=FUTURE + MILLISECOND))
    await put(documents, his, scope=BEN)
    assert await documents.expired(limit=9, now=FUTURE - MILLISECOND) == []
    assert len(await documents.expired(limit=1, now=FUTURE)) == 1
    told = await documents.expired(limit=9, now=FUTURE)
    assert sorted(told, key=str) == sorted([(ANNA, hers.memory.id), (BEN, his.memory.id)], key=str)

    assert await documents.delete(hers.memory.id, scope=ANNA, now=FUTURE) is True
    assert await documents.expired(limit=9, now=FUTURE) == [(BEN, his.memory.id)]
    assert [row.id for row in await rows_of(documents, since=FUTURE)] == [hers.memory.id]


async def test_expired_memories_do_not_take_places_in_a_page_or_a_result(documents: DocumentStore) -> None:
    expired = [build_document("same words", at=NOW, expires_at=NOW) for _ in range(5)]
    alive = [build_document("same words") for _ in range(3)]
    await put(documents, *expired, *alive, now=NOW - MILLISECOND)
    ids = set(memory_ids(alive))
    assert set(ids_of(await documents.list_page(scope=ANNA, limit=3, now=NOW))) == ids
    assert set(ids_of(await documents.keyword(["same"], "same", scope=ANNA, limit=3, now=NOW))) == ids
    assert set(ids_of(await documents.temporal(TimeWindow(), scope=ANNA, limit=3, now=NOW))) == ids


async def test_a_scan_brings_expired_rows_with_their_end(documents: DocumentStore) -> None:
    document = build_document(expires_at=NOW)
    await put(documents, document, now=NOW - MILLISECOND)
    [row] = await rows_of(documents)
    assert (row.live, row.expires_ms) == (True, round(NOW.timestamp() * 1000))
    assert (await documents.count(ANNA))["memories"] == 1


async def test_an_update_may_move_the_end(documents: DocumentStore) -> None:
    document = build_document(expires_at=FUTURE)
    await put(documents, document)
    longer = build_document(id=document.memory.id, key=document.dedupe_key, version=2)
    await documents.update(longer, scope=ANNA, expected_version=1, now=NOW)
    assert await find(documents, document.memory.id, now=FUTURE) == longer.memory
    shorter = document_of(build_document(id=document.memory.id, version=3, expires_at=NOW + MILLISECOND).memory)
    await documents.update(shorter, scope=ANNA, expected_version=2, now=NOW)
    assert await find(documents, document.memory.id, now=NOW + MILLISECOND) is None
