"""DocumentStore: the search arms by word and by time."""

from collections.abc import Collection
from datetime import timedelta
from itertools import pairwise

import pytest

from stores.protocols import DocumentStore
from stores.records import Hit, MemoryId, TimeWindow
from tests.contracts.builders import (
    ANNA,
    BEN,
    NOW,
    PAST,
    build_document,
    build_many,
    document_of,
    ids_of,
    memory_ids,
    named,
    new_id,
    put,
    words_of,
)

HOUR = timedelta(hours=1)
HOSTILE_WORDS = (
    "NEAR(",
    'NEAR("a" "b", 3)',
    '"',
    '""',
    "'",
    "*",
    "munich*",
    "^munich",
    "mun.*",
    "(",
    ")",
    "[",
    "\\",
    "-munich",
    "+",
    ":",
    "keywords:munich",
    "owner:",
    "{a b}:",
    "AND",
    "OR",
    "NOT",
    "$where",
    "{$gt: ''}",
    "%",
    "_",
    ";--",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "مرحبا",
    "",
    " ",
    "\n",
)


async def ask(
    store: DocumentStore, text: str, *, limit: int = 99, among: Collection[MemoryId] | None = None
) -> list[Hit]:
    return await store.keyword(words_of(text), text, scope=ANNA, limit=limit, among=among, now=NOW)


def assert_scored(hits: list[Hit]) -> None:
    assert all(hit.score > 0 for hit in hits)
    assert all(better.score >= worse.score for better, worse in pairwise(hits))
    assert len(set(ids_of(hits))) == len(hits)


# --- keyword


async def test_a_word_finds_the_memories_that_hold_it(documents: DocumentStore) -> None:
    pizza, pasta, both = (
        build_document(text) for text in ("pizza margherita", "pasta carbonara", "pizza versus pasta")
    )
    await put(documents, pizza, pasta, both)
    hits = await ask(documents, "pizza")
    assert set(ids_of(hits)) == {pizza.memory.id, both.memory.id}
    assert_scored(hits)
    assert await ask(documents, "sushi") == []


async def test_a_query_asks_for_any_of_its_words(documents: DocumentStore) -> None:
    pizza, pasta, both, none = (build_document(text) for text in ("pizza", "pasta", "pizza pasta", "sushi"))
    await put(documents, pizza, pasta, both, none)
    hits = await ask(documents, "pizza pasta tiramisu")
    assert set(ids_of(hits)) == set(memory_ids([pizza, pasta, both]))
    assert hits[0].id == both.memory.id
    assert_scored(hits)


async def test_a_memory_that_is_about_the_word_comes_before_one_that_mentions_it(documents: DocumentStore) -> None:
    about = build_document("pizza pizza pizza")
    mentions = build_document("pizza among lots of other words about trains boats planes cars bikes roads rails")
    await put(documents, mentions, about)
    assert ids_of(await ask(documents, "pizza")) == [about.memory.id, mentions.memory.id]


async def test_only_as_many_as_the_limit_and_the_best_of_them(documents: DocumentStore) -> None:
    await put(documents, *build_many(20), build_document("note note note", id=named(99)))
    hits = await ask(documents, "note", limit=5)
    assert (len(hits), hits[0].id) == (5, named(99))
    assert_scored(hits)
    assert len(await ask(documents, "note", limit=1000)) == 21


async def test_among_applies_before_the_limit(documents: DocumentStore) -> None:
    worst = build_document("pizza among lots of other words about trains boats planes cars bikes roads", id=named(500))
    await put(documents, *(build_document("pizza pizza", id=named(n)) for n in range(30)), worst)
    among = frozenset({worst.memory.id, named(7), new_id()})
    assert ids_of(await ask(documents, "pizza", limit=2, among=among)) == [named(7), worst.memory.id]
    assert ids_of(await ask(documents, "pizza", limit=1, among={worst.memory.id})) == [worst.memory.id]
    assert await ask(documents, "pizza", among=frozenset()) == []


@pytest.mark.parametrize(("words", "text"), [((), ""), ((), "the"), ((), "?!")])
async def test_no_words_are_no_hits(documents: DocumentStore, words: tuple[str, ...], text: str) -> None:
    await put(documents, build_document("the pizza"))
    assert await documents.keyword(words, text, scope=ANNA, limit=9, now=NOW) == []


@pytest.mark.parametrize("hostile", HOSTILE_WORDS)
async def test_words_are_never_read_as_syntax(documents: DocumentStore, hostile: str) -> None:
    munich, other = build_document("anna munich"), build_document("ben graz")
    await put(documents, munich, other)
    alone = await documents.keyword([hostile], hostile, scope=ANNA, limit=9, now=NOW)
    assert other.memory.id not in ids_of(alone)
    beside = await documents.keyword([hostile, "munich"], f"{hostile} munich", scope=ANNA, limit=9, now=NOW)
    assert ids_of(beside) == [munich.memory.id]


async def test_words_of_every_script_are_found(documents: DocumentStore) -> None:
    texts = ("größe", "мюнхен", "ミュンヘン", "مرحبا", "ελλάδα", "s3cr3t", "naïve")
    given = [build_document(f"{text} memory") for text in texts]
    await put(documents, *given)
    for text, document in zip(texts, given, strict=True):
        assert ids_of(await ask(documents, text)) == [document.memory.id]


async def test_the_index_follows_the_keywords_of_the_document_and_not_the_owner_or_the_key(
    documents: DocumentStore,
) -> None:
    await put(documents, build_document("pizza", key="secretkey", metadata={"word": "secretmeta"}))
    assert await ask(documents, "anna") == []
    assert await ask(documents, "secretkey") == []
    assert await ask(documents, "secretmeta") == []


# --- temporal


async def test_a_window_finds_what_occurred_in_it_or_else_was_stored_in_it(documents: DocumentStore) -> None:
    occurred = build_document("occurred", at=NOW, occurred_at=PAST)
    stored = build_document("stored", at=PAST)
    elsewhere = build_document("elsewhere", at=PAST, occurred_at=NOW)
    await put(documents, occurred, stored, elsewhere)
    window = TimeWindow(since=PAST - HOUR, until=PAST + HOUR)
    hits = await documents.temporal(window, scope=ANNA, limit=9, now=NOW)
    assert set(ids_of(hits)) == {occurred.memory.id, stored.memory.id}


async def test_a_window_is_half_open_and_newest_comes_first(documents: DocumentStore) -> None:
    given = [build_document(f"hour {n}", id=named(n), occurred_at=PAST + n * HOUR) for n in (3, 0, 4, 1, 2)]
    await put(documents, *given)

    async def hours(since: int | None, until: int | None, limit: int = 9) -> list[int]:
        window = TimeWindow(
            since=None if since is None else PAST + since * HOUR, until=None if until is None else PAST + until * HOUR
        )
        hits = await documents.temporal(window, scope=ANNA, limit=limit, now=NOW)
        return [int(hit.id[-12:]) for hit in hits]

    assert await hours(1, 3) == [2, 1]
    assert await hours(1, None) == [4, 3, 2, 1]
    assert await hours(None, 1) == [0]
    assert await hours(None, None) == [4, 3, 2, 1, 0]
    assert await hours(None, None, limit=2) == [4, 3]
    assert await hours(3, 3) == []
    assert await hours(5, None) == []


async def test_scores_in_a_window_fall_from_one_with_the_rank(documents: DocumentStore) -> None:
    await put(documents, *build_many(10))
    hits = await documents.temporal(TimeWindow(), scope=ANNA, limit=9, now=NOW)
    assert ids_of(hits) == [named(n) for n in range(9, 0, -1)]
    assert hits[0].score == 1
    assert all(better.score > worse.score > 0 for better, worse in pairwise(hits))


async def test_among_applies_before_the_limit_of_a_window(documents: DocumentStore) -> None:
    await put(documents, *build_many(10))
    among = {named(2), named(5), new_id()}
    hits = await documents.temporal(TimeWindow(), scope=ANNA, limit=9, among=among, now=NOW)
    assert ids_of(hits) == [named(5), named(2)]
    hits = await documents.temporal(TimeWindow(), scope=ANNA, limit=1, among={named(2)}, now=NOW)
    assert ids_of(hits) == [named(2)]
    assert await documents.temporal(TimeWindow(), scope=ANNA, limit=9, among=set(), now=NOW) == []


async def test_the_time_of_an_updated_memory_moves_with_it(documents: DocumentStore) -> None:
    document = build_document("moves", occurred_at=PAST)
    await put(documents, document)
    moved = document_of(build_document("moves", id=document.memory.id, occurred_at=NOW, version=2).memory)
    await documents.update(moved, scope=ANNA, expected_version=1, now=NOW)
    window = TimeWindow(until=PAST + HOUR)
    assert await documents.temporal(window, scope=ANNA, limit=9, now=NOW) == []


async def test_another_owner_s_words_and_times_do_not_crowd_out_one_s_own(documents: DocumentStore) -> None:
    mine = build_document("pizza among lots of other words about trains boats planes cars bikes", at=PAST - HOUR)
    await put(documents, mine)
    await put(documents, *(build_document("pizza pizza", scope=BEN, at=NOW) for _ in range(50)), scope=BEN)
    assert ids_of(await ask(documents, "pizza", limit=1)) == [mine.memory.id]
    hits = await documents.temporal(TimeWindow(), scope=ANNA, limit=1, now=NOW)
    assert hits == [Hit(mine.memory.id, 1.0)]
