"""Writes that wait together: one transaction, each whole or not there, each told what became of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from stores.errors import Full, NotFound, Unavailable
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.joined import Joined
from stores.sqlite.rows import query


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "context0.db")
    await database.open()
    yield database
    await database.aclose()


def _put(key: str, connection: apsw.Connection) -> str:
    connection.execute("INSERT INTO meta VALUES (?, x'')", (key,))
    return key


def _put_and_fail(key: str, failure: Exception, connection: apsw.Connection) -> None:
    _put(key, connection)
    raise failure


def _put_all(keys: Sequence[str], connection: apsw.Connection) -> list[str | Exception]:
    counted = [f"{key} of {len(keys)}" for key in keys]
    connection.executemany("INSERT INTO meta VALUES (?, x'')", [(key,) for key in keys if key != "no"])
    return [NotFound("no") if key == "no" else told for key, told in zip(keys, counted, strict=True)]


async def _keys(database: SqliteDatabase) -> set[str]:
    rows = await database.read(lambda connection: query(connection, "SELECT key FROM meta"))
    return {key for (key,) in rows}


async def test_a_write_that_fails_undoes_itself_alone(database: SqliteDatabase) -> None:
    works: list[Callable[[apsw.Connection], Any]] = [
        partial(_put, "a"),
        partial(_put_and_fail, "b", NotFound("b")),
        partial(_put, "a"),
        partial(_put, "c"),
    ]
    outcomes = await asyncio.gather(*map(database.write, works), return_exceptions=True)
    assert [outcomes[0], outcomes[3]] == ["a", "c"]
    assert isinstance(outcomes[1], NotFound)
    assert type(outcomes[2]).__name__ == "Conflict"
    assert await _keys(database) == {"a", "c"}


async def test_a_full_disk_fails_all_that_wait_together_and_none_before(database: SqliteDatabase) -> None:
    first = asyncio.create_task(database.write(partial(_put, "first")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # its transaction is under way
    behind = [partial(_put, "b"), partial(_put_and_fail, "c", apsw.FullError("full"))]
    outcomes = await asyncio.gather(*map(database.write, behind), return_exceptions=True)
    assert all(isinstance(outcome, Full) for outcome in outcomes)
    assert await first == "first"
    assert await _keys(database) == {"first"}
    assert await database.write(partial(_put, "later")) == "later"


async def test_many_writers_one_after_another_lose_nothing(database: SqliteDatabase) -> None:
    async def writer(number: int) -> None:
        for n in range(20):
            assert await database.write(partial(_put, f"{number}.{n}")) == f"{number}.{n}"

    await asyncio.gather(*map(writer, range(30)))
    assert len(await _keys(database)) == 600


async def test_joined_writes_that_wait_together_are_one_call_with_an_outcome_each(database: SqliteDatabase) -> None:
    writes = [database.write(Joined(_put_all, key)) for key in ("a", "no", "b")]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == ["a of 3", "b of 3"]
    assert isinstance(outcomes[1], NotFound)
    assert await _keys(database) == {"a", "b"}


async def test_joined_writes_of_which_one_cannot_be_are_written_one_by_one(database: SqliteDatabase) -> None:
    await database.write(partial(_put, "a"))
    outcomes = await asyncio.gather(
        *(database.write(Joined(_put_all, key)) for key in ("a", "b")), return_exceptions=True
    )
    assert type(outcomes[0]).__name__ == "Conflict"
    assert outcomes[1] == "b of 1"


async def test_short_reads_at_the_same_time_see_one_state_and_fail_alone(database: SqliteDatabase) -> None:
    await database.write(partial(_put, "a"))

    def fail(_: apsw.Connection) -> None:
        raise NotFound("it")

    def broken(connection: apsw.Connection) -> None:
        connection.execute("SELECT * FROM nowhere")

    count = partial(query, sql="SELECT count(*) FROM meta")
    outcomes = await asyncio.gather(*map(database.read_beside, (count, fail, broken, count)), return_exceptions=True)
    assert outcomes[0] == outcomes[3] == [(1,)]
    assert isinstance(outcomes[1], NotFound)
    assert isinstance(outcomes[2], Unavailable)


async def test_short_reads_of_a_closed_file_are_refused(database: SqliteDatabase) -> None:
    await database.aclose()
    with pytest.raises(Unavailable):
        await database.read_beside(partial(query, sql="SELECT 1"))


async def test_whoever_commits_changes_the_number_of_changes(database: SqliteDatabase) -> None:
    other = SqliteDatabase(database.path)
    await other.open()
    seen = [database.changes()]
    for writer in (database, other):
        await writer.write(partial(_put, f"from {len(seen)}"))
        seen.append(database.changes())
    assert database.changes() == seen[-1]
    assert len(set(seen)) == 3
    await other.aclose()
    await database.aclose()
    assert database.changes() is None
