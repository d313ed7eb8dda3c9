"""Searches of very many vectors in files: in parts, each for a thread of its own (B4)."""

from pathlib import Path

import pytest

from stores.local import file_vectors
from stores.reference.documents import ReferenceDocuments
from tests.contracts.builders import ANNA, NOW, named
from tests.local_vectors import clustered, fill, local_vectors, recall

MANY = 1_000


@pytest.mark.parametrize("rest", [0, 1, 7])
async def test_a_search_in_parts_finds_what_one_of_all_rows_finds(
    rest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_vectors, "_PARTED_FROM", MANY)
    rows, documents = clustered(MANY + rest), ReferenceDocuments()
    await fill(documents, rows)
    store = local_vectors(documents, tmp_path)
    await store.build(ANNA)
    held = await store._current(ANNA)
    assert held.filed is not None and held.filed.parts == 2
    assert len(held.searches(rows[0], 10)) == 2
    assert len(held.searches(rows[0], 10, [named(0)])) == 1, "among few there is nothing to share"
    assert await recall(store, rows) >= 0.99
    assert await recall(store, rows, list(range(0, MANY, 3))) >= 0.99
    for number in (0, MANY // 2 - 1, MANY // 2, MANY + rest - 1):
        vector = rows[number]
        assert [hit.id for hit in await store.query(vector, scope=ANNA, limit=1)] == [named(number)]
        await documents.delete(named(number), scope=ANNA, now=NOW)
        found = await store.query(vector, scope=ANNA, limit=MANY + rest)
        assert named(number) not in {hit.id for hit in found}
    assert len(found) == MANY + rest - 4, "where all are wanted, all are found"
    await store.aclose()
