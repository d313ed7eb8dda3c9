"""D7 notices what it is there for; and a file that the power cut off while it was made is made anew."""

import os
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stores.errors import Incompatible
from stores.records import SessionId
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.message_log import SqliteMessageLog
from tests.contracts.builders import ANNA
from tests.contracts.chat_bench import begin, build_message, say
from tests.faults.rows.power_loss import crash, crash_points, record
from tests.faults.rows.power_subjects import JOURNAL, STORE, Subject
from tests.faults.rows.recorded_disk import Disk, Event, Loss, Synced, Told, recorded

IMAGES = 20
HEADER = b"SQLite format 3"


def is_sync_of_log(event: Event) -> bool:
    return isinstance(event, Synced) and event.name.endswith("-wal")


@pytest.mark.parametrize("subject", [STORE, JOURNAL], ids=["store", "journal"])
def test_a_disk_that_does_not_sync_the_log_is_noticed(subject: Subject) -> None:
    random = Random(7)
    acts = record(subject, "FULL", random)
    points = crash_points(acts.log, IMAGES, random)
    assert not crash(subject, acts, points, random)["lost"]
    acts.log[:] = [Told() if is_sync_of_log(event) else event for event in acts.log]
    assert crash(subject, acts, points, random)["lost"]


def test_normal_does_not_pass_as_full() -> None:
    random = Random(7)
    acts = record(JOURNAL, "NORMAL", random)
    met = crash(JOURNAL, acts, crash_points(acts.log, IMAGES, random), random)
    assert met["lost"]
    assert not met["lost though synced"] + met["lost before what is kept"]


@pytest.mark.parametrize("opened", [SqliteDatabase, SqliteMessageLog], ids=["store", "journal"])
async def test_new_folders_are_synced_into_those_they_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    synced: set[tuple[int, int]] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(place_of(os.fstat(descriptor))))
    subject = opened(tmp_path / "new" / "newer" / "context0")
    await subject.open()
    await subject.aclose()
    assert {place_of(folder.stat()) for folder in (tmp_path, tmp_path / "new")} <= synced


def place_of(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


async def test_no_power_cut_brings_back_what_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chats, disk, path = SqliteChats(SqliteDatabase(tmp_path / "context0.db")), Disk(), tmp_path / "context0.db-wal"
    with recorded() as log:

        def synced(descriptor: int) -> None:
            if path.exists() and place_of(os.fstat(descriptor)) == place_of(path.stat()):
                log.append(Synced(path.name, with_folder=False))

        def copies() -> int:
            while log:
                disk.apply(log.pop(0))
            image = tmp_path / "image"
            image.mkdir(exist_ok=True)
            disk.write_image(image, Loss.DROPPED, Random(7))
            return sum(file.read_bytes().count(b"the canary") for file in image.iterdir())

        monkeypatch.setattr(os, "fsync", synced)
        async with aclosing(chats):
            await chats.open()
            await begin(chats)
            await say(chats, build_message(1, "the canary"))
            assert copies() == 1
            await chats.delete_session(SessionId("s1"), scope=ANNA)
            assert copies() == 0


async def cut_off(folder: Path) -> Path:
    """Make a file of which SQLite's journal is on the disk, and the file's size, but nothing of what it holds."""
    (folder / "whole").mkdir()
    (folder / "left").mkdir()
    with recorded() as log:
        database = SqliteDatabase(folder / "whole" / "context0.db")
        await database.open()
        await database.aclose()
    disk = Disk()
    for event in log:
        if isinstance(event, Synced) and event.name == "context0.db":
            break
        disk.apply(event)
    disk.write_image(folder / "left", Loss.DROPPED, Random(7))
    path = folder / "left" / "context0.db"
    path.write_bytes(bytes(4_096))
    return path


async def test_a_file_that_was_cut_off_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    path = await cut_off(tmp_path)
    database = SqliteDatabase(path)
    await database.open()
    assert await database.read(lambda connection: connection.pragma("integrity_check")) == "ok"
    await database.aclose()
    assert path.read_bytes().startswith(HEADER)


@pytest.mark.parametrize("beside", [None, b"", b"no journal of SQLite's" * 100])
async def test_a_file_of_another_kind_is_refused_whatever_lies_beside_it(tmp_path: Path, beside: bytes | None) -> None:
    path, letter = tmp_path / "letters.txt", b"dear anna " * 500
    path.write_bytes(letter)
    if beside is not None:
        path.with_name("letters.txt-journal").write_bytes(beside)
    with pytest.raises(Incompatible, match="not an SQLite database"):
        await SqliteDatabase(path).open()
    assert path.read_bytes() == letter
