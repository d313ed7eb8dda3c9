"""The default vector store: nothing to run, it follows the embeddings kept in the documents."""

import asyncio
import errno
import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from stores.blocking import in_thread
from stores.errors import DimensionMismatch, Full, StoreError, Unavailable
from stores.local import editions
from stores.local.building import RowWriter, Stopped
from stores.local.editions import Edition, Torn
from stores.local.file_vectors import FileVectors, canonical, log_removal
from stores.local.owner_vectors import OwnerVectors, Watermark
from stores.local.sizes import Sizes
from stores.owner.owner_cache import OwnerCache
from stores.protocols import DocumentStore
from stores.records import FloatVector, Hit, IndexRow, MemoryId, Point, Scope

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Is told how many of an owner's vectors are in the files, and how many there are."""

_STORE_ID: Final = "local_vectors"
_LOOK_AGAIN_S: Final = 0.2
_TRY_AGAIN_S: Final = 30.0


@dataclass(slots=True)
class _Work:
    """What is done for an owner in the background."""

    task: "asyncio.Task[Exception | None]"
    stop: threading.Event


class LocalVectors:
    """See `stores.protocols.VectorStore`: exact search, and for large owners one by signs, see `Sizes`.

    Writing is a hint that keeps a loaded owner fresh; an owner that is not loaded reads its documents when asked.
    Large owners have files in `folder` (None: all stay in memory, and all searches are exact), where what was read and
    built is found again; they grow in the background while what is there goes on serving. See `editions`.
    """

    name = "local"
    derived = True

    def __init__(
        self,
        documents: DocumentStore,
        *,
        folder: Path | None = None,
        max_bytes: int = 1 << 30,
        sizes: Sizes | None = None,
        staleness_s: float = 1.0,
    ) -> None:
        self._documents = documents
        self._folder = folder
        self._sizes = sizes or Sizes()
        self._store_id = b""
        self._owners = OwnerCache(
            documents,
            OwnerVectors,
            max_bytes=max_bytes,
            staleness_s=staleness_s,
        )
        if folder is not None:
            self._owners.restore = self._restored
        self._working: dict[Scope, _Work] = {}
        self._progress: dict[Scope, Progress] = {}
        self._not_before: dict[Scope, float] = {}

    @property
    def nbytes(self) -> int:
        return self._owners.nbytes

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        for scope in list(self._working):
            await self._stop(scope)
        await self._owners.aclose()

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        """Check the points against the owner's vectors; the next query reads them from the documents."""
        vectors = await self._owners.get(scope)
        for point in points:
            vectors.check(point.vector)
            if len({len(point.vector) for point in points}) > 1:
                raise DimensionMismatch(len(points[0].vector), len(point.vector))

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        self._owners.discard(scope, ids)
        if self._folder is None or not (gone := canonical(ids)):
            return
        owner = await self._place(scope)
        if owner.exists():
            await in_thread(_note_removal, owner, gone)

    async def query(
        self, vector: FloatVector, *, scope: Scope, limit: int, among: Collection[MemoryId] | None = None
    ) -> list[Hit]:
        vectors = await self._current(scope)
        if self._folder is not None and self._not_before.get(scope, 0.0) <= time.monotonic():
            self._begin_work(scope, vectors)
        if vectors.is_quick:
            return vectors.top(vector, limit, among)
        return await in_thread(vectors.top, vector, limit, among)

    async def build(self, scope: Scope, progress: Progress | None = None) -> int:
        """Wait until the owner's files are whole, if there are to be any; return how many vectors there are.

        progress: told after every step, 50,000 vectors at most. Raises StoreError.
        """
        if progress is not None:
            self._progress[scope] = progress
        try:
            while True:
                vectors = await self._current(scope)
                if self._folder is None or not self._begin_work(scope, vectors):
                    return len(vectors)
                failure = await asyncio.shield(self._working[scope].task)
                if failure is not None:
                    raise Unavailable(f"the vectors' files cannot be built: {failure}") from failure
        finally:
            self._progress.pop(scope, None)

    async def erase(self, scope: Scope) -> int:
        await self._stop(scope)
        held = self._owners.held(scope)
        self._owners.drop(scope)
        count = 0 if held is None else len(held)
        if self._folder is not None:
            owner = await self._place(scope)
            edition = await in_thread(editions.newest, owner)
            if held is None and edition is not None:
                count = edition.manifest.rows
            await in_thread(editions.remove, owner)
        return count

    async def count(self, scope: Scope) -> int:
        return len(await self._current(scope))

    def follows(self, scope: Scope) -> bool:
        """Say whether the owner is loaded or being loaded."""
        return self._owners.follows(scope)

    async def catch_up(self, scope: Scope, since: datetime) -> None:
        """Take over what the documents hold now, with all that was changed at or after `since`."""
        await self._owners.catch_up(scope, since)

    async def take(self, scope: Scope, parts: Iterable[Sequence[IndexRow]]) -> None:
        """Take over rows that this process has just written, where the owner is loaded."""
        await self._owners.take(scope, parts)

    # --- the files

    async def _place(self, scope: Scope) -> Path:
        assert self._folder is not None  # noqa: S101 - the callers have seen to it
        if not self._store_id:
            await in_thread(editions.sweep, self._folder)
            self._store_id = await self._documents.put_meta(_STORE_ID, secrets.token_bytes(16))
        return editions.owner_folder(self._folder, self._store_id, scope.owner)

    async def _current(self, scope: Scope) -> OwnerVectors:
        """Return the owner's vectors; removals that other processes have noted are minded, and an erasure too."""
        vectors = await self._owners.get(scope)
        if vectors.filed is None:
            return vectors
        try:
            vectors.filed.read_removals()
        except FileNotFoundError:
            if not vectors.filed.edition.folder.parent.exists():
                self._owners.drop(scope)
                return await self._owners.get(scope)
        return vectors

    async def _restored(self, scope: Scope) -> OwnerVectors | None:
        """Return what the files have of the owner, or None for an owner who is to have none.

        Where a large owner has no good files, the documents are read into new ones.
        """
        owner = await self._place(scope)
        while await self._has_files(scope, owner):
            try:
                edition = await self._found(scope, owner)
                if edition is not None and edition.manifest.rows:
                    return OwnerVectors(await in_thread(_opened, edition))
            except Torn as exc:
                log.warning("vectors.torn", extra={"reason": str(exc)})
                await in_thread(editions.remove, owner)
            except FileNotFoundError:
                continue  # erased, or replaced, meanwhile
            except ValueError:  # ids that are no UUIDs, of documents that the engine did not make
                await in_thread(editions.remove, owner)
                return None
            except OSError as exc:
                raise _failure(exc) from exc
            await asyncio.sleep(_LOOK_AGAIN_S)
        return None

    async def _has_files(self, scope: Scope, owner: Path) -> bool:
        """Say whether the owner has good files or is to have some; remove those of one who became small."""
        edition = await in_thread(editions.newest, owner)
        if edition is not None and edition.manifest.complete:
            return True
        if (await self._documents.count(scope))["memories"] >= self._sizes.files_from:
            return True
        await in_thread(editions.remove, owner)
        return False

    async def _found(self, scope: Scope, owner: Path) -> Edition | None:
        """Return the owner's complete edition, read from the documents if there is none; None while another does."""
        edition = await in_thread(editions.newest, owner)
        if edition is not None and edition.manifest.complete:
            return edition
        return await self._read(scope, owner, edition, threading.Event())

    async def _read(self, scope: Scope, owner: Path, edition: Edition | None, stop: threading.Event) -> Edition | None:
        """Read all documents into a new edition, or into one that is not complete; None while another process does."""
        with editions.writing(owner, make=True) as is_free:
            if not is_free:
                return None
            begun_ms, seen = int(time.time() * 1000), Watermark()
            of = (await self._documents.count(scope))["memories"]
            with await in_thread(_written_to, owner, edition, self._sizes.step) as writer:
                async for rows in self._documents.scan(scope=scope):
                    if stop.is_set():
                        raise Stopped
                    seen.note(rows)
                    if await in_thread(_write, writer, rows):
                        self._tell(scope, writer.edition, of)
                until_ms = min(seen.durable_ms, begun_ms)
                edition = await in_thread(partial(writer.commit, complete=True, changed_ms=until_ms))
            self._tell(scope, edition, edition.manifest.rows)
            if edition.manifest.rows:
                await in_thread(editions.remove_others, edition)
            else:  # nothing to search, or all was erased before the first row was read
                await in_thread(editions.remove, owner)
            return edition

    def _tell(self, scope: Scope, edition: Edition, of: int) -> None:
        log.info("vectors.built", extra={"done": edition.manifest.rows, "of": of})
        if scope in self._progress:
            self._progress[scope](edition.manifest.rows, of)

    # --- in the background

    def _begin_work(self, scope: Scope, vectors: OwnerVectors) -> bool:
        """Let the files grow if they have fallen behind, or take over what another process has built; say whether."""
        if scope in self._working:
            return True
        stop = threading.Event()
        work: Coroutine[Any, Any, None]
        if vectors.filed is not None and not vectors.filed.edition.is_current():
            work = self._take_over(scope, vectors)
        elif vectors.wants_new_edition(self._sizes) or vectors.wants_growth(self._sizes):
            work = self._grow(scope, vectors, stop)
        else:
            return False
        self._working[scope] = _Work(asyncio.create_task(self._worked(scope, work), name="context0-vectors"), stop)
        return True

    async def _worked(self, scope: Scope, work: Coroutine[Any, Any, None]) -> Exception | None:
        try:
            await work
        except (Stopped, FileNotFoundError):  # closed or erased meanwhile
            return None
        except (StoreError, OSError, Torn, ValueError) as exc:
            log.warning("vectors.not_built", extra={"error": type(exc).__name__, "reason": str(exc)})
            self._not_before[scope] = time.monotonic() + _TRY_AGAIN_S
            return exc
        finally:
            del self._working[scope]
        return None

    async def _take_over(self, scope: Scope, vectors: OwnerVectors) -> None:
        edition = await in_thread(editions.newest, await self._place(scope))
        if edition is not None and edition.manifest.complete:
            vectors.adopt(await in_thread(_opened, edition))

    async def _grow(self, scope: Scope, vectors: OwnerVectors, stop: threading.Event) -> None:
        """Append what is in memory only; a new edition where much is dead, or there is none yet."""
        owner = await self._place(scope)
        edition = None if vectors.filed is None else vectors.filed.edition
        vectors.mind_removals()
        if vectors.wants_new_edition(self._sizes):
            edition = await self._read(scope, owner, None, stop)
        if edition is None:
            await asyncio.sleep(_LOOK_AGAIN_S)
            return
        with editions.writing(owner) as is_free:
            if not is_free or not edition.is_current():
                await asyncio.sleep(_LOOK_AGAIN_S)
                return
            if vectors.filed is not None and edition is vectors.filed.edition:
                changes, step = vectors.changes(), self._sizes.step
                edition = await in_thread(_appended, edition, changes, vectors.durable_ms, step)
                self._tell(scope, edition, edition.manifest.rows)
            vectors.adopt(await in_thread(FileVectors, edition))

    async def _stop(self, scope: Scope) -> None:
        work = self._working.get(scope)
        if work is not None:
            work.stop.set()
            await asyncio.wait((work.task,))


def _opened(edition: Edition) -> FileVectors:
    edition.verify()
    return FileVectors(edition)


def _written_to(owner: Path, edition: Edition | None, step: int) -> RowWriter:
    """Return the writer of an edition that was begun, or of a new one."""
    if edition is not None:
        edition.verify()
    return RowWriter(edition or editions.begin(owner), step=step)


def _write(writer: RowWriter, rows: Sequence[IndexRow]) -> bool:
    """Say whether some of it has become durable."""
    before = writer.edition
    ready = [(row.id, row.version, row.embedding) for row in rows if row.live and row.embedding is not None]
    ids, versions, vectors = [MemoryId(row[0]) for row in ready], [row[1] for row in ready], [row[2] for row in ready]
    writer.add(ids, versions, vectors)
    return writer.edition is not before


def _appended(
    edition: Edition, changes: tuple[Sequence[MemoryId], Sequence[int], Sequence[bytes]], changed_ms: int, step: int
) -> Edition:
    with RowWriter(edition, step=step) as writer:
        writer.add(*changes)
        return writer.commit(changed_ms=changed_ms)


def _note_removal(owner: Path, ids: Collection[MemoryId]) -> None:
    edition = editions.newest(owner)
    if edition is not None:
        try:
            log_removal(edition, ids)
        except FileNotFoundError:
            return  # erased meanwhile
        except OSError as exc:
            raise _failure(exc) from exc


def _failure(exc: OSError) -> StoreError:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return Full("no space left for the vectors' files; free space and try again")
    return Unavailable(f"the vectors' files cannot be used: {exc.strerror}; check data_dir and its permissions")
