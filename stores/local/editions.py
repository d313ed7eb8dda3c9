"""Where one owner's vectors lie on disk: in editions, each a folder whose manifest says what of its files counts.

    <folder>/<digest of the owner>/lock
                                  /<edition>/manifest.json  vectors  octets  signs  rows  gone

An edition is begun empty, grows, and is replaced by a newer one; the manifest is written last, whole, and vouches for
the bytes it speaks of by checksums. Folders are made only before the documents are read, by
`writing` and `begin`: so who still writes to an owner that was erased meanwhile fails, and brings nothing back.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from stores.local.octets import octets_width
from stores.local.signs import width_of

FORMAT: Final = 3
ROW: Final = np.dtype([("id", "<u8", 2), ("version", "<u8"), ("scale", "<f4")])
"""What is kept of a row beside its vector."""
_WORDS_A_BLOCK: Final = 1 << 18
_BLOCKS_AT_ONCE: Final = 16
_REMOVED: Final = ".removed-"

Words = npt.NDArray[np.uint32]


class Torn(Exception):
    """Files that are not what their manifest says: cut off, changed, or of another program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What counts of an edition. What lies behind the rows is of a write that was cut off.

    complete: every memory of its time was read. changed_ms: what changed before is in the rows, if complete.
    """

    dimension: int = 0
    rows: int = 0
    complete: bool = False
    changed_ms: int = 0
    vectors_sum: int = 0
    octets_sum: int = 0
    rows_sum: int = 0
    signs_sum: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One folder, as its manifest described it at one moment. stamp: tells that manifest from a later one."""

    folder: Path
    manifest: Manifest
    stamp: tuple[int, int]

    @property
    def vectors(self) -> Path:
        return self.folder / "vectors"

    @property
    def octets(self) -> Path:
        return self.folder / "octets"

    @property
    def rows(self) -> Path:
        return self.folder / "rows"

    @property
    def gone(self) -> Path:
        return self.folder / "gone"

    @property
    def signs(self) -> Path:
        return self.folder / "signs"

    def is_current(self) -> bool:
        """Say whether the manifest is still the same, by one look."""
        try:
            return _stamp(self.folder) == self.stamp
        except FileNotFoundError:
            return False

    def published(self, **changes: object) -> "Edition":
        """Write the next manifest in the place of this one, and return the edition as it is then. Raises OSError."""
        manifest = replace(self.manifest, **changes)  # type: ignore[arg-type]  # fields of the manifest
        body = json.dumps({"format": FORMAT, "owner": self.folder.parent.name, **asdict(manifest)})
        part = self.folder / "manifest.part"
        part.touch(mode=0o600)
        with part.open("w", encoding="ascii") as file:
            file.write(f"{body}\n{sha256(body.encode()).hexdigest()}\n")
            sync(file.fileno())
        part.replace(self.folder / "manifest.json")
        _sync_folder(self.folder)
        return Edition(folder=self.folder, manifest=manifest, stamp=_stamp(self.folder))

    def verify(self) -> None:
        """Read the files once, 1 s for a gigabyte and a half. Raises Torn."""
        manifest = self.manifest
        for path, size, known in (
            (self.rows, manifest.rows * ROW.itemsize, manifest.rows_sum),
            (self.vectors, manifest.rows * manifest.dimension * 4, manifest.vectors_sum),
            (self.octets, manifest.rows * octets_width(manifest.dimension), manifest.octets_sum),
            (self.signs, manifest.rows * width_of(manifest.dimension), manifest.signs_sum),
        ):
            try:
                if checksum_of(path, size) != known:
                    raise Torn(f"{path.name} is not what its manifest says")
            except OSError as exc:
                raise Torn(f"{path.name}: {exc.strerror}") from exc


def owner_folder(folder: Path, store_id: bytes, owner: str) -> Path:
    """Return where an owner's editions lie; the name tells nothing of the owner."""
    return folder / sha256(store_id + owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def newest(owner: Path) -> Edition | None:
    """Return the newest complete edition, or else the newest; what has no good manifest is none."""
    found = [edition for path in sorted(owner.glob("[0-9]*")) if (edition := _read(path)) is not None]
    return max(found, key=lambda one: (one.manifest.complete, one.folder.name), default=None)


def begin(owner: Path) -> Edition:
    """Make an empty edition, newer than all, for its user's eyes only."""
    last = max((int(path.name.partition("-")[0]) for path in owner.glob("[0-9]*")), default=0)
    folder = owner / f"{last + 1:06d}-{uuid4().hex[:12]}"
    folder.mkdir(mode=0o700)
    for name in ("vectors", "octets", "signs", "rows", "gone"):
        (folder / name).touch(mode=0o600)
    return Edition(folder=folder, manifest=Manifest(), stamp=(0, 0)).published()


def remove(owner: Path) -> None:
    """Remove all of an owner's files; safe to repeat, and to be killed in: `sweep` does the rest."""
    aside = owner.with_name(f"{_REMOVED}{uuid4().hex}")
    with suppress(FileNotFoundError):
        owner.rename(aside)  # from now on whoever writes there fails
    sweep(owner.parent)


def sweep(folder: Path) -> None:
    """Remove what a killed `remove` has left."""
    for left in folder.glob(f"{_REMOVED}*"):
        shutil.rmtree(left, ignore_errors=True)


def remove_others(edition: Edition) -> None:
    """Remove the owner's other editions."""
    for path in edition.folder.parent.glob("[0-9]*"):
        if path != edition.folder:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def writing(owner: Path, *, make: bool = False) -> Iterator[bool]:
    """Be the only writer of an owner's editions; yields False where somebody else is.

    make: the owner's folder too, before the documents are read. Raises FileNotFoundError, without it.
    """
    if make:
        owner.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(owner / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def checksum(words: Words, before: int = 0, first: int = 0) -> int:
    """Return the sum of words from word `first` of a file on, added to the sum `before` of those before it.

    Blocks of a mebibyte count by their place, so that it notices zeros, other bytes and exchanged blocks; six times as
    fast as a CRC, which a gigabyte keeps busy for a second.
    """
    total, at = before, first
    while at - first < len(words):
        block = at // _WORDS_A_BLOCK
        end = min((block + 1) * _WORDS_A_BLOCK, first + len(words))
        total += (2 * block + 1) * int(words[at - first : end - first].sum(dtype=np.uint64))
        at = end
    return total % (1 << 64)


def checksum_of(path: Path, size: int) -> int:
    """Return the checksum of the first `size` bytes of a file. Raises Torn when there are fewer."""
    total, at, left = 0, 0, size
    with path.open("rb", buffering=0) as file:
        while left:
            chunk = file.read(min(left, 4 * _WORDS_A_BLOCK * _BLOCKS_AT_ONCE))
            if not chunk:
                raise Torn(f"{path.name} is {left} bytes too short")
            left -= len(chunk)
            if len(chunk) % 4:
                more = file.read(min(left, 4 - len(chunk) % 4))
                left -= len(more)
                chunk = (chunk + more).ljust(-(-len(chunk + more) // 4) * 4, b"\0")
            words = np.frombuffer(chunk, "<u4")
            total = checksum(words, total, at)
            at += len(words)
    return total


def sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _read(folder: Path) -> Edition | None:
    try:
        stamp = _stamp(folder)
        body, digest, _ = (folder / "manifest.json").read_text(encoding="ascii").split("\n")
        told = json.loads(body)
    except (OSError, ValueError):
        return None
    if digest != sha256(body.encode()).hexdigest() or told.pop("format", None) != FORMAT:
        return None
    if told.pop("owner", None) != folder.parent.name:
        return None
    return Edition(folder=folder, manifest=Manifest(**told), stamp=stamp)


def _stamp(folder: Path) -> tuple[int, int]:
    found = (folder / "manifest.json").stat()
    return found.st_ino, found.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
