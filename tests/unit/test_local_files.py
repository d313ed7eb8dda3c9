"""The vectors of a large owner on disk: found again, grown, repaired, erased; recall with and without filters."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from stores.local import editions, file_vectors
from stores.local.file_vectors import FileVectors
from stores.local.vectors import LocalVectors
from stores.records import FloatMatrix, IndexMark, MemoryId
from stores.reference.documents import ReferenceDocuments
from tests.contracts.builders import ANNA, BEN, NOW, build_document, named
from tests.local_vectors import (
    SMALL,
    clustered,
    documents_of,
    files_in,
    fill,
    folders_in,
    local_vectors,
    modes_in,
    nearest,
    recall,
)

MANY = 1_000


@pytest.fixture
def rows() -> FloatMatrix:
    return clustered(MANY)


@pytest.fixture
async def documents(rows: FloatMatrix) -> ReferenceDocuments:
    store = ReferenceDocuments()
    await fill(store, rows)
    return store


@pytest.fixture
async def store(documents: ReferenceDocuments, tmp_path: Path) -> AsyncIterator[LocalVectors]:
    store = local_vectors(documents, tmp_path)
    await store.build(ANNA)
    yield store
    await store.aclose()


class Silent(ReferenceDocuments):
    """The same documents, but whoever reads all of an owner's is told off."""

    def __init__(self, documents: ReferenceDocuments) -> None:
        self.__dict__ = documents.__dict__

    def scan(self, **options: object) -> object:  # type: ignore[override]  # it only adds the check
        assert options["since"] is not None, "all documents were read"
        return super().scan(**options)  # type: ignore[arg-type]


def edition_of(folder: Path) -> editions.Edition:
    (owner,) = folder.iterdir()
    edition = editions.newest(owner)
    assert edition is not None
    return edition


# --- what is found


async def test_signs_find_nearly_what_the_exact_search_finds(store: LocalVectors, rows: FloatMatrix) -> None:
    assert await recall(store, rows) >= 0.99


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
async def test_a_filter_costs_no_recall_however_few_pass(store: LocalVectors, rows: FloatMatrix, share: float) -> None:
    among = np.random.default_rng(1).choice(MANY, int(MANY * share), replace=False).tolist()
    assert await recall(store, rows, among, limit=min(10, len(among))) >= 0.99


async def test_a_filter_that_shuts_out_the_near_ones_costs_no_recall(store: LocalVectors, rows: FloatMatrix) -> None:
    vector = clustered(1, seed=3)[0]
    far = np.argsort(rows @ vector)[: MANY // 2].tolist()
    hits = await store.query(vector, scope=ANNA, limit=10, among=[named(number) for number in far])
    assert [hit.id for hit in hits] == nearest(rows, vector, 10, far)


async def test_scores_are_those_of_the_vectors_not_of_the_octets(store: LocalVectors, rows: FloatMatrix) -> None:
    vector = clustered(1, seed=3)[0]
    for hit in await store.query(vector, scope=ANNA, limit=20):
        assert hit.score == pytest.approx(float(rows[int(hit.id[-12:])] @ vector), abs=1e-6)


async def test_octets_that_are_too_many_for_the_memory_stay_in_their_file(
    store: LocalVectors,
    documents: ReferenceDocuments,
    rows: FloatMatrix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = store.nbytes
    monkeypatch.setattr(file_vectors, "_OCTETS_IN_MEMORY", rows.size - 1)
    other = local_vectors(documents, tmp_path)
    assert await recall(other, rows) >= 0.99
    assert other.nbytes == held - rows.size
    await other.aclose()


async def test_many_ids_that_are_unknown_or_no_uuids_are_no_harm(store: LocalVectors, rows: FloatMatrix) -> None:
    ids = [MemoryId("nobody"), named(5_000_000), named(3), MemoryId("x" * 36), MemoryId("Ü" * 36)]
    hits = await store.query(rows[3], scope=ANNA, limit=10, among=ids)
    assert [hit.id for hit in hits] == [named(3)]
    await store.delete_many(ids[:2], scope=ANNA)
    assert await store.count(ANNA) == MANY


async def test_what_was_added_changed_or_removed_since_is_minded_at_once(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix
) -> None:
    extra = clustered(50, seed=5)
    await fill(documents, extra, first=MANY)
    assert (await store.query(extra[7], scope=ANNA, limit=1))[0].id == named(MANY + 7)
    changed = build_document("changed", scope=ANNA, id=named(5), embedding=-rows[5], version=2, at=NOW)
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    assert (await store.query(-rows[5], scope=ANNA, limit=1))[0].id == named(5)
    assert named(5) not in {hit.id for hit in await store.query(rows[5], scope=ANNA, limit=50)}
    assert (await store.query(-rows[5], scope=ANNA, limit=9, among=[named(5)]))[0].score == pytest.approx(1, abs=1e-5)
    await documents.delete(named(9), scope=ANNA, now=NOW)
    assert named(9) not in {hit.id for hit in await store.query(rows[9], scope=ANNA, limit=50)}
    assert await store.count(ANNA) == MANY + 50 - 1


# --- found again


async def test_another_process_reads_the_files_and_not_the_documents(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    other = local_vectors(Silent(documents), tmp_path)
    assert await recall(other, rows) >= 0.99
    await other.aclose()


async def test_what_was_removed_stays_so_in_other_processes_and_later_ones(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    other = local_vectors(documents, tmp_path)
    await other.query(rows[4], scope=ANNA, limit=1)
    await documents.delete(named(4), scope=ANNA, now=NOW)
    await documents.purge([named(4)], scope=ANNA)
    await store.delete_many([named(4)], scope=ANNA)
    for one in (store, other, local_vectors(documents, tmp_path)):
        assert named(4) not in {hit.id for hit in await one.query(rows[4], scope=ANNA, limit=50)}
        assert await one.count(ANNA) == MANY - 1
        await one.aclose()


async def test_a_vector_that_was_made_late_and_elsewhere_is_found_after_a_restart(
    documents: ReferenceDocuments, tmp_path: Path
) -> None:
    late = build_document("late", scope=ANNA, id=named(MANY), at=NOW)
    await documents.put_many([late], scope=ANNA, now=NOW)
    later = [
        replace(one, memory=one.memory.evolve(updated_at=NOW + timedelta(hours=1)))
        for one in documents_of(clustered(5, seed=8), first=MANY + 1)
    ]
    await documents.put_many(later, scope=ANNA, now=NOW)
    first = local_vectors(documents, tmp_path)
    assert await first.build(ANNA) == MANY + 5
    await first.aclose()
    vector = clustered(1, seed=9)[0]
    mark = IndexMark(id=named(MANY), generation=1, state="done", embedding=vector.tobytes(), embedding_model="m")
    assert await documents.mark([mark], scope=ANNA) == 1
    again = local_vectors(Silent(documents), tmp_path)
    assert (await again.query(vector, scope=ANNA, limit=1))[0].id == named(MANY)
    await again.aclose()


# --- growth


async def test_growth_extends_the_files_and_keeps_the_edition(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    before = edition_of(tmp_path)
    extra = clustered(300, seed=5)
    await fill(documents, extra, first=MANY)
    told: list[tuple[int, int]] = []
    assert await store.build(ANNA, lambda done, of: told.append((done, of))) == MANY + 300
    after = edition_of(tmp_path)
    assert (after.folder, after.manifest.rows) == (before.folder, MANY + 300)
    assert told == [(MANY + 300, MANY + 300)]
    assert await recall(store, np.concatenate([rows, extra])) >= 0.99
    assert files_in(after.folder) == ["gone", "manifest.json", "octets", "rows", "signs", "vectors"]


async def test_searches_begin_growth_by_themselves_and_go_on_meanwhile(
    documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    store = local_vectors(documents, tmp_path)
    while True:
        assert await recall(store, rows, questions=3) >= 0.99
        edition = edition_of(tmp_path)
        if edition.manifest.rows == MANY and not store._working:
            break
    await store.aclose()


async def test_when_most_is_dead_a_new_edition_is_made_and_the_old_one_removed(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    before = edition_of(tmp_path)
    for number in range(600):
        await documents.delete(named(number), scope=ANNA, now=NOW)
    assert await store.build(ANNA) == MANY - 600
    after = edition_of(tmp_path)
    assert not before.folder.exists()
    assert after.manifest.rows == MANY - 600
    assert await recall(store, rows, list(range(600, MANY))) >= 0.99


async def test_an_edition_that_was_replaced_before_its_first_search_still_serves(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    held = FileVectors(edition_of(tmp_path))
    for number in range(600):
        await documents.delete(named(number), scope=ANNA, now=NOW)
    await store.build(ANNA)
    assert not held.edition.folder.exists()
    assert [hit.id for hit in held.top(rows[700], 1)] == [named(700)]


async def test_another_process_takes_over_what_this_one_has_built(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    other = local_vectors(documents, tmp_path)
    await other.count(ANNA)
    extra = clustered(300, seed=5)
    await fill(documents, extra, first=MANY)
    await store.build(ANNA)
    assert await other.build(ANNA) == MANY + 300
    assert await recall(other, np.concatenate([rows, extra])) >= 0.99
    await other.aclose()


async def test_two_who_build_at_the_same_time_build_once(
    documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    stores = [local_vectors(documents, tmp_path) for _ in range(2)]
    assert await asyncio.gather(*(store.build(ANNA) for store in stores)) == [MANY, MANY]
    assert len(list(edition_of(tmp_path).folder.parent.glob("0*"))) == 1
    for store in stores:
        assert await recall(store, rows) >= 0.99
        await store.aclose()


# --- torn and foreign files


@pytest.mark.parametrize("name", ["vectors", "octets", "rows", "signs", "manifest.json"])
@pytest.mark.parametrize("harm", ["cut", "zeros", "gone", "foreign"])
async def test_a_file_that_is_torn_or_foreign_is_found_out_and_made_anew(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path, name: str, harm: str
) -> None:
    await store.aclose()
    path = edition_of(tmp_path).folder / name
    content = path.read_bytes()
    if harm == "cut":
        path.write_bytes(content[:-40])
    elif harm == "zeros":
        path.write_bytes(content[:100] + bytes(64) + content[164:])
    elif harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[::-1])
    again = local_vectors(documents, tmp_path)
    assert await again.build(ANNA) == MANY
    assert await recall(again, rows) >= 0.99
    edition_of(tmp_path).verify()
    await again.aclose()


async def test_files_of_another_owner_or_store_are_not_taken(
    store: LocalVectors, documents: ReferenceDocuments, tmp_path: Path
) -> None:
    others = clustered(MANY, seed=11)
    await fill(documents, others, scope=BEN, first=10_000)
    edition = edition_of(tmp_path)
    await store.build(BEN)
    (ben,) = set(folders_in(tmp_path)) - {edition.folder.parent}
    shutil.rmtree(ben)
    shutil.copytree(edition.folder.parent, ben)
    again = local_vectors(documents, tmp_path)
    assert (await again.query(others[3], scope=BEN, limit=1))[0].id == named(10_003)
    await again.aclose()


async def test_what_lies_behind_the_rows_of_the_manifest_is_cut_off(
    store: LocalVectors, documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    await store.aclose()
    with edition_of(tmp_path).vectors.open("ab") as file:
        file.write(b"half a row")
    again = local_vectors(documents, tmp_path)
    await fill(documents, clustered(300, seed=5), first=MANY)
    assert await again.build(ANNA) == MANY + 300
    edition_of(tmp_path).verify()
    await again.aclose()


# --- erasure


async def test_an_erasure_leaves_no_file(store: LocalVectors, documents: ReferenceDocuments, tmp_path: Path) -> None:
    await documents.erase(ANNA)
    assert await store.erase(ANNA) == MANY
    assert (files_in(tmp_path), folders_in(tmp_path)) == ([], [])
    assert await store.erase(ANNA) == 0
    assert await store.query(clustered(1)[0], scope=ANNA, limit=9) == []
    assert folders_in(tmp_path) == []


async def test_an_erasure_stops_the_build_under_way(
    documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    store = local_vectors(documents, tmp_path)
    await store.build(ANNA)
    await fill(documents, clustered(300, seed=5), first=MANY)
    await store.query(rows[0], scope=ANNA, limit=1)
    assert store._working
    await documents.erase(ANNA)
    await store.erase(ANNA)
    assert not store._working
    assert folders_in(tmp_path) == []
    await store.aclose()


async def test_a_build_in_another_process_brings_nothing_back(
    documents: ReferenceDocuments, rows: FloatMatrix, tmp_path: Path
) -> None:
    other, store = local_vectors(documents, tmp_path), local_vectors(documents, tmp_path)
    for delay in (0, 2, 10, 40):
        await fill(documents, rows)
        building = asyncio.create_task(other.build(ANNA))
        for _ in range(delay):
            await asyncio.sleep(0.001)
        await documents.erase(ANNA)
        await store.erase(ANNA)
        await asyncio.gather(building, return_exceptions=True)
        assert await other.query(rows[0], scope=ANNA, limit=9) == []
        await other.aclose()
        assert files_in(tmp_path) == []
    await store.aclose()


async def test_what_a_killed_removal_left_is_swept(documents: ReferenceDocuments, tmp_path: Path) -> None:
    left = tmp_path / ".removed-abc"
    left.mkdir()
    (left / "vectors").write_bytes(b"x")
    await local_vectors(documents, tmp_path).build(ANNA)
    assert not left.exists()


async def test_files_are_for_their_user_s_eyes_only(store: LocalVectors, tmp_path: Path) -> None:
    assert modes_in(tmp_path) == {0o700, 0o600}
    assert "anna" not in " ".join(files_in(tmp_path)).lower()


async def test_small_owners_have_no_files(tmp_path: Path) -> None:
    documents = ReferenceDocuments()
    await documents.put_many(documents_of(clustered(SMALL.files_from - 1)), scope=ANNA, now=NOW)
    store = local_vectors(documents, tmp_path)
    assert await store.build(ANNA) == SMALL.files_from - 1
    assert folders_in(tmp_path) == []
    await store.aclose()
