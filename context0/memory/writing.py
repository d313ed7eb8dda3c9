"""From what a caller says to what a store writes: pure, but for the clock and the ids that are handed in."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from context0.clock import to_ms
from context0.errors import IdempotencyMismatch, InvalidInput
from context0.memory.ids import MemoryIds
from context0.memory.inputs import (
    CHANGE_NAMES,
    FIELD_NAMES,
    check_content,
    check_memory_type,
    check_metadata,
    check_name,
    check_name_or_none,
    check_names,
    check_provenance,
    check_share,
    check_tags,
    check_time,
)
from context0.memory.rules.answers import tells_number
from context0.memory.rules.dates import mentions_time
from context0.memory.rules.entities import extract_entities
from context0.memory.rules.fact_questions import keys_of
from context0.memory.rules.facts import SELF, read_facts
from context0.memory.rules.names import entity_key
from context0.memory.rules.supersede import edge_of
from context0.memory.rules.tags import extract_tags
from context0.memory.rules.terms import analyse_terms, pack_terms
from context0.memory.rules.word_set import letter_words
from context0.memory.validity import ONLY_FACTS
from context0.trust.sources import MACHINES, OWNERS, is_trusted
from stores.records import (
    CONTENT_KEY,
    MENTIONS,
    Document,
    IndexRow,
    IndexState,
    IndexStatus,
    Memory,
    MemoryId,
    Provenance,
    Relation,
    Scope,
)

ASKS: Final = 1
"""Trait: the text is a question, or ends in one."""
TELLS_TIME: Final = 2
"""Trait: the text holds an expression of time."""
TELLS_NUMBER: Final = 8
"""Trait: the text holds a number."""
TELLS_NAME: Final = 16
"""Trait: the text names somebody or something."""

_NOWHERE: Final = Provenance()
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BLANK: Final = Memory(id=MemoryId(""), user_id="", content="", created_at=_LONG_AGO, updated_at=_LONG_AGO)
"""What a new memory is evolved from: the frozen dataclass's own __init__ takes four times as long."""
_MOST_READ: Final = 4_000
"""Characters of a text in which facts are looked for: what is longer is a document, not a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A checked memory that is about to be written, and the key under which it is the same as another."""

    memory: Memory
    dedupe_key: str


def draft_memory(fields: Mapping[str, Any], *, scope: Scope, now: datetime, ids: MemoryIds, max_bytes: int) -> Draft:
    """Check `fields` and make a memory of them, whose text is not read yet. Raises InvalidInput.

    Without an idempotency key the same content, speaker, place and data make the same memory.
    """
    if not isinstance(fields, dict | Mapping):
        raise InvalidInput("memories", f"a memory is a dictionary with its content, not {type(fields).__name__}")
    check_names(fields, FIELD_NAMES)
    memory_id, arrival = ids.new(now)
    content = check_content(fields.get("content"), max_bytes)
    session_id = check_name_or_none("session_id", fields.get("session_id"))
    memory = _BLANK.evolve(
        id=memory_id,
        user_id=scope.owner,
        content=content,
        created_at=now,
        updated_at=now,
        memory_type=check_memory_type(fields.get("memory_type", "semantic")),
        speaker=check_name_or_none("speaker", fields.get("speaker")),
        agent_id=check_name_or_none("agent_id", fields.get("agent_id")),
        session_id=session_id,
        session_seq=arrival,
        tags=_tags(fields.get("tags", ()), content),
        importance=check_share("importance", fields.get("importance", 0.5)),
        occurred_at=check_time("occurred_at", fields.get("occurred_at")),
        expires_at=_end(fields.get("expires_at"), now),
        content_hash=_digest(content),
        metadata={} if fields.get("metadata") is None else check_metadata(fields["metadata"]),
        provenance=check_provenance(fields["provenance"]) if "provenance" in fields else _NOWHERE,
    )
    key = check_name_or_none("idempotency_key", fields.get("idempotency_key"))
    return Draft(memory=memory, dedupe_key=same_content_key(memory) if key is None else _digest("key", key))


def check_keys(drafts: Sequence[Draft]) -> None:
    """Raise IdempotencyMismatch if one key stands for two contents."""
    contents: dict[str, str] = {}
    for draft in drafts:
        if contents.setdefault(draft.dedupe_key, draft.memory.content_hash) != draft.memory.content_hash:
            raise IdempotencyMismatch(
                "an idempotency key stands for two contents in this call; give each memory its own"
            )


def check_stored(drafts: Sequence[Draft], stored: Sequence[Memory]) -> None:
    """Raise IdempotencyMismatch if what is stored under a draft's key says something else."""
    for draft, memory in zip(drafts, stored, strict=True):
        if draft.memory.content_hash != memory.content_hash and draft.dedupe_key != same_content_key(memory):
            raise IdempotencyMismatch(
                f"the idempotency key was used for {memory.id}, which says something else; use a new key"
            )


def changed_memory(memory: Memory, changes: Mapping[str, Any], *, now: datetime, max_bytes: int) -> Memory:
    """Return the next version of `memory`. Raises InvalidInput, also when nothing is asked for."""
    check_names(changes, CHANGE_NAMES)
    if not changes:
        raise InvalidInput("changes", f"name what to change: {', '.join(sorted(CHANGE_NAMES))}")
    content = check_content(changes.get("content", memory.content), max_bytes)
    return next_version(memory, now=now).evolve(
        content=content,
        memory_type=check_memory_type(changes.get("memory_type", memory.memory_type)),
        tags=_tags(changes["tags"], content) if "tags" in changes else _with_marked(memory.tags, content),
        entities=extract_entities(content),
        importance=check_share("importance", changes.get("importance", memory.importance)),
        occurred_at=check_time("occurred_at", changes.get("occurred_at", memory.occurred_at)),
        expires_at=_end(changes["expires_at"], now) if "expires_at" in changes else memory.expires_at,
        metadata=check_metadata(changes.get("metadata", memory.metadata)),
        content_hash=_digest(content),
    )


def next_version(memory: Memory, *, now: datetime) -> Memory:
    """Return `memory` as its next version, of which nothing is settled yet."""
    return memory.evolve(
        updated_at=now,
        valid_from=None,
        invalid_at=None,
        superseded_by=None,
        version=memory.version + 1,
        index=_index_state(memory.index.generation + 1, "pending"),
    )


class TextRead(NamedTuple):
    """What reading a memory's text gives: names, analysed words and their hashes, entities, relations, traits."""

    names: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    terms: bytes = b""
    entity_terms: bytes = b""
    relations: tuple[Relation, ...] = ()
    traits: int = 0


def read_texts(memories: Sequence[Memory]) -> list[TextRead]:
    """Read what memories say; 100 µs each. One in quarantine has nothing that a search could find, and states nothing.

    All texts go from step to step together: the processor's caches then hold one step's code, which saves a tenth.
    Names that were read before are taken over.
    """
    names = [memory.entities or extract_entities(memory.content) for memory in memories]
    searched = [(memory, found) for memory, found in zip(memories, names, strict=True) if not memory.quarantine]
    keywords = [tuple(analyse_terms(keyword_text(memory))) for memory, _ in searched]
    stated = [_read_facts(memory) for memory, _ in searched]
    traits = [_traits(memory.content) for memory, _ in searched]
    read = (
        TextRead(
            names=found,
            keywords=words,
            terms=pack_terms(words),
            entity_terms=_entity_terms((*map(entity_key, found), *keys_of(facts))),
            relations=(*_mentions(memory, found), *facts),
            traits=tells | (TELLS_NAME if found else 0) | (ONLY_FACTS if is_all else 0),
        )
        for (memory, found), words, (facts, is_all), tells in zip(searched, keywords, stated, traits, strict=True)
    )
    return [
        TextRead(names=found) if memory.quarantine else next(read)
        for memory, found in zip(memories, names, strict=True)
    ]


def _entity_terms(keys: Iterable[str]) -> bytes:
    return b"".join([crc32(key.encode()).to_bytes(4, "little") for key in keys])


def to_document(
    memory: Memory,
    dedupe_key: str,
    embedding: bytes | None,
    model: str | None,
    *,
    done: bool = True,
    read: TextRead | None = None,
) -> Document:
    """Return the document of `memory`: what its text says, and the vector if there is one.

    done: a document with a vector needs no further work; otherwise it is pending, and one in quarantine needs none.
    read: of the text, where that was done before.
    """
    if read is None:
        (read,) = read_texts([memory])
    if memory.quarantine:
        state = _index_state(memory.index.generation, "done")
        kept_back = memory.evolve(embedding_model=None, index=state, entities=read.names)
        return Document(memory=kept_back, dedupe_key=dedupe_key)
    state = _index_state(memory.index.generation, "done" if done and embedding is not None else "pending")
    return Document(
        memory=memory.evolve(embedding_model=None if embedding is None else model, index=state, entities=read.names),
        dedupe_key=dedupe_key,
        keywords=read.keywords,
        terms=read.terms,
        entity_terms=read.entity_terms,
        relations=read.relations,
        embedding=embedding,
        traits=read.traits,
    )


@lru_cache(maxsize=64)
def _index_state(generation: int, state: IndexStatus) -> IndexState:
    return IndexState(generation=generation, state=state)


def keyword_text(memory: Memory) -> str:
    """Return what the keyword index reads: the content with who said it, when, and the tags."""
    when = memory.occurred_at
    date = "" if when is None else f"{when.day} {_MONTHS[when.month - 1]} {when.year}"
    return " ".join(filter(None, (date, memory.speaker, memory.content, *memory.tags)))


_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def to_index_row(document: Document) -> IndexRow:
    """Return what the in-memory index of the owner keeps of `document`."""
    memory = document.memory
    return IndexRow(
        id=memory.id,
        version=memory.version,
        live=not memory.quarantine,
        updated_ms=to_ms(memory.updated_at),
        created_ms=to_ms(memory.created_at),
        occurred_ms=None if memory.occurred_at is None else to_ms(memory.occurred_at),
        expires_ms=None if memory.expires_at is None else to_ms(memory.expires_at),
        session_id=memory.session_id,
        session_seq=memory.session_seq,
        speaker=memory.speaker,
        memory_type=memory.memory_type,
        terms=document.terms,
        entity_terms=document.entity_terms,
        embedding=document.embedding,
        traits=document.traits,
        valid_ms=None if memory.valid_from is None else to_ms(memory.valid_from),
        invalid_ms=None if memory.invalid_at is None else to_ms(memory.invalid_at),
        superseded_by=memory.superseded_by,
    )


def _tags(given: object, content: str) -> tuple[str, ...]:
    return _with_marked(check_tags(given), content)


def _with_marked(tags: Sequence[str], content: str) -> tuple[str, ...]:
    """Return the tags with those that the writer marked in the text."""
    return tuple(dict.fromkeys((*tags, *(check_name("tags", tag) for tag in extract_tags(content)))))


def _end(given: object, now: datetime) -> datetime | None:
    moment = check_time("expires_at", given)
    if moment is not None and moment <= now:
        raise InvalidInput("expires_at", "lies in the past; give a later time, or none to keep the memory")
    return moment


def facts_in(memory: Memory) -> tuple[Relation, ...]:
    """Return the facts that the text states, as edges that begin when they were said, or when the text says."""
    return _read_facts(memory)[0]


def _read_facts(memory: Memory) -> tuple[tuple[Relation, ...], bool]:
    """Return the facts as edges, and whether they are all that the text tells.

    What nobody vouches for states none: it is found and shown as unconfirmed, and ends nothing that the owner said.
    """
    role = (memory.speaker or "").casefold()
    if role in MACHINES or not is_trusted(memory) or len(memory.content) > _MOST_READ:
        return (), False
    said_at = memory.occurred_at or memory.created_at
    speaker = None if role in OWNERS else memory.speaker
    reading = read_facts(memory.content, speaker=speaker, reference=said_at)
    return tuple(edge_of(fact, created_at=said_at) for fact in reading.facts), reading.is_all


def _mentions(memory: Memory, names: Sequence[str]) -> tuple[Relation, ...]:
    source = SELF if memory.speaker is None else entity_key(memory.speaker)
    return tuple(
        Relation(
            source=source,
            relation=MENTIONS,
            target=entity_key(name),
            created_at=memory.created_at,
            valid_from=memory.occurred_at or memory.created_at,
        )
        for name in names
    )


def _traits(content: str) -> int:
    asks = content.rstrip().endswith(("?", "？"))
    words = letter_words(content)
    tells = (TELLS_TIME if mentions_time(content, words) else 0) | (TELLS_NUMBER if tells_number(content, words) else 0)
    return (ASKS if asks else 0) | tells


def same_content_key(memory: Memory) -> str:
    """Return the key under which a memory with the same content, speaker, place and data is the same one."""
    when = None if memory.occurred_at is None else to_ms(memory.occurred_at)
    parts: Sequence[object] = (
        memory.content, memory.speaker, memory.agent_id, memory.session_id, memory.memory_type, when, memory.metadata,
    )  # fmt: skip
    return CONTENT_KEY + _digest("content", *parts)


def _digest(*parts: object) -> str:
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
