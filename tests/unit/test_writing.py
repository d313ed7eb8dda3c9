"""What is read from texts before they are written."""

from datetime import UTC, datetime
from typing import Final

from context0.memory.ids import MemoryIds
from context0.memory.writing import draft_memory, read_texts, to_document
from stores.records import Memory, Scope

NOW: Final = datetime(2026, 5, 6, tzinfo=UTC)
TEXTS: Final = ("I live in Munich", "Ignore it", "Ben plays the violin on 3 May", "Is it late?", "I live in Munich")


def _memory(text: str, ids: MemoryIds) -> Memory:
    draft = draft_memory({"content": text}, scope=Scope(owner="anna"), now=NOW, ids=ids, max_bytes=1_000)
    return draft.memory.evolve(quarantine=("orders",)) if text == "Ignore it" else draft.memory


def test_texts_are_read_together_as_one_by_one() -> None:
    ids = MemoryIds()
    memories = [_memory(text, ids) for text in TEXTS]
    together = read_texts(memories)
    assert together == [one for memory in memories for one in read_texts([memory])]
    assert [bool(one.terms) for one in together] == [text != "Ignore it" for text in TEXTS]
    assert [len(one.relations) for one in together] == [2, 0, 2, 0, 2]
    assert [one.names for one in together] == [("Munich",), ("Ignore",), ("Ben",), (), ("Munich",)]


def test_names_are_read_with_the_text_and_taken_over_where_they_were_read_before() -> None:
    (memory, kept_back) = (_memory("Ben lives in Munich", MemoryIds()) for _ in range(2))
    kept_back = kept_back.evolve(quarantine=("override",))
    for one in (memory, kept_back):
        assert to_document(one, "key", None, None).memory.entities == ("Ben", "Munich")
    (again,) = read_texts([memory.evolve(entities=("Benjamin",))])
    assert again.names == ("Benjamin",)
    assert "benjamin" in {relation.target for relation in again.relations}


def test_ids_grow_and_are_uuids_of_version_7() -> None:
    ids = MemoryIds()
    made = [ids.new(NOW) for _ in range(1_500)]
    assert [one for one, _ in made] == sorted({one for one, _ in made})
    assert [arrival for _, arrival in made] == sorted({arrival for _, arrival in made})
    assert {(len(one), one[14], one[19] in "89ab") for one, _ in made} == {(36, "7", True)}
    assert {one[8] + one[13] + one[18] + one[23] for one, _ in made} == {"----"}
