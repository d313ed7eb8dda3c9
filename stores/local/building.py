"""How an edition grows: rows from the documents, then the graph over them; each step is durable when it is told."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from stores.errors import DimensionMismatch
from stores.local.editions import ROW, Edition, checksum, checksum_of, remove_others, sync
from stores.local.mapped import MappedVectors, as_bytes, new_graph, packed
from stores.records import FloatMatrix, MemoryId

_COMMIT_ROWS: Final = 50_000
_BATCH_ROWS: Final = 1_024
_SCALED_BY_ROWS: Final = 16_384
_WITHIN: Final = 0.9999
"""This share of the numbers in the vectors is told apart by the bytes; the others are cut to the largest byte."""


class Stopped(Exception):
    """The build was told to end; what is done stays."""


class RowWriter:
    """Appends rows to an edition whose `writing` lock is held; a context manager. For a thread.

    A version that the edition has already is left out, so a build that was killed goes on where it was.
    """

    def __init__(self, edition: Edition) -> None:
        self.edition = edition
        self._known = MappedVectors(edition, exact_up_to=0) if edition.manifest.rows else None
        self._dimension = edition.manifest.dimension
        self._count = edition.manifest.rows
        self._vectors_sum, self._rows_sum = edition.manifest.vectors_sum, edition.manifest.rows_sum

    def __enter__(self) -> Self:
        manifest = self.edition.manifest
        self._vectors = self.edition.vectors.open("r+b")
        self._rows = self.edition.rows.open("r+b")
        for file, stride in ((self._vectors, manifest.dimension * 4), (self._rows, ROW.itemsize)):
            file.truncate(manifest.rows * stride)
            file.seek(0, 2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._vectors.close()
        self._rows.close()

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
        block = np.frombuffer(b"".join(vectors), "<u4")
        marks = np.zeros(len(ids), ROW)
        marks["id"], marks["version"] = packed(ids), versions
        self._vectors_sum = checksum(block, self._vectors_sum, self._count * self._dimension)
        self._rows_sum = checksum(marks.view("<u4"), self._rows_sum, self._count * (ROW.itemsize // 4))
        self._vectors.write(block.tobytes())
        self._rows.write(marks.tobytes())
        self._count += len(ids)
        if self._count - self.edition.manifest.rows >= _COMMIT_ROWS:
            self.commit()

    def commit(self, **changes: object) -> Edition:
        """Make what was added durable and part of the edition; changes: of its manifest, beside the rows."""
        for file in (self._vectors, self._rows):
            file.flush()
            sync(file.fileno())
        self.edition = self.edition.published(
            rows=self._count,
            dimension=self._dimension,
            vectors_sum=self._vectors_sum,
            rows_sum=self._rows_sum,
            **changes,
        )
        return self.edition


def extend_graph(edition: Edition, step: int, stopped: Callable[[], bool]) -> Edition:
    """Put the next `step` rows into the graph, save it, and return the edition as it is then. For a thread.

    In memory: the graph itself. Raises Stopped, OSError.
    """
    first = edition.manifest.graph_rows
    end = min(first + step, edition.manifest.rows)
    scale = edition.manifest.scale or _scale_of(_read(edition, 0, min(end, _SCALED_BY_ROWS)))
    graph = new_graph(edition.manifest.dimension)
    if first:
        graph.load(edition.graph)
    for start in range(first, end, _BATCH_ROWS):
        if stopped():
            raise Stopped
        until = min(start + _BATCH_ROWS, end)
        graph.add(np.arange(start, until), as_bytes(_read(edition, start, until), scale), threads=1)
    return _saved(graph, edition, end, scale)


def _saved(graph: Any, edition: Edition, graph_rows: int, scale: float) -> Edition:
    part, whole = edition.folder / "graph.part", edition.folder / f"graph-{graph_rows}"
    part.touch(mode=0o600)
    graph.save(part)
    with part.open("rb") as file:
        sync(file.fileno())
    part.replace(whole)
    edition = edition.published(graph_rows=graph_rows, graph_sum=checksum_of(whole), scale=scale)
    remove_others(edition)
    return edition


def _read(edition: Edition, start: int, end: int) -> FloatMatrix:
    """Return rows by reading, not by the map: what is read once need not stay in memory."""
    dimension = edition.manifest.dimension
    rows = np.fromfile(edition.vectors, "<f4", (end - start) * dimension, offset=start * dimension * 4)
    return rows.reshape(end - start, dimension)


def _scale_of(rows: FloatMatrix) -> float:
    return 127 / max(float(np.quantile(np.abs(rows), _WITHIN)), 1e-9)
