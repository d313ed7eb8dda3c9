"""An ingest whose texts are read by further processes ends as one without them, whatever happens to these."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from context0.memory.engine import MemoryEngine
from context0.memory.ingest import IngestStopped
from context0.memory.readers import Readers
from context0.memory.writing import read_texts
from stores.records import Memory
from tests.contracts.builders import NOW
from tests.engine_bench import EngineBench, open_bench

SIZE: Final = 2_300
SAYINGS: Final = (
    "I moved to City{n} last month, and Ben plays the violin.",
    "My sister's name is Clara{n} — she's allergic to nuts!",
    "We met at the café on 3 May at 5 pm; it was number {n}.",
    "Ich wohne seit {n} Tagen in München.",
)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench("sqlite", tmp_path) as opened:
        yield opened


def items(size: int = SIZE) -> list[Any]:
    said = datetime(2025, 3, 1, 12, tzinfo=UTC)
    return [
        {
            "content": SAYINGS[n % len(SAYINGS)].format(n=n),
            "speaker": ("Anna", None)[n % 2],
            "occurred_at": said + timedelta(hours=n),
            "tags": ["told"],
        }
        for n in range(size)
    ]


async def all_of(engine: MemoryEngine, user_id: str) -> list[tuple[object, ...]]:
    """Return what is stored of each memory but what tells it apart: also what the indexes in memory are made from."""
    scans = engine._parts.documents.scan(scope=(await _scope(user_id)))
    rows = [row async for batch in scans for row in batch]
    kept = [
        (one.content, one.entities, one.index.state, one.embedding_model, one.valid_from, one.invalid_at)
        async for one, _ in engine.export(user_id=user_id)
    ]
    indexed = [(row.terms, row.entity_terms, row.embedding, row.traits) for row in rows]
    return [(*one, *row) for one, row in zip(kept, indexed, strict=True)]


async def _scope(user_id: str) -> Any:
    from stores.records import Scope

    return Scope(owner=user_id)


def children() -> set[int]:
    """Return the processes that this one has started and that still run."""
    return {
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _parent(entry) == os.getpid()
    }


def _parent(entry: Path) -> int:
    try:
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):  # it has ended meanwhile
        return 0
    return 0 if state == "Z" else int(parent)


async def facts_of(engine: MemoryEngine, user_id: str) -> list[tuple[object, ...]]:
    told = [*await engine.facts(user_id=user_id), *await engine.facts(user_id=user_id, about="Anna")]
    return [(one.subject, one.relation, one.object, one.valid_from, one.invalid_at) for one in told]


async def test_what_further_processes_read_is_what_is_read_here(bench: EngineBench) -> None:
    """B4"""
    plain, helped = bench.engine(), bench.engine(ingest_readers=2)
    await plain.ingest(items(), user_id="plain")
    count = await helped.ingest(items(), user_id="helped")
    assert (count.read, count.added) == (SIZE, SIZE)
    assert await all_of(helped, "helped") == await all_of(plain, "plain")
    assert await facts_of(helped, "helped") == await facts_of(plain, "plain")


async def test_a_batch_starts_no_process_and_none_outlives_its_ingest(bench: EngineBench) -> None:
    engine = bench.engine(ingest_readers=2)
    await engine.list(user_id="anna")
    before, seen = children(), []
    await engine.ingest(items(900), user_id="anna", on_progress=lambda _: seen.append(children() - before))
    assert seen == [set()]
    await engine.ingest(items(), user_id="ben", on_progress=lambda _: seen.append(children() - before))
    assert max(map(len, seen)) == 2
    assert children() == before


async def test_processes_end_with_an_ingest_that_breaks_off(bench: EngineBench) -> None:
    engine = bench.engine(ingest_readers=2)
    await engine.list(user_id="anna")
    before = children()
    with pytest.raises(IngestStopped) as stopped:
        await engine.ingest([*items(), {"content": ""}], user_id="anna")
    assert stopped.value.count.read == SIZE
    assert children() == before


async def test_what_a_killed_process_was_to_read_is_read_here(bench: EngineBench) -> None:
    plain, helped = bench.engine(), bench.engine(ingest_readers=2)
    await plain.ingest(items(4_500), user_id="plain")
    before, killed = children(), set[int]()

    def kill(_: object) -> None:
        for process in children() - before - killed:
            os.kill(process, signal.SIGKILL)
            killed.add(process)

    await helped.ingest(items(4_500), user_id="helped", on_progress=kill)
    assert len(killed) == 2
    assert await all_of(helped, "helped") == await all_of(plain, "plain")


async def test_what_a_hanging_process_was_to_read_is_read_here(
    bench: EngineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("context0.memory.readers._ANSWERED_S", 0.5)
    plain, helped = bench.engine(), bench.engine(ingest_readers=2)
    await plain.ingest(items(4_500), user_id="plain")
    before, stopped = children(), set[int]()

    def stop(_: object) -> None:
        for process in children() - before - stopped:
            os.kill(process, signal.SIGSTOP)
            stopped.add(process)

    await helped.ingest(items(4_500), user_id="helped", on_progress=stop)
    assert len(stopped) == 2
    assert await all_of(helped, "helped") == await all_of(plain, "plain")
    assert children() == before


async def test_without_a_process_to_be_had_all_is_read_here(
    bench: EngineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    count = await bench.engine(ingest_readers=2).ingest(items(), user_id="anna")
    assert count.added == SIZE


async def test_readers_take_any_text_and_any_number_of_them() -> None:
    texts = [
        "",
        "\ud800 I live in \ud800.",
        "I'm \x00",
        "x" * 70_000,
        "我住在慕尼黑",
        *(f"I like tea{n}" for n in range(7)),
    ]
    memories = [
        Memory(id=str(n), user_id="anna", content=text, created_at=NOW, updated_at=NOW)  # type: ignore[arg-type]
        for n, text in enumerate(texts)
    ]
    readers = Readers(3)
    try:
        for size in (1, 1, 2, len(memories)):
            assert await readers.read(memories[:size]) == read_texts(memories[:size])
    finally:
        await readers.aclose()
        await readers.aclose()
