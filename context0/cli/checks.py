"""What `doctor` looks at; every check says what it found and, if that is not fine, what to do."""

import os
import platform
import shutil
import stat
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final

import apsw

from context0 import __version__
from context0.cli.check import Check
from context0.cli.live_checks import folder_check, secrets_check, server_checks, store_checks, ways_check
from context0.cli.logs import keep_structlog_off_stdout
from context0.errors import Context0Error, EmbeddingModelMismatch
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.runtime import build_parts
from context0.settings import Settings, shown_url
from stores.errors import StoreError
from stores.records import PendingWork
from stores.registry import path_of
from stores.sqlite.message_log import count_left

# https://sqlite.org/wal.html, "the WAL-reset bug": two connections that write at the same instant can damage the file.
WAL_RESET_BUG: Final = ((3, 7, 0), (3, 51, 2))
OLDEST_PYMONGO: Final = (4, 13, 2)
LEAST_FREE_BYTES: Final = 512 << 20
MAX_WORK: Final = 1_000
SIZES: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


async def examine(settings: Settings) -> list[Check]:
    """Return all checks; nothing is created where there is no store yet. Raises ConfigurationError."""
    # without a journal of its own, which would take over what other processes have left in theirs
    parts = build_parts(settings.model_copy(update={"chat_flush_interval_s": 0.0}))
    keep_structlog_off_stdout()
    checks = list(_versions())
    try:
        checks += [secrets_check(settings), ways_check(settings), *folder_check(settings)]
        checks += [check async for check in _stores(settings, parts)]
        checks += [check async for check in server_checks(settings)]
    finally:
        for part in (parts.chats, parts.vectors, parts.graph, parts.documents, parts.embedder):
            await part.aclose()
    return checks


def _versions() -> Iterator[Check]:
    yield Check(name="Python", found=f"{platform.python_version()} ({platform.platform(terse=True)})")
    yield Check(name="Context0", found=__version__)
    yield sqlite_check(apsw.sqlite_lib_version())
    pymongo = version_of("pymongo")
    if numbers(pymongo) < OLDEST_PYMONGO:
        yield Check(
            name="PyMongo", level="warning", found=pymongo, advice="it can block while connecting; upgrade pymongo"
        )
    else:
        yield Check(name="PyMongo", found=pymongo)
    with suppress(PackageNotFoundError):
        yield Check(
            name="Motor", found=f"{version_of('motor')}, ended in May 2026; used only if you hand in its database"
        )


def sqlite_check(version: str) -> Check:
    """Warn of the versions of SQLite that can damage a file."""
    first, last = WAL_RESET_BUG
    if not first <= numbers(version) <= last:
        return Check(name="SQLite", found=version)
    return Check(
        name="SQLite",
        level="warning",
        found=f"{version}, which has the WAL-reset bug (3.7.0 to 3.51.2)",
        advice="upgrade apsw; until then let one process alone write to the file",
    )


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: "4.13.2rc1" is (4, 13)."""
    parts = version.split(".")
    plain = next((at for at, part in enumerate(parts) if not part.isdecimal()), len(parts))
    return tuple(map(int, parts[:plain]))


async def _stores(settings: Settings, parts: EngineParts) -> AsyncIterator[Check]:
    path = sqlite_path(settings.resolved_store_url)
    yield Check(name="store", found=shown_url(settings.resolved_store_url))
    if path is not None:
        for check in _place(path):
            yield check
    if path is not None and not path.exists():
        yield Check(name="memories", found="none yet: the first `context0 add` makes the file")
        yield await _model(parts, stored=False)
    else:
        reached = True
        async for check in _documents(parts, path):
            reached = reached and check.level != "failure"
            yield check
        if reached:
            async for check in store_checks(settings, parts):
                yield check
        yield await _chats(parts)
    yield _journal(settings)
    yield await _vectors(parts)


async def _documents(parts: EngineParts, path: Path | None) -> AsyncIterator[Check]:
    try:
        await parts.documents.open()
        await parts.documents.ping()
        facts = await parts.documents.status()
        work = await parts.documents.pending(limit=MAX_WORK, now=parts.clock.now())
    except StoreError as exc:
        yield _failure("documents", exc)
        yield await _model(parts, stored=False)
        return
    yield Check(name="documents", found=", ".join(f"{name} {value}" for name, value in facts.items()))
    if path is not None:
        yield _permissions(path)
    yield _index_work(facts, work)
    yield await _model(parts, stored=True)


def _index_work(facts: Mapping[str, int | str], work: Sequence[PendingWork]) -> Check:
    """Tell work that is new from work that failed before: that is tried again, or was, until it was given up."""
    pending, given_up = int(facts.get("index_pending", 0)), int(facts.get("index_failed", 0))
    new = sum(item.attempts == 0 and not item.deleted for item in work)
    failed_before = max(0, pending - new) if len(work) < MAX_WORK else sum(item.attempts > 0 for item in work)
    found = f"{pending} pending, {failed_before} of them failed before, {given_up} given up"
    if not failed_before and not given_up:
        return Check(name="index work", found=found)
    return Check(
        name="index work",
        level="warning",
        found=found,
        advice="these are not found by meaning; see that the embedding provider answers, then run `context0 reindex`",
    )


async def _model(parts: EngineParts, *, stored: bool) -> Check:
    """Check that the model can be loaded, and, if the documents are open, that it is the store's."""
    guard = ModelGuard(parts.documents, parts.embedder)
    try:
        model = parts.embedder.model
        if parts.embedder.local:
            await parts.embedder.embed([])
        if stored:
            await guard.load()
            await guard.check()
    except EmbeddingModelMismatch as exc:
        return Check(name="embedding", level="warning", found=f"{model}; the store has {exc.stored}", advice=str(exc))
    except (Context0Error, StoreError) as exc:
        return _failure("embedding", exc)
    return Check(
        name="embedding", found=model if parts.embedder.local else f"{model}, over the network (not asked now)"
    )


async def _chats(parts: EngineParts) -> Check:
    try:
        await parts.chats.open()
        facts = await parts.chats.status()
    except StoreError as exc:
        return _failure("chats", exc)
    return Check(name="chats", found=", ".join(f"{name} {value}" for name, value in facts.items()))


def _journal(settings: Settings) -> Check:
    """Tell what waits for a store on another machine; that is normal for seconds, while a process holds it."""
    try:
        files, messages, refused = count_left(settings.journal_dir)
    except StoreError as exc:
        return _failure("journal", exc)
    found = f"{messages} messages wait in {files} files" if files else "nothing waits"
    if not refused:
        return Check(name="journal", found=found)
    return Check(
        name="journal",
        level="warning",
        found=f"{found}, {refused} of them refused by the store",
        advice=f"look at the log for journal.refused; they stay in {settings.journal_dir}",
    )


async def _vectors(parts: EngineParts) -> Check:
    if parts.vectors.derived:
        return Check(name="vectors", found=f"{parts.vectors.name}, follows the documents")
    try:
        await parts.vectors.open()
    except StoreError as exc:
        return _failure("vectors", exc)
    return Check(name="vectors", found=f"{parts.vectors.name}, answers")


def _failure(name: str, exc: Context0Error | StoreError) -> Check:
    return Check(name=name, level="failure", found=exc.code, advice=str(exc))


def _permissions(path: Path) -> Check:
    """Say who can read the file; SQLite gives the log beside it the same permissions."""
    mode = path.stat().st_mode
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        return Check(
            name="file", level="warning", found=stat.filemode(mode), advice=f"others can read it: chmod 600 {path}"
        )
    return Check(name="file", found=f"{stat.filemode(mode)}, {size(path.stat().st_size)}")


def _place(path: Path) -> Iterator[Check]:
    """Check the folder of the file, which may have to be made, and the disk."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK):
        yield Check(
            name="folder", level="failure", found=f"{folder} cannot be written", advice="change its permissions"
        )
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        yield Check(
            name="disk", level="warning", found=f"{size(free)} free", advice="make room: a full disk takes no writes"
        )
    else:
        yield Check(name="disk", found=f"{size(free)} free")


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite store."""
    return Path(path_of(url)) if url.startswith("sqlite://") else None


def size(count: float) -> str:
    for unit in SIZES[:-1]:
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {SIZES[-1]}"
