"""What SQLite asks of a disk, noted in order, and what a power loss at any point of it may leave there.

A VFS before SQLite's own notes the calls. What was synced is on the disk; what becomes of the rest, a `Loss` says. The
entries of the folder are unsure too until that is synced: SQLite's own VFS does that (seen under strace) with the first
sync of a log or journal that it may have made, and where xDelete asks for it. Assumed, as by SQLite: a sync that has
returned is true, a write changes no byte beside its own (SQLITE_IOCAP_POWERSAFE_OVERWRITE), the folder itself is there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw

SECTOR: Final = 512
_WITH_FOLDER: Final = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


class Loss(StrEnum):
    """DROPPED: all that was not synced. SHUFFLED: a part of it survives, written in any order.

    TORN: of each write a number of its first sectors, and where the file has grown, garbage.
    """

    DROPPED = "dropped"
    SHUFFLED = "shuffled"
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class Made:
    name: str


@dataclass(frozen=True, slots=True)
class Written:
    name: str
    offset: int
    data: bytes

    def head(self, sectors: int) -> "Written":
        """Return what is written of it when only so many sectors of the disk are."""
        end = (self.offset // SECTOR + sectors) * SECTOR
        return Written(self.name, self.offset, self.data[: max(0, end - self.offset)])

    @property
    def sectors(self) -> int:
        return (self.offset + len(self.data) - 1) // SECTOR - self.offset // SECTOR + 1


@dataclass(frozen=True, slots=True)
class Cut:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    name: str
    with_folder: bool


@dataclass(frozen=True, slots=True)
class Removed:
    name: str
    with_folder: bool


@dataclass(frozen=True, slots=True)
class Told:
    """An acknowledgement, which came at this place."""


Event = Made | Written | Cut | Synced | Removed | Told


class _File(apsw.VFSFile):
    def __init__(self, log: list[Event], base: str, name: Any, flags: list[int]) -> None:
        self._log = log
        self._name = _short(name)
        self._with_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _WITH_FOLDER)
        super().__init__(base, name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._log.append(Written(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._log.append(Cut(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        super().xSync(flags)
        self._log.append(Synced(self._name, self._with_folder))
        self._with_folder = False


class _RecordingVfs(apsw.VFS):
    def __init__(self, log: list[Event]) -> None:
        self._log = log
        self._names: set[str] = set()
        self._base = apsw.vfs_names()[0]
        super().__init__("recording", self._base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        if name is None:  # a temporary file
            return apsw.VFSFile(self._base, name, flags)
        file = _File(self._log, self._base, name, flags)
        if _short(name) not in self._names and flags[0] & apsw.SQLITE_OPEN_CREATE:
            self._names.add(_short(name))
            self._log.append(Made(_short(name)))
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        super().xDelete(filename, syncdir)
        self._names.discard(_short(filename))
        self._log.append(Removed(_short(filename), syncdir))


def _short(name: str | apsw.URIFilename) -> str:
    return Path(name if isinstance(name, str) else name.filename()).name


@contextmanager
def recorded() -> Iterator[list[Event]]:
    """Note what every database of one folder does that is opened, and closed, while the block lasts."""
    log: list[Event] = []
    vfs = _RecordingVfs(log)
    try:
        yield log
    finally:
        vfs.unregister()


@dataclass(slots=True, eq=False)
class _Content:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Written | Cut] = field(default_factory=list)

    def sync(self) -> None:
        for event in self.pending:
            _apply(event, self.durable)
        self.pending.clear()

    def after(self, loss: Loss, random: Random) -> bytearray:
        content, share = bytearray(self.durable), random.random()
        if loss is Loss.DROPPED:
            return content
        if loss is Loss.TORN:
            whole = bytearray(content)
            for event in self.pending:
                _apply(event, whole)
            content += random.randbytes(max(0, len(whole) - len(content)))
        for event in self._survivors(loss, share, random):
            _apply(event, content)
        return content

    def _survivors(self, loss: Loss, share: float, random: Random) -> Iterator[Written | Cut]:
        pending = random.sample(self.pending, len(self.pending)) if loss is Loss.SHUFFLED else self.pending
        for event in pending:
            if random.random() < share:
                yield event
            elif loss is Loss.TORN and isinstance(event, Written):
                yield event.head(random.randrange(event.sectors))


def _apply(event: Written | Cut, content: bytearray) -> None:
    size = event.size if isinstance(event, Cut) else event.offset + len(event.data)
    if len(content) < size:
        content.extend(bytes(size - len(content)))
    if isinstance(event, Cut):
        del content[size:]
    else:
        content[event.offset : size] = event.data


class Disk:
    """What is on the disk after the events that were applied, and what of it is sure."""

    def __init__(self) -> None:
        self._entries: dict[str, _Content] = {}
        self._durable: dict[str, _Content] = {}

    def apply(self, event: Event) -> None:
        match event:
            case Made(name):
                self._entries[name] = _Content()
            case Written(name) | Cut(name):
                self._entries[name].pending.append(event)
            case Synced(name, with_folder):
                self._entries[name].sync()
                self._sync_folder(really=with_folder)
            case Removed(name, with_folder):
                del self._entries[name]
                self._sync_folder(really=with_folder)

    def _sync_folder(self, *, really: bool) -> None:
        if really:
            self._durable = dict(self._entries)

    @property
    def unsynced(self) -> int:
        return sum(len(content.pending) for content in self._entries.values())

    def write_image(self, folder: Path, loss: Loss, random: Random) -> None:
        """Write the files as they are after the power came back."""
        for name in sorted({*self._entries, *self._durable}):
            both = self._durable.get(name), self._entries.get(name)
            content = both[0] if loss is Loss.DROPPED else random.choice(both)
            if content is not None:
                (folder / name).write_bytes(content.after(loss, random))
