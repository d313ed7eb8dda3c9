"""kill -9 while the vectors of a large owner are built: the next process goes on where the killed one was."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

from stores.local import editions
from stores.sqlite import documents as sqlite_documents
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from tests.contracts.builders import ANNA
from tests.faults.vectors_builder import ROWS_AT_ONCE
from tests.local_vectors import clustered, fill, folders_in, local_vectors, recall

MANY = 3_600


async def killed_after(folder: Path, steps: int, delay_s: float) -> int:
    """Run the builder, kill it some moments after so many steps, and return how many rows the last one told had."""
    command = (sys.executable, "-m", "tests.faults.vectors_builder", str(folder))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    told = 0
    for _ in range(steps):
        told = int((await process.stdout.readline()).split()[0])
        process.stdin.write(b"\n")
    await asyncio.sleep(delay_s)
    process.kill()
    await process.wait()
    return told


async def test_a_killed_build_goes_on_where_it_was_and_is_whole_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_documents, "_SCAN_ROWS", ROWS_AT_ONCE)
    rows = clustered(MANY)
    documents = SqliteDocuments(SqliteDatabase(tmp_path / "context0.db"))
    await documents.open()
    await fill(documents, rows)
    draw = random.Random(3)
    done = 0
    for steps in (0, 1, 2, 3):
        told = await killed_after(tmp_path, steps, draw.uniform(0, 0.05) + (1.0 if steps == 0 else 0.0))
        assert steps == 0 or told == done + 300 * steps, "it began anew"
        for owner in folders_in(tmp_path / "vectors") if (tmp_path / "vectors").exists() else ():
            edition = editions.newest(owner)
            if edition is not None:
                edition.verify()
                assert edition.manifest.rows >= told
                done = edition.manifest.rows
    told_here: list[int] = []
    store = local_vectors(documents, tmp_path / "vectors")
    assert await store.build(ANNA, lambda rows_done, _: told_here.append(rows_done)) == MANY
    assert told_here == [*range(done + 300, MANY + 1, 300), MANY], "only what was missing was written"
    assert await recall(store, rows) >= 0.99
    await store.aclose()
    await documents.aclose()
