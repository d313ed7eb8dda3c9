"""DocumentStore: every filter means what `stores.filters.matches` says, on every backend."""

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings

from stores.filters import FIELDS, OPERATORS, matches, parse_filter
from stores.protocols import DocumentStore
from stores.records import Keyset, MemoryId
from tests.contracts.backends import Backend, DocumentBench
from tests.contracts.builders import ANNA, BEN, NOW, build_document, build_many, document_of, ids_of, named, put
from tests.contracts.library import (
    ALL_FIELDS,
    VALUES,
    allowed_operators,
    filter_specs,
    spec_of,
    varied_documents,
)

LIBRARY: Final = tuple(document.memory for document in varied_documents())
with_library = pytest.mark.usefixtures("library")
for_a_loaded_store = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def library(documents: DocumentStore) -> None:
    """The varied memories, stored for ANNA; BEN has copies of some that nobody may find."""
    await put(documents, *map(document_of, LIBRARY))
    await put(documents, *(build_document("his", scope=BEN, metadata=m.metadata) for m in LIBRARY[::10]), scope=BEN)


def expected(spec: dict[str, Any]) -> set[MemoryId]:
    """Return the ids that the language promises for `spec`."""
    tree = parse_filter(spec)
    return {memory.id for memory in LIBRARY if matches(tree, memory)}


@with_library
@pytest.mark.parametrize("operator", sorted(OPERATORS))
async def test_every_operator_on_every_field_with_every_value(
    document_backend: Backend[DocumentBench], documents: DocumentStore, operator: str
) -> None:
    specs = [
        spec_of(field, operator, [value])
        for field in ALL_FIELDS
        for value in VALUES[FIELDS.get(field, "any")]
        if operator in allowed_operators(field, value)
    ]
    stride = document_backend.stride
    wrong = []
    for spec in specs[sorted(OPERATORS).index(operator) % stride :: stride]:
        found = await documents.match(parse_filter(spec), scope=ANNA, now=NOW)
        if sorted(found) != sorted(expected(spec)):
            wrong.append(spec)
    assert wrong == []


@with_library
@given(spec=filter_specs())
@settings(for_a_loaded_store, max_examples=80)
async def test_any_tree_of_conditions(documents: DocumentStore, spec: dict[str, Any]) -> None:
    found = await documents.match(parse_filter(spec), scope=ANNA, now=NOW)
    assert sorted(found) == sorted(expected(spec))


@with_library
@given(spec=filter_specs())
@settings(for_a_loaded_store, max_examples=20)
async def test_a_filtered_list_is_the_list_without_what_does_not_pass(
    documents: DocumentStore, spec: dict[str, Any]
) -> None:
    wanted = expected(spec)
    everything = ids_of(await documents.list_page(scope=ANNA, limit=999, now=NOW))
    page = await documents.list_page(scope=ANNA, limit=5, where=parse_filter(spec), now=NOW)
    assert ids_of(page) == [memory_id for memory_id in everything if memory_id in wanted][:5]


async def test_a_filter_applies_before_the_limit_of_a_page_and_behind_its_keyset(documents: DocumentStore) -> None:
    given = build_many(100)
    rare = [build_document("rare", id=named(n), at=given[0].memory.created_at, tags=("rare",)) for n in (200, 201, 202)]
    await put(documents, *given, *rare)
    where = parse_filter({"tags": {"contains": "rare"}})
    page = await documents.list_page(scope=ANNA, limit=2, where=where, now=NOW)
    assert ids_of(page) == [named(202), named(201)]
    after = Keyset(round(page[-1].created_at.timestamp() * 1000), page[-1].id)
    rest = await documents.list_page(scope=ANNA, limit=2, where=where, after=after, now=NOW)
    assert ids_of(rest) == [named(200)]


async def test_the_largest_filter_that_the_language_takes_is_answered(documents: DocumentStore) -> None:
    await put(documents, *build_many(3, speaker="Anna"))
    values = {"in": [*(f"value {n}" for n in range(999)), "Anna"]}
    spec: dict[str, Any] = {"OR": [{"metadata.k": values}] * 49 + [{"speaker": values}] * 50}
    for _ in range(6):
        spec = {"NOT": spec}
    assert len(await documents.match(parse_filter(spec), scope=ANNA, now=NOW)) == 3
