"""How an edition grows: rows are appended, step by step; each step is durable when it is told."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import numpy as np

from stores.errors import DimensionMismatch
from stores.local.editions import ROW, Edition, checksum, sync
from stores.local.file_vectors import FileVectors, packed
from stores.local.octets import octets_of, octets_width
from stores.local.signs import signs_of, width_of
from stores.records import MemoryId

_FILES: Final = ("vectors", "octets", "signs", "rows")


class Stopped(Exception):
    """The build was told to end; what is done stays."""


class RowWriter:
    """Appends rows to an edition whose `writing` lock is held; a context manager. For a thread.

    A version that the edition has already is left out, so a build that was killed goes on where it was. step: after so
    many rows what was added is made durable.
    """

    def __init__(self, edition: Edition, *, step: int) -> None:
        self.edition = edition
        self._step = step
        self._known = FileVectors(edition) if edition.manifest.rows else None
        self._dimension = edition.manifest.dimension
        self._count = edition.manifest.rows
        self._sums = {name: getattr(edition.manifest, f"{name}_sum") for name in _FILES}

    def __enter__(self) -> Self:
        self._files = {name: (self.edition.folder / name).open("r+b") for name in _FILES}
        for name, file in self._files.items():
            file.truncate(self._count * self._stride(name))
            file.seek(0, 2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def add(self, ids: Sequence[MemoryId], versions: Sequence[int], vectors: Sequence[bytes]) -> None:
        """Append a row an id. Raises DimensionMismatch, and ValueError for ids that are no UUIDs."""
        if self._known is not None and ids:
            known = self._known.versions(self._known.rows_of(ids))
            news = np.flatnonzero(known < np.array(versions)).tolist()
            ids, versions, vectors = [ids[n] for n in news], [versions[n] for n in news], [vectors[n] for n in news]
        if not ids:
            return
        self._dimension = self._dimension or len(vectors[0]) // 4
        for vector in vectors:
            if len(vector) != self._dimension * 4:
                raise DimensionMismatch(self._dimension, len(vector) // 4)
        block = np.frombuffer(b"".join(vectors), "<f4").reshape(len(ids), self._dimension)
        marks = np.zeros(len(ids), ROW)
        octets, scales = octets_of(block)
        marks["id"], marks["version"], marks["scale"] = packed(ids), versions, scales
        parts = (("vectors", block), ("octets", octets), ("signs", signs_of(block)), ("rows", marks))
        for name, rows in parts:
            first = self._count * self._stride(name) // 4
            self._sums[name] = checksum(np.frombuffer(rows.tobytes(), "<u4"), self._sums[name], first)
            self._files[name].write(rows.tobytes())
        self._count += len(ids)
        if self._count - self.edition.manifest.rows >= self._step:
            self.commit()

    def commit(self, **changes: object) -> Edition:
        """Make what was added durable and part of the edition; changes: of its manifest, beside the rows."""
        for file in self._files.values():
            file.flush()
            sync(file.fileno())
        self.edition = self.edition.published(
            rows=self._count,
            dimension=self._dimension,
            **{f"{name}_sum": total for name, total in self._sums.items()},
            **changes,
        )
        return self.edition

    def _stride(self, name: str) -> int:
        """Return the bytes of a row in a file."""
        return {
            "vectors": self._dimension * 4,
            "octets": octets_width(self._dimension),
            "signs": width_of(self._dimension),
            "rows": ROW.itemsize,
        }[name]
