"""The connections to one SQLite file: one writer with group commit, readers beside it, nothing on the event loop."""

import asyncio
import itertools
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import apsw
import apsw.aio
import stamina

from stores.blocking import in_thread
from stores.errors import Conflict, Full, Incompatible, StoreError, Timeout, Unavailable
from stores.monitoring import CommandObserver, observed
from stores.sqlite.commands import command_of
from stores.sqlite.folders import make_folder
from stores.sqlite.joined import outcomes_of
from stores.sqlite.schema import STORE, Schema, migrate, refuse_foreign_file, refuse_foreign_tables

log: Final = logging.getLogger(__name__)
T = TypeVar("T")
Work = Callable[[apsw.Connection], T]
Synchronous = Literal["FULL", "NORMAL"]

_MAX_BATCH: Final = 512
_BUSY_MS: Final = 5_000
_LOST: Final = (apsw.FullError, apsw.IOError, apsw.CorruptError)
"""With one of these the transaction as a whole is lost."""
_Waiter = tuple[Work[Any], "asyncio.Future[Any]"]


class SqliteDatabase:
    """Runs functions against the file, each whole in the thread of one connection.

    path: the file, created with its folder if missing, readable by its owner only.
    synchronous: FULL makes every acknowledged write survive a power cut, NORMAL only a crash of the process.
    readers: connections for reading; they see the last commit and never wait for the writer.
    schema: which of our files it is. observer: is told of every read and write, under "sqlite".
    Writes that are waiting together share one transaction and one fsync; each is whole or not there at all.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: Synchronous = "FULL",
        readers: int = 2,
        schema: Schema = STORE,
        observer: CommandObserver | None = None,
    ) -> None:
        self.path = Path(path)
        self._observer = observer
        self._schema = schema
        self.synchronous = synchronous
        self._reader_count = readers
        self._writer: Any = None  # apsw.AsyncConnection, which is not generic over what it runs
        self._readers: list[Any] = []
        self._watcher: apsw.Connection | None = None
        self._next_reader: itertools.cycle[Any] = itertools.cycle(())
        self._waiting: list[_Waiter] = []
        self._draining: asyncio.Task[None] | None = None
        self._asked: list[_Waiter] = []
        self._answering: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the file, creating or migrating it. Raises Unavailable, or Incompatible with the file untouched."""
        if self._writer is not None:
            return
        try:
            await in_thread(self._prepare_path)
            self._writer = await self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            await self._writer.async_run(_set_up_writer, self._writer, self.synchronous, self._schema)
            for _ in range(self._reader_count):
                reader = await self._connect(apsw.SQLITE_OPEN_READONLY)
                await reader.async_run(_set_up_reader, reader)
                self._readers.append(reader)
            self._next_reader = itertools.cycle(self._readers)
            self._watcher = await in_thread(_watcher_of, self.path)
        except (apsw.Error, OSError) as exc:
            await self.aclose()
            raise translate(exc, self.path) from exc
        except BaseException:  # refused, or given up half-way: the next attempt starts from nothing
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Finish the waiting writes, then close. Harmless when closed."""
        if self._draining is not None:
            await self._draining
        if self._answering:
            await asyncio.wait(self._answering)
        writer, self._writer = self._writer, None
        readers, self._readers = self._readers, []
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            await in_thread(watcher.close)
        for connection in (*readers, writer):  # the writer last: who closes last empties the log
            if connection is not None:
                await connection.aclose()

    def changes(self) -> int | None:
        """Return a number that is another one once anybody has committed anything, None where it cannot be told.

        10 us, in the calling thread.
        """
        try:
            return None if self._watcher is None else int(self._watcher.pragma("data_version"))
        except apsw.Error:
            return None

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a reader. One thread hop."""
        if self._observer is None:
            return await self._read(work)
        return await observed(self._read(work), self._observer, "sqlite", command_of(work))

    async def _read(self, work: Work[T]) -> T:
        if not self._readers:
            raise Unavailable(f"{self.path} is not open")
        connection = next(self._next_reader)
        try:
            result: T = await connection.async_run(work, connection)
        except apsw.Error as exc:
            raise translate(exc, self.path) from exc
        return result

    async def read_beside(self, work: Work[T]) -> T:
        """Like `read`, for what is short: what is asked for at the same time shares one thread hop and one snapshot."""
        if self._observer is None:
            return await self._read_beside(work)
        return await observed(self._read_beside(work), self._observer, "sqlite", command_of(work))

    async def _read_beside(self, work: Work[T]) -> T:
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.append((work, outcome))
        if len(self._asked) == 1:  # it begins behind all who ask now
            answering = asyncio.create_task(self._answer(), name="sqlite-reader")
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
        return await outcome

    async def _answer(self) -> None:
        asked, self._asked = self._asked, []
        try:
            outcomes = await self._read(partial(_read_together, [work for work, _ in asked]))
        except BaseException as exc:
            _fail(asked, exc)
            if not isinstance(exc, StoreError):
                raise
        else:
            self._tell(asked, outcomes)

    async def write(self, work: Work[T]) -> T:
        """Run `work` inside a transaction and return when it is durable.

        A failure inside `work` undoes only that work; of works that wait together all are then run anew, so that each
        must be a function of the connection only.
        """
        if self._observer is None:
            return await self._write(work)
        return await observed(self._write(work), self._observer, "sqlite", command_of(work))

    async def _write(self, work: Work[T]) -> T:
        if self._writer is None:
            raise Unavailable(f"{self.path} is not open")
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, outcome))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="sqlite-writer")
        return await outcome

    async def forget_old_pages(self, *, surely: bool = False) -> None:
        """Move the log into the file and empty it, so that no deleted byte stays in it.

        Waits for whoever reads older pages, for 5 s; then they stay until the next time. surely: raise Timeout then.
        """
        try:
            is_busy = await self._writer.async_run(_truncate_log, self._writer, self.synchronous)
        except (apsw.Error, OSError) as exc:
            raise translate(exc, self.path) from exc
        if is_busy and surely:
            raise Timeout(f"what was removed from {self.path} still stands in its log, as that is read; call again")
        if is_busy:
            log.warning("sqlite.old_pages_stay")

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
                await self._commit(batch)
        finally:
            self._draining = None

    async def _commit(self, batch: Sequence[_Waiter]) -> None:
        works = [work for work, _ in batch]
        try:
            outcomes = await self._writer.async_run(_run_together, self._writer, works)
        except BaseException as exc:
            _fail(batch, translate(exc, self.path) if isinstance(exc, apsw.Error) else exc)
            if not isinstance(exc, apsw.Error):
                raise
        else:
            self._tell(batch, outcomes)

    def _tell(self, batch: Sequence[_Waiter], outcomes: Sequence[Any]) -> None:
        for (_, waiter), outcome in zip(batch, outcomes, strict=True):
            if waiter.done():
                continue
            if isinstance(outcome, Exception):
                waiter.set_exception(self._explained(outcome))
            else:
                waiter.set_result(outcome)

    def _explained(self, failure: Exception) -> Exception:
        if not isinstance(failure, apsw.Error):
            return failure
        explained = translate(failure, self.path)
        explained.__cause__ = failure
        return explained

    async def _connect(self, flags: int) -> Any:
        token = apsw.async_controller.set(_DaemonController)  # type: ignore[arg-type]  # apsw's stub omits self
        try:
            return await apsw.Connection.as_async(str(self.path), flags=flags)
        finally:
            apsw.async_controller.reset(token)

    def _prepare_path(self) -> None:
        refuse_foreign_file(self.path, self._schema)
        make_folder(self.path.parent)
        if not self.path.exists():
            self.path.touch(mode=0o600)


class _DaemonController(apsw.aio.AsyncIO):
    """apsw's asyncio controller, whose thread does not keep a process alive that forgot to close the store.

    A write that is cut off then was not acknowledged, and the log undoes it, as after kill -9.
    """

    def __init__(self) -> None:
        self.queue = queue.SimpleQueue()
        self.loop = asyncio.get_running_loop()
        threading.Thread(name="context0-sqlite", target=self.worker_thread_run, daemon=True).start()


def _set_up_writer(connection: apsw.Connection, synchronous: Synchronous, schema: Schema) -> None:
    connection.set_busy_timeout(_BUSY_MS)
    refuse_foreign_tables(connection, schema)  # before the first change of the file
    _switch_to_wal(connection)
    connection.pragma("synchronous", synchronous)
    connection.pragma("secure_delete", True)
    connection.pragma("wal_autocheckpoint", 4_000)
    connection.pragma("cache_size", -32_000)
    migrate(connection, schema)


def _switch_to_wal(connection: apsw.Connection) -> None:
    """Switch a new file. Of two who do so at once SQLite refuses one at once, without minding the time for waiting."""
    again = stamina.RetryingCaller(attempts=None, timeout=_BUSY_MS / 1000, wait_initial=0.005, wait_max=0.1)
    again(apsw.BusyError, connection.pragma, "journal_mode", "wal")


def _watcher_of(path: Path) -> apsw.Connection:
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)


def _set_up_reader(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("wal_autocheckpoint", 0)
    connection.pragma("query_only", True)
    connection.pragma("cache_size", -32_000)


def _truncate_log(connection: apsw.Connection, synchronous: Synchronous) -> bool:
    """Return whether a reader was in the way. With FULL no power cut brings the log back: SQLite does not sync it."""
    is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
    if not is_busy and synchronous == "FULL":
        descriptor = os.open(connection.filename_wal, os.O_RDONLY | os.O_CLOEXEC)  # SQLite has no locks on this file
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return bool(is_busy)


def _read_together(works: Sequence[Work[Any]], connection: apsw.Connection) -> list[Any]:
    """Run `works` on one snapshot; one that fails leaves its exception in its place."""
    connection.execute("BEGIN")
    try:
        return [_outcome(work, connection) for work in works]
    finally:
        connection.execute("COMMIT")


def _outcome(work: Work[Any], connection: apsw.Connection) -> Any:
    try:
        return work(connection)
    except Exception as exc:  # noqa: BLE001 - handed to the caller who is waiting for this work
        return exc


def _run_together(connection: apsw.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    """Run `works` in one transaction; a work that fails leaves its exception in its place and no trace in the file.

    When one fails they are run anew, each in a savepoint: these make FTS5 write its index to the file each time, which
    costs as much as the rest.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        try:
            outcomes = list(outcomes_of(works, connection))
        except _LOST:
            raise
        except Exception:  # noqa: BLE001 - met again by the work whose it is
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_run_alone(connection, work) for work in works]
        connection.execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):  # SQLite has rolled back already, when the disk is full or broken
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _run_alone(connection: apsw.Connection, work: Work[Any]) -> Any:
    connection.execute("SAVEPOINT work")
    try:
        outcome = work(connection)
    except _LOST:
        raise
    except Exception as exc:  # noqa: BLE001 - handed to the caller who is waiting for this work
        connection.execute("ROLLBACK TO work")
        outcome = exc
    connection.execute("RELEASE work")
    return outcome


def _fail(batch: Sequence[_Waiter], failure: BaseException) -> None:
    for _, waiter in batch:
        if not waiter.done():
            waiter.set_exception(failure)


def translate(exc: Exception, path: Path) -> StoreError:
    """Return our error for one of the driver's: the only place that knows them."""
    match exc:
        case apsw.BusyError() | apsw.LockedError():
            return Timeout(f"{path} was locked by another process for {_BUSY_MS} ms; try again")
        case apsw.FullError():
            return Full(f"no space left for {path}; nothing was written, free space and try again")
        case apsw.NotADBError():
            return Incompatible(f"{path} is not an SQLite database; it was left as it is, choose another path")
        case apsw.CorruptError():
            return Unavailable(f"{path} is damaged; restore a backup, or look at `context0 doctor`")
        case apsw.ConstraintError():
            return Conflict("another memory was written with the same identity at the same time; read and try again")
        case apsw.ReadOnlyError() | apsw.PermissionsError() | PermissionError():
            return Unavailable(f"{path} cannot be written; check its permissions")
        case apsw.CantOpenError() | OSError():
            return Unavailable(f"{path} cannot be opened; check the folder and its permissions")
        case _:
            return Unavailable(f"{path}: {type(exc).__name__}; look at `context0 doctor`")
