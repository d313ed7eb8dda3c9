"""Vectors of one owner in files: their signs propose rows, their octets choose of these, the vectors decide."""

import os
import re
import weakref
from collections.abc import Collection, Sequence
from mmap import PROT_READ, mmap
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stores.local.editions import ROW, Edition, Manifest, Torn
from stores.local.octets import Bytes, Octets, octets_width
from stores.local.signs import Bits, Mask, Rows, Signs, width_of
from stores.owner.vector_set import best_hits
from stores.records import FloatMatrix, FloatVector, Hit, MemoryId

GONE: Final = np.dtype([("id", "<u8", 2), ("rows", "<u8")])
"""One removal: of this id, as far as it is among so many first rows."""
PROPOSED: Final = 5_120
_PROPOSED_TIMES: Final = 8
"""Rows that the signs propose, at least, and for each one wanted."""
_READ: Final = 32
_READ_TIMES: Final = 1.5
"""Rows whose vectors are read, at least, and for each one wanted; with 1.2 for each one none was missed."""
_OCTETS_IN_MEMORY: Final = 512 << 20
"""Where they are more, they stay in their file, mapped."""
_CANONICAL: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Packed = npt.NDArray[np.uint64]


class FileVectors:
    """The rows of an edition as it was when it was opened; only which of them are alive changes.

    The vectors stay in their file: those that the octets choose are read, 1.5 us each where the system has them cached.
    """

    def __init__(self, edition: Edition) -> None:
        """Open the files; `Edition.verify` has seen to it that they are whole. Raises Torn, OSError."""
        manifest = edition.manifest
        self.edition = edition
        self._vectors = _opened(edition.vectors, manifest.rows * manifest.dimension * 4)
        weakref.finalize(self, os.close, self._vectors)
        self._octets_file = _opened(edition.octets, _octets_size(manifest))
        weakref.finalize(self, os.close, self._octets_file)  # open from now on: the edition may be replaced
        self._rows = np.fromfile(edition.rows, ROW, manifest.rows)
        keys = _keys(self._rows["id"])
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._keys = keys[self._order]
        self.alive: Mask = np.ones(manifest.rows, np.bool_)
        self.alive[self._order[:-1][self._keys[1:] == self._keys[:-1]]] = False  # a later row has taken its place
        self._living = int(self.alive.sum())
        self._signs = Signs(_signs(edition))
        self._octets: Octets | None = None
        self._gone_read = 0
        self.read_removals()

    def __len__(self) -> int:
        """Return how many rows are alive."""
        return self._living

    @property
    def dimension(self) -> int:
        return self.edition.manifest.dimension

    @property
    def dead(self) -> int:
        return len(self.alive) - self._living

    @property
    def nbytes(self) -> int:
        """Bytes in the memory of the process, once it was searched."""
        octets = _octets_size(self.edition.manifest)
        held = octets if octets <= _OCTETS_IN_MEMORY else 0
        return held + sum(part.nbytes for part in (self._rows, self._order, self._keys, self.alive, self._signs))

    def rows_of(self, ids: Collection[MemoryId]) -> Rows:
        """Return the row of each id, -1 for unknown ones: int64, shape (ids,)."""
        given = list(ids)
        rows = np.full(len(given), -1, np.int64)
        try:
            wanted, at = packed(given), np.arange(len(given))
        except ValueError:
            at = np.array([place for place, one in enumerate(given) if _CANONICAL.fullmatch(one)], np.int64)
            wanted = packed([given[place] for place in at.tolist()])
        if not len(self._keys) or not len(wanted):
            return rows
        place = np.searchsorted(self._keys, _keys(wanted), side="right") - 1
        found = self._order[np.maximum(place, 0)].astype(np.int64)
        is_it = (self._rows["id"][found] == wanted).all(axis=1)
        rows[at[is_it]] = found[is_it]
        return rows

    def versions(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the version in each row, 0 for -1."""
        versions = np.zeros(len(rows), np.int64)
        versions[rows >= 0] = self._rows["version"][rows[rows >= 0]]
        return versions

    def ids(self, rows: Rows) -> list[MemoryId]:
        return unpacked(self._rows["id"][rows])

    def mask(self, rows: Rows) -> None:
        """Let these rows be found no more; -1 is fine."""
        self.alive[rows[rows >= 0]] = False
        self._living = int(np.count_nonzero(self.alive))

    def read_removals(self) -> None:
        """Take over what was noted since, by this process or another one; without news one look, 2 us."""
        size = self.edition.gone.stat().st_size // GONE.itemsize
        if size == self._gone_read:
            return
        noted = np.fromfile(self.edition.gone, GONE, offset=self._gone_read * GONE.itemsize)
        rows = self.rows_of(unpacked(noted["id"]))
        self.mask(rows[(rows >= 0) & (rows < noted["rows"].astype(np.int64))])
        self._gone_read += len(noted)

    def top(self, vector: FloatVector, limit: int, among: Collection[MemoryId] | None = None) -> list[Hit]:
        """Return the nearest living rows, best first, equal scores by ascending id: the nearest of what signs and
        octets leave, which with ten wanted of a million misses less than one in a hundred."""
        if among is None:
            allowed, count = self.alive, self._living
        else:
            known = self.rows_of(among)
            allowed = np.zeros(len(self.alive), np.bool_)
            allowed[known[known >= 0]] = True
            allowed &= self.alive
            count = int(np.count_nonzero(allowed))
        manifest = self.edition.manifest
        rows = self._signs.near(vector, max(PROPOSED, _PROPOSED_TIMES * limit), allowed, count)
        if self._octets is None:
            self._octets = Octets(_octets(self._octets_file, manifest), self._rows["scale"])
        rows = np.sort(self._octets.nearest(rows, vector, max(_READ, int(_READ_TIMES * limit))))
        return best_hits(self._scores(rows, vector), rows, limit, self.ids)

    def _scores(self, rows: Rows, vector: FloatVector) -> npt.NDArray[np.float32]:
        size = self.dimension * 4
        read = b"".join([os.pread(self._vectors, size, row * size) for row in rows.tolist()])
        matrix: FloatMatrix = np.frombuffer(read, "<f4").reshape(len(rows), self.dimension)
        return matrix @ vector


def packed(ids: Sequence[str]) -> Packed:
    """Return ids as 128 bits each: uint64, shape (ids, 2). Raises ValueError unless all are UUIDs as `str` has them."""
    text = "".join(ids).encode("ascii")
    if len(text) != 36 * len(ids) or any(len(one) != 36 for one in ids) or text != text.lower():
        raise ValueError("not all of the ids are UUIDs")
    letters = np.frombuffer(text, "S1").reshape(len(ids), 36)
    if not (letters[:, [8, 13, 18, 23]] == b"-").all():
        raise ValueError("not all of the ids are UUIDs")
    digits = bytes.fromhex(text.decode().replace("-", ""))
    if len(digits) != 16 * len(ids):
        raise ValueError("not all of the ids are UUIDs")
    return np.frombuffer(digits, ">u8").astype(np.uint64).reshape(len(ids), 2)


def unpacked(ids: Packed) -> list[MemoryId]:
    """Return what `packed` was given."""
    digits = np.ascontiguousarray(ids).astype(">u8").tobytes().hex()
    texts = (digits[at : at + 32] for at in range(0, len(digits), 32))
    return [MemoryId(f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}") for t in texts]


def canonical(ids: Collection[MemoryId]) -> list[MemoryId]:
    """Return the ids that `packed` takes."""
    return [one for one in ids if _CANONICAL.fullmatch(one)]


def log_removal(edition: Edition, ids: Collection[MemoryId]) -> None:
    """Note in the edition that these ids are gone from the rows of now. Raises OSError, ValueError."""
    noted = np.zeros(len(ids), GONE)
    noted["id"], noted["rows"] = packed(list(ids)), edition.manifest.rows
    descriptor = os.open(edition.gone, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)  # does not make it
    try:
        os.write(descriptor, noted.tobytes())
    finally:
        os.close(descriptor)


def _keys(ids: Packed) -> npt.NDArray[np.uint64]:
    """Return one number an id to sort by. Two ids of a million have the same one once in 30 million; the earlier then
    counts as replaced, and is found by words only."""
    mixed: npt.NDArray[np.uint64] = ids[:, 1] ^ (ids[:, 0] * np.uint64(0x9E3779B97F4A7C15))
    return mixed


def _opened(path: Path, size: int) -> int:
    """Return a descriptor of a file that is as long as it is to be. Raises Torn, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if os.fstat(descriptor).st_size < size:
        os.close(descriptor)
        raise Torn(f"{path.name} is too short")
    return descriptor


def _octets(descriptor: int, manifest: Manifest) -> Bytes:
    """Return them in memory, or mapped where they are too many."""
    size = _octets_size(manifest)
    read = os.pread(descriptor, size, 0) if size <= _OCTETS_IN_MEMORY else mmap(descriptor, size, prot=PROT_READ)
    return np.frombuffer(read, np.int8, size).reshape(manifest.rows, octets_width(manifest.dimension))


def _octets_size(manifest: Manifest) -> int:
    return manifest.rows * octets_width(manifest.dimension)


def _signs(edition: Edition) -> Bits:
    manifest, width = edition.manifest, width_of(edition.manifest.dimension)
    bits = np.fromfile(edition.signs, np.uint8, manifest.rows * width)
    if len(bits) < manifest.rows * width:
        raise Torn("signs is too short")
    return bits.reshape(manifest.rows, width)
