"""Feeds recorded conversations to an engine, asks their questions one after the other, times each search."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from context0.errors import InvalidInput
from context0.evaluation import report
from context0.evaluation.datasets import Conversation, Question, Turn
from context0.memory.inputs import ArmName, MemoryInput

if TYPE_CHECKING:
    from context0 import MemoryEngine

SEARCH_LIMIT: Final = 20
BATCH_MEMORIES: Final = 500
# Under the engine's default limit of 64 KiB a memory; a longer turn (BEAM has one of 349 KB) becomes several memories.
MAX_MEMORY_BYTES: Final = 60_000
PIECE_CHARACTERS: Final = MAX_MEMORY_BYTES // 4

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage ("ingest", "ask"), what is done of it and its total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    name: str
    conversations: tuple[Conversation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """merge: all conversations of a dataset under one owner.  strategies: the arms to ask, None means all."""

    merge: bool = False
    strategies: tuple[ArmName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """One memory to be added, with the key of the turn that it holds (a part of)."""

    owner: str
    turn_key: str
    fields: MemoryInput


class _Ledger:
    """Which turn each stored memory holds. Turns that share one memory (exact duplicates) stand for one another."""

    def __init__(self) -> None:
        self._turn_of_memory: dict[str, str] = {}
        self._standing_for: dict[str, str] = {}

    def note(self, turn_key: str, memory_id: str) -> None:
        first = self._turn_of_memory.setdefault(memory_id, turn_key)
        self._standing_for.setdefault(turn_key, first)

    @property
    def duplicates(self) -> int:
        return sum(turn != first for turn, first in self._standing_for.items())

    def knows(self, turn_key: str) -> bool:
        return turn_key in self._standing_for

    def relevant(self, turn_keys: Sequence[str]) -> frozenset[str]:
        return frozenset(self._standing_for.get(key, key) for key in turn_keys)

    def ranked(self, memory_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the turns of the memories, best first, each once; a memory that nobody added here is itself."""
        return tuple(dict.fromkeys(self._turn_of_memory.get(memory_id, memory_id) for memory_id in memory_ids))


async def evaluate(
    engine: "MemoryEngine", dataset: Dataset, options: RunOptions, progress: Progress
) -> report.EvaluationReport:
    """Store a dataset, ask all of its questions with concurrency 1 and return the figures.

    The memories stay in the store. Raises InvalidInput when an owner of the dataset has memories already: figures
    over a store that holds something else would mean nothing.
    """
    ledger = _Ledger()
    ingested = await _ingest(engine, dataset, options, ledger, progress)
    asked = await _ask_all(engine, dataset, options, ledger, progress)
    keys = [_key(conversation, turn) for conversation, question in _questions(dataset) for turn in question.evidence]
    return report.EvaluationReport(
        dataset=dataset.name,
        merged=options.merge,
        strategies=options.strategies,
        ingested=ingested,
        rows=report.table(asked),
        recall_at_10_interval=report.recall_interval(asked),
        abstention=report.abstention(asked),
        degraded_searches=sum(bool(one.degraded) for one in asked),
        unknown_evidence=sum(not ledger.knows(key) for key in keys),
    )


async def _ingest(
    engine: "MemoryEngine", dataset: Dataset, options: RunOptions, ledger: _Ledger, progress: Progress
) -> report.Ingested:
    owners = {_owner(dataset, conversation, options): None for conversation in dataset.conversations}
    for owner in owners:
        await _need_empty(engine, owner)
    turns = [(conversation, turn) for conversation in dataset.conversations for turn in conversation.turns]
    drafts = [
        _Draft(owner=_owner(dataset, conversation, options), turn_key=_key(conversation, turn.id), fields=fields)
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
                ledger.note(draft.turn_key, memory.id)
            done += len(batch)
            progress("ingest", done, len(drafts))
    return report.Ingested(
        conversations=len(dataset.conversations),
        turns=len(turns),
        cut_turns=sum(len(_pieces(turn.content)) > 1 for _, turn in turns),
        duplicate_turns=ledger.duplicates,
        empty_turns=sum(not turn.content.strip() for _, turn in turns),
        elapsed_s=time.perf_counter() - started,
    )


async def _need_empty(engine: "MemoryEngine", owner: str) -> None:
    page = await engine.list(user_id=owner, limit=1)
    if page.items:
        raise InvalidInput("store", f"the owner {owner!r} has memories already; name a store that has not been used")


async def _ask_all(
    engine: "MemoryEngine", dataset: Dataset, options: RunOptions, ledger: _Ledger, progress: Progress
) -> list[report.Asked]:
    questions = _questions(dataset)
    asked = []
    for done, (conversation, question) in enumerate(questions, start=1):
        owner = _owner(dataset, conversation, options)
        started = time.perf_counter()
        result = await engine.search(question.text, user_id=owner, limit=SEARCH_LIMIT, strategies=options.strategies)
        elapsed_ms = 1_000 * (time.perf_counter() - started)
        asked.append(
            report.Asked(
                conversation=conversation.id,
                category=question.category,
                relevant=ledger.relevant([_key(conversation, turn) for turn in question.evidence]),
                ranked=ledger.ranked([i for item in result.items for i in (item.memory.id, *item.same)]),
                relevance=0.0 if result.relevance is None else result.relevance,
                elapsed_ms=elapsed_ms,
                degraded=tuple(result.degraded),
            )
        )
        progress("ask", done, len(questions))
    return asked


def _questions(dataset: Dataset) -> list[tuple[Conversation, Question]]:
    return [(conversation, question) for conversation in dataset.conversations for question in conversation.questions]


def _owner(dataset: Dataset, conversation: Conversation, options: RunOptions) -> str:
    return f"merged-{dataset.name}" if options.merge else conversation.id


def _key(conversation: Conversation, turn_id: str) -> str:
    return f"{conversation.id}/{turn_id}"


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
