"""What the suites about the files of large owners share: documents by the hundred, and small sizes."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stores.local.sizes import Sizes
from stores.local.vectors import LocalVectors
from stores.protocols import DocumentStore
from stores.records import Document, FloatMatrix, FloatVector, MemoryId, Scope
from tests.contracts.builders import ANNA, NOW, build_document, named

WIDTH = 32
SMALL = Sizes(files_from=300, behind=100, step=300)


def clustered(count: int, seed: int = 0) -> FloatMatrix:
    """Return unit vectors around forty centres, so that there are near ones as there are among texts."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((40, WIDTH), np.float32)
    rows = centres[random.integers(0, 40, count)] + 0.7 * random.standard_normal((count, WIDTH), np.float32)
    unit: FloatMatrix = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def documents_of(rows: FloatMatrix, first: int = 0, scope: Scope = ANNA, **fields: Any) -> list[Document]:
    return [
        build_document(f"memory {n}", scope=scope, id=named(n), embedding=row, at=NOW, **fields)
        for n, row in enumerate(rows, first)
    ]


async def fill(documents: DocumentStore, rows: FloatMatrix, first: int = 0, scope: Scope = ANNA) -> None:
    await documents.put_many(documents_of(rows, first, scope), scope=scope, now=NOW)


def local_vectors(documents: DocumentStore, folder: Path, sizes: Sizes = SMALL) -> LocalVectors:
    return LocalVectors(documents, folder=folder, sizes=sizes, staleness_s=-1.0)


def nearest(rows: FloatMatrix, vector: FloatVector, limit: int, among: Sequence[int] | None = None) -> list[MemoryId]:
    chosen = np.arange(len(rows)) if among is None else np.array(among)
    order = np.argsort(-(rows[chosen] @ vector), kind="stable")[:limit]
    return [named(int(number)) for number in chosen[order]]


async def recall(
    store: LocalVectors, rows: FloatMatrix, among: Sequence[int] | None = None, *, limit: int = 10, questions: int = 30
) -> float:
    """Return which share of the nearest the store finds, over some questions."""
    found = 0
    chosen = None if among is None else [named(number) for number in among]
    for vector in clustered(questions, seed=7):
        hits = await store.query(vector, scope=ANNA, limit=limit, among=chosen)
        found += len({hit.id for hit in hits} & set(nearest(rows, vector, limit, among)))
    return found / (questions * limit)


def files_in(folder: Path) -> list[str]:
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*") if path.is_file())


def folders_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def modes_in(folder: Path) -> set[int]:
    """Return who may do what with the files and folders."""
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
