"""What every store of audit trails does, and how a line that is missing, changed or put in shows."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from context0.api.audit import AuditEvent, AuditTrail
from stores.audit import AuditHead, AuditLine, AuditStore, chained, first_broken
from stores.errors import Conflict, Unavailable
from stores.lateness import digest_of
from stores.reference.audit import ReferenceAudit
from stores.sqlite.audit import SqliteAudit
from tests.contracts.backends import Backend
from tests.contracts.builders import NOW
from tests.contracts.small_stores import small_backends
from tests.engine_bench import Faulty

KEY = bytes(range(32))
ANNA, BEN = digest_of("anna"), digest_of("ben")


BACKENDS: Mapping[str, Backend[AuditStore]] = small_backends(
    ReferenceAudit, SqliteAudit, "stores.mongo.audit:MongoAudit"
)


@pytest.fixture(params=BACKENDS.values(), ids=BACKENDS.keys())
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AuditStore]:
    async with request.param.open(tmp_path) as opened:
        yield opened


def event(number: int, owner: str = "anna") -> AuditEvent:
    return AuditEvent(
        owner=owner, at=NOW, actor="key:1", action="POST /v1/memories", targets=[f"m{number}"], outcome="201"
    )


def lines_of(number: int) -> list[AuditLine]:
    lines: list[AuditLine] = []
    for seq in range(1, number + 1):
        line = AuditLine(owner=ANNA, seq=seq, at=NOW, actor="key:1", action="a", targets=("m",), total=1)
        lines.append(chained(line, lines[-1].code if lines else "", KEY))
    return lines


async def test_lines_are_given_back_as_they_were_written_newest_first(store: AuditStore) -> None:
    lines = lines_of(5)
    assert await store.head(ANNA) == AuditHead()
    await store.append(lines[:2])
    await store.append(lines[2:])
    assert await store.list_page(ANNA, limit=2) == lines[:2:-1]
    assert await store.list_page(ANNA, limit=9, before=4) == lines[2::-1]
    assert await store.list_page(BEN, limit=9) == []
    assert await store.head(ANNA) == AuditHead(5, lines[-1].code)
    assert await first_broken(store, ANNA, KEY) is None
    assert await first_broken(store, BEN, KEY) is None


async def test_a_number_is_taken_once(store: AuditStore) -> None:
    lines = lines_of(3)
    await store.append(lines[:2])
    with pytest.raises(Conflict):
        await store.append([replace(lines[1], actor="key:2"), lines[2]])
    assert await store.list_page(ANNA, limit=9) == lines[1::-1]
    assert await store.head(ANNA) == AuditHead(2, lines[1].code)


async def test_two_processes_keep_one_whole_chain(store: AuditStore) -> None:
    one, two = AuditTrail(store, KEY), AuditTrail(store, KEY)
    await asyncio.gather(*(trail.write(event(n)) for n in range(6) for trail in (one, two)))
    lines = await store.list_page(ANNA, limit=99)
    assert [line.seq for line in lines] == list(range(12, 0, -1))
    assert sorted(line.targets[0] for line in lines) == sorted(f"m{n}" for n in range(6) for _ in range(2))
    assert await first_broken(store, ANNA, KEY) is None


@pytest.mark.parametrize("gone", [1, 3, 5])
async def test_a_line_that_is_gone_shows_at_the_end_too(gone: int) -> None:
    store = ReferenceAudit()
    await store.append(lines_of(5))
    del store.lines[ANNA][gone]
    assert await first_broken(store, ANNA, KEY) == gone


@pytest.mark.parametrize("seq", [1, 3, 5])
async def test_a_line_that_was_changed_shows(seq: int) -> None:
    store = ReferenceAudit()
    await store.append(lines_of(5))
    store.lines[ANNA][seq] = replace(store.lines[ANNA][seq], actor="somebody else")
    assert await first_broken(store, ANNA, KEY) == seq
    assert await first_broken(store, ANNA, bytes(32)) == 1, "without the key nobody can write it anew"


async def test_a_trail_that_is_gone_whole_shows_and_one_that_goes_on_after_a_cut_is_not_healed() -> None:
    store = ReferenceAudit()
    await store.append(lines_of(3))
    store.lines[ANNA].clear()
    assert await first_broken(store, ANNA, KEY) == 1
    await AuditTrail(store, KEY).write(event(4))
    assert await first_broken(store, ANNA, KEY) == 1


async def test_a_head_that_a_crash_left_behind_is_brought_forward() -> None:
    store = ReferenceAudit()
    await store.append(lines_of(3))
    store.heads[ANNA] = AuditHead(2, store.lines[ANNA][2].code)
    assert await first_broken(store, ANNA, KEY) is None
    await AuditTrail(store, KEY).write(event(4))
    assert (await store.head(ANNA)).seq == 4
    assert await first_broken(store, ANNA, KEY) is None


async def test_reads_wait_and_are_written_at_the_end_and_none_is_lost_when_the_store_is_down() -> None:
    store = ReferenceAudit()
    faulty: Any = Faulty(store)
    trail = AuditTrail(faulty, KEY, level="all")
    for n in range(3):
        await trail.read(event(n))
        await trail.read(event(n, "ben"))
    assert not store.lines
    faulty.down("append")
    with pytest.raises(Unavailable):
        await trail.flush()
    faulty.repair()
    await trail.aclose()
    assert [len(store.lines[owner]) for owner in (ANNA, BEN)] == [3, 3]
    assert await first_broken(store, ANNA, KEY) is None
