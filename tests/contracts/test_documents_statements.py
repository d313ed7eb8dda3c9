"""DocumentStore: what memories state, how they stand, and that both are written together (A10)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from stores.protocols import DocumentStore
from stores.records import CONTENT_KEY, MENTIONS, EdgePattern, MemoryId, Relation, Statement
from tests.contracts.builders import (
    ANNA,
    FUTURE,
    NOW,
    PAST,
    build_document,
    build_relation,
    find,
    ids_of,
    named,
    put,
    rows_of,
)

MUNICH, GRAZ = named(1), named(2)


def lives_in(place: str, **fields: Any) -> Relation:
    return build_relation("anna", place, relation="lives_in", **fields)


async def moved(store: DocumentStore) -> None:
    """Store that Anna lives in Munich, then that she moved to Graz, which ended it."""
    munich = build_document("Munich", id=MUNICH, relations=[lives_in("munich"), mention()], traits=4)
    graz = build_document("Graz", id=GRAZ, relations=[lives_in("graz")], at=NOW, traits=4)
    await put(store, munich)
    await store.put_many([graz], scope=ANNA, now=NOW, settled=[over(MUNICH, GRAZ)])


def mention() -> Relation:
    return build_relation("anna", "lena", relation=MENTIONS)


def over(memory_id: MemoryId, closer: MemoryId) -> Statement:
    relations = (lives_in("munich", invalid_at=NOW, closed_by=closer), mention())
    return Statement(id=memory_id, said_at=PAST, traits=4, relations=relations, invalid_at=NOW, superseded_by=closer)


async def test_statements_are_found_by_whom_they_are_about(documents: DocumentStore) -> None:
    await moved(documents)
    await put(
        documents, build_document("Ben", id=named(3), relations=[build_relation("ben", "oslo", relation="lives_in")])
    )
    await put(documents, build_document("only named", id=named(4), relations=[mention()]))
    found = await documents.statements(scope=ANNA, about={"anna"})
    assert ids_of(found) == [MUNICH, GRAZ]
    assert found[0] == over(MUNICH, GRAZ)
    assert (found[1].relations, found[1].invalid_at, found[1].traits) == ((lives_in("graz"),), None, 4)
    assert ids_of(await documents.statements(scope=ANNA, about={"anna", "ben"})) == [MUNICH, named(3), GRAZ]
    assert await documents.statements(scope=ANNA, about={"lena"}) == []
    assert await documents.statements(scope=ANNA, about=()) == []


async def test_statements_are_found_by_the_edges_that_state_them_and_by_what_ended_them(
    documents: DocumentStore,
) -> None:
    await moved(documents)
    meant = {
        EdgePattern("anna"): [MUNICH, GRAZ],
        EdgePattern("anna", "lives_in"): [MUNICH, GRAZ],
        EdgePattern("anna", "likes"): [],
        EdgePattern("ben", "lives_in"): [],
        EdgePattern("anna", MENTIONS): [],
        EdgePattern("anna", "lives_in", "graz"): [GRAZ],
        EdgePattern("anna", "lives_in", "graz", over=True): [],
        EdgePattern("anna", "lives_in", "munich", over=True): [MUNICH],
        EdgePattern("anna", target="munich"): [MUNICH],
        EdgePattern("anna", target="lena"): [],
    }
    for pattern, ids in meant.items():
        assert ids_of(await documents.statements(scope=ANNA, edges=[pattern])) == ids
    assert ids_of(await documents.statements(scope=ANNA, edges=[*meant])) == [MUNICH, GRAZ]
    both = [EdgePattern("anna", "lives_in", "graz"), EdgePattern("anna", "lives_in", "munich", over=True)]
    assert ids_of(await documents.statements(scope=ANNA, edges=both)) == [MUNICH, GRAZ]
    assert ids_of(await documents.statements(scope=ANNA, about=(), closed_by=GRAZ)) == [MUNICH]
    assert await documents.statements(scope=ANNA, about=(), closed_by=MUNICH) == []


async def test_what_ended_before_a_moment_may_be_left_out_and_nothing_else(documents: DocumentStore) -> None:
    await moved(documents)
    for since in (PAST, NOW):  # said later, ended later or not at all
        assert ids_of(await documents.statements(scope=ANNA, about={"anna"}, since=since)) == [MUNICH, GRAZ]
    later = await documents.statements(scope=ANNA, about={"anna"}, since=NOW + timedelta(milliseconds=1))
    assert GRAZ in ids_of(later)
    assert {*ids_of(later)} <= {MUNICH, GRAZ}
    edges, since = [EdgePattern("anna", "lives_in")], NOW + timedelta(days=1)
    found = await documents.statements(scope=ANNA, edges=edges, closed_by=GRAZ, since=since)
    assert ids_of(found) == [MUNICH, GRAZ]


async def test_what_was_said_since_a_moment_is_not_left_out_though_it_had_ended_before(
    documents: DocumentStore,
) -> None:
    once = lives_in("rome", at=NOW, invalid_at=PAST)
    await put(documents, build_document("Rome", id=named(3), relations=[once], at=NOW))
    for since in (PAST, NOW):
        found = await documents.statements(scope=ANNA, edges=[EdgePattern("anna", "lives_in")], since=since)
        assert ids_of(found) == [named(3)]


async def test_what_no_longer_holds_says_so_wherever_it_is_read(documents: DocumentStore) -> None:
    await moved(documents)
    memory = await find(documents, MUNICH)
    assert memory is not None
    assert (memory.invalid_at, memory.superseded_by, memory.version, memory.updated_at) == (NOW, GRAZ, 1, NOW)
    (row,) = [row for row in await rows_of(documents, since=NOW) if row.id == MUNICH]
    assert row.invalid_ms is not None
    assert (row.valid_ms, row.superseded_by) == (None, GRAZ)


async def test_settling_can_be_taken_back(documents: DocumentStore) -> None:
    await moved(documents)
    back = replace(over(MUNICH, GRAZ), relations=(lives_in("munich"),), invalid_at=None, superseded_by=None)
    await documents.settle([back, replace(back, id=named(77))], scope=ANNA, now=FUTURE)
    memory = await find(documents, MUNICH)
    assert memory is not None
    assert (memory.invalid_at, memory.superseded_by, memory.updated_at) == (None, None, FUTURE)
    assert await documents.statements(scope=ANNA, about=(), closed_by=GRAZ) == []


async def test_updates_and_deletions_carry_how_others_stand(documents: DocumentStore) -> None:
    await moved(documents)
    back = replace(over(MUNICH, GRAZ), relations=(lives_in("munich"),), invalid_at=None, superseded_by=None)
    changed = build_document("Graz is nice", id=GRAZ, version=2, at=NOW)
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW, settled=[back])
    assert [one.invalid_at for one in await documents.statements(scope=ANNA, about={"anna"})] == [None]
    again = over(MUNICH, GRAZ)
    assert await documents.delete(GRAZ, scope=ANNA, now=NOW, settled=[again])
    assert [one.invalid_at for one in await documents.statements(scope=ANNA, about={"anna"})] == [NOW]


async def test_a_deleted_memory_states_nothing_and_is_not_settled(documents: DocumentStore) -> None:
    await moved(documents)
    await documents.delete(MUNICH, scope=ANNA, now=NOW)
    await documents.settle([over(MUNICH, GRAZ)], scope=ANNA, now=NOW)
    assert ids_of(await documents.statements(scope=ANNA, about={"anna"}, closed_by=GRAZ)) == [GRAZ]
    assert await find(documents, MUNICH) is None


async def test_what_a_duplicate_would_have_ended_is_ended_by_the_memory_in_its_place(documents: DocumentStore) -> None:
    munich = build_document("Munich", id=MUNICH, relations=[lives_in("munich")], traits=4)
    await put(documents, munich, build_document("Graz", id=GRAZ, key="same"))
    again = build_document("Graz", id=named(3), key="same", relations=[lives_in("graz")])
    stored = await documents.put_many([again], scope=ANNA, now=NOW, settled=[over(MUNICH, named(3))])
    assert ids_of(stored) == [GRAZ]
    memory = await find(documents, MUNICH)
    assert memory is not None
    assert memory.superseded_by == GRAZ


async def test_what_no_longer_holds_can_be_said_again(documents: DocumentStore) -> None:
    key = CONTENT_KEY + "munich"
    await put(documents, build_document("Munich", id=MUNICH, key=key, relations=[lives_in("munich")]))
    await documents.settle([over(MUNICH, GRAZ)], scope=ANNA, now=NOW)
    assert ids_of(await put(documents, build_document("Munich", id=named(5), key=key))) == [named(5)]
    assert ids_of(await put(documents, build_document("Munich", id=named(6), key=key))) == [named(5)]


async def test_a_key_of_the_caller_stays_taken(documents: DocumentStore) -> None:
    await put(documents, build_document("Munich", id=MUNICH, key="caller", relations=[lives_in("munich")]))
    await documents.settle([over(MUNICH, GRAZ)], scope=ANNA, now=NOW)
    assert ids_of(await put(documents, build_document("Munich", id=named(5), key="caller"))) == [MUNICH]
