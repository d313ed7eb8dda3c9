"""What writes until the power fails, and what reads afterwards: the engine on SQLite, the journal of a chat store."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from context0.memory.engine import MemoryEngine
from stores.records import Scope, SessionId
from stores.sqlite.database import SqliteDatabase, Synchronous
from stores.sqlite.message_log import SqliteMessageLog
from tests.contracts.builders import NOW
from tests.contracts.chat_bench import build_message, build_session
from tests.faults.rows.network import sqlite_engine
from tests.faults.rows.power_acts import Acts, Place, place_of

USER, ERASED = "anna", "bert"
NOTE: Final = "note"
_SESSION: Final = SessionId("s1")
_SESSIONS: Final = 2
_ROUNDS: Final = 8
_AT_ONCE: Final = 5
_CHECKPOINT_PAGES: Final = 100
"""In place of 4,000, so that a short run has many checkpoints."""
_ALL: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in an image. wrong: how often what must not be, by its name."""

    there: Mapping[Place, str]
    wrong: Counter[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """work: writes in a folder. read: opens what is there, and searches for the content if one is given."""

    work: Callable[[Path, Acts, Synchronous, Random], Coroutine[Any, Any, None]]
    read: Callable[[Path, str | None], Coroutine[Any, Any, Found]]


async def _work_on_store(folder: Path, acts: Acts, synchronous: Synchronous, random: Random) -> None:
    ids: dict[Place, str] = {}
    for _ in range(_SESSIONS):
        async with sqlite_engine(folder, synchronous=synchronous) as engine:
            await engine.list(user_id=USER, limit=1)
            await _checkpoint_often(_database_of(engine))
            for number in range(_ROUNDS):
                await _use(engine, acts, ids, random)
                if number % 4 == 3:
                    erased = dict.fromkeys(acts.places(ERASED))
                    await acts.act(engine.delete_all(user_id=ERASED), erased)


async def _use(engine: MemoryEngine, acts: Acts, ids: dict[Place, str], random: Random) -> None:
    """Do several things at the same time."""

    async def add(owner: str) -> None:
        content = f"{NOTE}{next(acts.numbers)} as it was told first"
        place = place_of(owner, content)
        memory = await acts.act(engine.add(content, user_id=owner), {place: content})
        ids[place] = memory.id

    async def change(place: Place) -> None:
        content = f"{place[1]} as it was changed, {next(acts.numbers)}"
        await acts.act(engine.update(ids[place], user_id=USER, content=content), {place: content})

    async def delete(place: Place) -> None:
        await acts.act(engine.delete(ids[place], user_id=USER), {place: None})

    notes = acts.places(USER, NOTE)
    changed = random.sample(notes, min(len(notes), random.randint(2, 4)))
    kinds = [change, change, *(random.choice((change, delete)) for _ in changed[2:])]
    await asyncio.gather(
        *(add(USER) for _ in range(_AT_ONCE)),
        add(ERASED),
        _say(engine, acts),
        *(does(place) for does, place in zip(kinds, changed, strict=False)),
    )


async def _say(engine: MemoryEngine, acts: Acts) -> None:
    chats, scope = engine._parts.chats, Scope(owner=USER)
    taken = await chats.reserve(build_session(_SESSION), scope=scope, count=2, now=NOW)
    said = {taken.next_seq - back: f"message{taken.next_seq - back} of the talk" for back in (2, 1)}
    turn = [(scope, build_message(seq, content)) for seq, content in said.items()]
    await acts.act(chats.put_messages(turn), {place_of(USER, content): content for content in said.values()})


async def _read_store(folder: Path, wanted: str | None) -> Found:
    async with sqlite_engine(folder) as engine:
        contents = [
            (owner, memory.content) for owner in (USER, ERASED) async for memory, _ in engine.export(user_id=owner)
        ]
        messages = await engine._parts.chats.recent(_SESSION, scope=Scope(owner=USER), limit=_ALL)
        found = await _found(_database_of(engine), [*contents, *((USER, message.content) for message in messages)])
        if wanted in found.there.values():
            answer = await engine.search(str(wanted), user_id=USER, limit=3)
            found.wrong["not found by search"] += wanted not in [item.memory.content for item in answer.items]
        return found


async def _work_on_journal(folder: Path, acts: Acts, synchronous: Synchronous, random: Random) -> None:
    entries: dict[Place, int] = {}
    for _ in range(_SESSIONS):
        log = SqliteMessageLog(folder, synchronous=synchronous)
        await log.open()
        try:
            await _checkpoint_often(log._database)
            for number in range(_ROUNDS * 4):
                await _append_and_forget(log, acts, entries, random)
                if number % 8 == 7:
                    await acts.act(log.erase(Scope(owner=ERASED)), dict.fromkeys(acts.places(ERASED)))
        finally:
            await log.aclose()


async def _append_and_forget(log: SqliteMessageLog, acts: Acts, entries: dict[Place, int], random: Random) -> None:
    async def append(owner: str, seq: int, said: str) -> None:
        content = f"message{seq} {said}"
        place, message = place_of(owner, content), build_message(seq, content)
        appended = await acts.act(log.append([(Scope(owner=owner), message)], [None]), {place: content})
        entries[place] = appended.last

    async def forget(places: Iterable[Place]) -> None:
        await acts.act(log.forget([entries[place] for place in places]), dict.fromkeys(places))

    waiting = acts.places(USER)
    again = random.sample(waiting, min(len(waiting), 1))
    oldest = [place for place in waiting[: random.randint(0, 4)] if place not in again]
    await asyncio.gather(
        *(append(USER, next(acts.numbers), "as it was said") for _ in range(_AT_ONCE)),
        append(ERASED, next(acts.numbers), "as it was said"),
        *(append(USER, int(word.removeprefix("message")), f"anew {next(acts.numbers)}") for _, word in again),
        forget(oldest),
    )


async def _read_journal(folder: Path, wanted: str | None) -> Found:
    log = SqliteMessageLog(folder)
    await log.open()
    try:
        entries = await log.oldest(_ALL, until=_ALL)
        return await _found(log._database, [(entry.scope.owner, entry.message.content) for entry in entries])
    finally:
        await log.aclose()


async def _found(database: SqliteDatabase, contents: list[tuple[str, str]]) -> Found:
    intact: Any = await database.read(lambda connection: connection.pragma("integrity_check"))
    there = {place_of(owner, content): content for owner, content in contents}
    wrong = Counter({"not intact": int(intact != "ok"), "phantoms": len(contents) - len(there)})
    return Found(there, wrong)


async def _checkpoint_often(database: SqliteDatabase) -> None:
    await database._writer.async_run(database._writer.pragma, "wal_autocheckpoint", _CHECKPOINT_PAGES)


def _database_of(engine: MemoryEngine) -> SqliteDatabase:
    documents: Any = engine._parts.documents
    database: SqliteDatabase = documents._database
    return database


STORE: Final = Subject(_work_on_store, _read_store)
JOURNAL: Final = Subject(_work_on_journal, _read_journal)
