"""Feeds recorded conversations to an engine, one turn one memory, and remembers which memory holds which turn."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from context0.errors import InvalidInput
from context0.evaluation.datasets import Conversation, Question, Turn
from context0.evaluation.report import Ingested
from context0.memory.inputs import ArmName, MemoryInput
from context0.memory.relevance import same_words

if TYPE_CHECKING:
    from context0 import MemoryEngine
    from context0.memory.fusion import Fusion
    from stores.records import Memory

BATCH_MEMORIES: Final = 500
# Under the engine's default limit of 64 KiB a memory; a longer turn (BEAM has one of 349 KB) becomes several memories.
MAX_MEMORY_BYTES: Final = 60_000
PIECE_CHARACTERS: Final = MAX_MEMORY_BYTES // 4

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage ("ingest", "ask", "replay"), what is done of it and its total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    name: str
    conversations: tuple[Conversation, ...]

    @property
    def questions(self) -> list[tuple[Conversation, Question]]:
        return [(conversation, question) for conversation in self.conversations for question in conversation.questions]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """merge: all conversations of a dataset under one owner.  strategies: the arms to ask, None means all.

    fusion: of what the ranking is made; the engine serves "score", "rank" is worked out beside it.
    ablation: what each arm and signal gives.  folds: of a cross-validation of the weights, 0 for none.
    """

    merge: bool = False
    strategies: tuple[ArmName, ...] | None = None
    fusion: "Fusion" = "score"
    ablation: bool = False
    folds: int = 0

    @property
    def replays(self) -> bool:
        """Say whether rankings are wanted that the engine does not serve."""
        return self.ablation or self.folds > 0 or self.fusion != "score"


@dataclass(slots=True)
class Stored:
    """Which turn each memory holds. Turns that share one memory (exact duplicates) stand for one another."""

    turn_of_memory: dict[str, str] = field(default_factory=dict)
    words_of_memory: dict[str, object] = field(default_factory=dict)
    standing_for: dict[str, str] = field(default_factory=dict)

    def note(self, turn_key: str, memory: "Memory") -> None:
        first = self.turn_of_memory.setdefault(memory.id, turn_key)
        self.words_of_memory[memory.id] = same_words(memory)
        self.standing_for.setdefault(turn_key, first)

    @property
    def duplicates(self) -> int:
        return sum(turn != first for turn, first in self.standing_for.items())

    def relevant(self, turn_keys: Sequence[str]) -> frozenset[str]:
        return frozenset(self.standing_for.get(key, key) for key in turn_keys)

    def ranked(self, memory_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the turns of the memories, best first, each once; a memory that nobody added here is itself."""
        return tuple(dict.fromkeys(self.turn_of_memory.get(memory_id, memory_id) for memory_id in memory_ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """One memory to be added, with the key of the turn that it holds (a part of)."""

    owner: str
    turn_key: str
    fields: MemoryInput


async def store(
    engine: "MemoryEngine", dataset: Dataset, options: RunOptions, progress: Progress
) -> tuple[Stored, Ingested]:
    """Add every turn. The memories stay in the store.

    Raises InvalidInput when an owner of the dataset has memories already: figures over a store that holds something
    else would mean nothing.
    """
    stored = Stored()
    owners = {owner_of(dataset, conversation, options): None for conversation in dataset.conversations}
    for owner in owners:
        await _need_empty(engine, owner)
    turns = [(conversation, turn) for conversation in dataset.conversations for turn in conversation.turns]
    drafts = [
        _Draft(owner=owner_of(dataset, conversation, options), turn_key=key_of(conversation, turn.id), fields=fields)
        for conversation, turn in turns
        for fields in _memories(conversation, turn)
    ]
    started = time.perf_counter()
    done = 0
    for owner in owners:
        own = [draft for draft in drafts if draft.owner == owner]
        for start in range(0, len(own), BATCH_MEMORIES):
            batch = own[start : start + BATCH_MEMORIES]
            memories = await engine.add_many([draft.fields for draft in batch], user_id=owner)
            for draft, memory in zip(batch, memories, strict=True):
                stored.note(draft.turn_key, memory)
            done += len(batch)
            progress("ingest", done, len(drafts))
    return stored, Ingested(
        conversations=len(dataset.conversations),
        turns=len(turns),
        cut_turns=sum(len(_pieces(turn.content)) > 1 for _, turn in turns),
        duplicate_turns=stored.duplicates,
        empty_turns=sum(not turn.content.strip() for _, turn in turns),
        elapsed_s=time.perf_counter() - started,
    )


def owner_of(dataset: Dataset, conversation: Conversation, options: RunOptions) -> str:
    return f"merged-{dataset.name}" if options.merge else conversation.id


def key_of(conversation: Conversation, turn_id: str) -> str:
    return f"{conversation.id}/{turn_id}"


async def _need_empty(engine: "MemoryEngine", owner: str) -> None:
    page = await engine.list(user_id=owner, limit=1)
    if page.items:
        raise InvalidInput("store", f"the owner {owner!r} has memories already; name a store that has not been used")


def _memories(conversation: Conversation, turn: Turn) -> list[MemoryInput]:
    """Return what `add_many` takes for a turn: one memory, several for a very long turn, none for an empty one."""
    return [
        {
            "content": piece,
            "speaker": turn.speaker,
            "session_id": f"{conversation.id}-{turn.session}",
            "occurred_at": turn.occurred_at,
            "metadata": {"turn_id": turn.id},
        }
        for piece in _pieces(turn.content)
    ]


def _pieces(content: str) -> list[str]:
    """Cut a text too long for one memory at blanks; a shorter one is returned as it is."""
    if len(content.encode("utf-8", "replace")) <= MAX_MEMORY_BYTES:
        return [content] if content.strip() else []
    pieces = []
    start = 0
    while start < len(content):
        end = start + PIECE_CHARACTERS
        if end < len(content):
            blank = content.rfind(" ", start + 1, end)
            end = blank if blank > start else end
        pieces.append(content[start:end])
        start = end
    return [piece for piece in pieces if piece.strip()]
