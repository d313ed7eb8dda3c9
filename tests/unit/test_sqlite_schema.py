"""A file of every older version becomes a current one, and of a newer or foreign one nothing is touched. A1."""

import asyncio
from pathlib import Path

import apsw
import pytest

from stores.errors import Incompatible, NotFound
from stores.records import SessionId
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.message_log import JOURNAL
from stores.sqlite.schema import APPLICATION_ID, MIGRATIONS, ROWS_PER_SESSION, STORE
from tests.contracts.builders import ANNA, BEN
from tests.contracts.chat_bench import begin, heard


def made(path: Path, version: int) -> Path:
    """Make a file as it was at `version`."""
    connection = apsw.Connection(str(path))
    for step in MIGRATIONS[:version]:
        connection.execute(step)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    return path


def tables_of(path: Path) -> set[tuple[str, str, str]]:
    connection = apsw.Connection(str(path))
    found = connection.execute("SELECT type, name, ifnull(sql, '') FROM sqlite_schema").fetchall()
    connection.close()
    return set(found)


@pytest.mark.parametrize("version", range(1, STORE.version))
async def test_an_older_file_gets_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    new = tmp_path / "new.db"
    for path in (made(tmp_path / "old.db", version), new):
        database = SqliteDatabase(path)
        await database.open()
        assert await database.read(lambda connection: connection.pragma("user_version")) == STORE.version
        await database.aclose()
    assert tables_of(tmp_path / "old.db") == tables_of(new)


async def test_sessions_keep_their_messages_and_no_number_is_given_twice(tmp_path: Path) -> None:
    """Version 6 makes their table anew, so that ids are an owner's own."""
    path = made(tmp_path / "old.db", 5)
    connection = apsw.Connection(str(path))
    row = "INSERT INTO chat_sessions VALUES (?, ?, 'anna', ?, 0, 5, 2, 'title', 'so far', 1, '{}')"
    connection.executemany(row, [(1, "s1", 0), (2, "gone", 1), (7, "erased", 0)])
    connection.execute("DELETE FROM chat_sessions WHERE session_no = 7")
    content = (1 * ROWS_PER_SESSION + 1, "hello")
    connection.execute("INSERT INTO chat_messages VALUES (?, 'm1', 'user', ?, 0, 'complete', '{}')", content)
    connection.close()
    database = SqliteDatabase(path)
    chats = SqliteChats(database)
    await chats.open()
    session = await chats.get_session(SessionId("s1"), scope=ANNA)
    assert (session.title, session.summary, session.next_seq) == ("title", "so far", 2)
    assert [message.content for message in await heard(chats)] == ["hello"]
    with pytest.raises(NotFound):
        await begin(chats, "gone")
    assert (await begin(chats, scope=BEN)).next_seq == 2
    numbers = await database.read(lambda held: held.execute("SELECT max(session_no) FROM chat_sessions").get)
    assert numbers == 8, "seven was given to one that is gone"
    await chats.aclose()


async def test_a_journal_is_no_store_and_a_store_no_journal(tmp_path: Path) -> None:
    for first, second in (({}, {"schema": JOURNAL}), ({"schema": JOURNAL}, {})):
        path = tmp_path / f"{len(first)}.db"
        database = SqliteDatabase(path, **first)
        await database.open()
        await database.aclose()
        before = path.read_bytes()
        with pytest.raises(Incompatible, match="another program"):
            await SqliteDatabase(path, **second).open()
        assert path.read_bytes() == before


async def test_a_fresh_file_can_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for number in range(10):
        databases = [SqliteDatabase(tmp_path / f"{number}.db") for _ in range(6)]
        await asyncio.gather(*(database.open() for database in databases))
        await asyncio.gather(*(database.aclose() for database in databases))
