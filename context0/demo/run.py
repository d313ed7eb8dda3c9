"""Leads an engine through the sample conversation: write, reopen, ask, walk the pages, update, chat, erase."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC
from typing import TYPE_CHECKING, Final, TypeAlias

from context0.demo.conversation import Demo, DemoQuestion, load_demo
from context0.demo.report import (
    Answer,
    ChatTurn,
    DemoReport,
    Erasure,
    FoundMemory,
    PageWalk,
    StoreErasure,
    Version,
    Written,
)
from context0.errors import InvalidInput

if TYPE_CHECKING:
    from context0 import MemoryEngine

ANSWERS_SHOWN: Final = 3
PAGE_SIZE: Final = 20
NOTE: Final = "Ben wants a pot of thyme for the opening of the shop."
CORRECTED_NOTE: Final = "Ben wants a pot of rosemary for the opening of the shop, he has thyme already."
CHAT_QUESTION: Final = "What did Ben say about the Amalienbad?"

EngineFactory: TypeAlias = Callable[[], AbstractAsyncContextManager["MemoryEngine"]]
"""Returns an engine, not yet entered; every call must lead to the same file."""


async def run_demo(engine_factory: EngineFactory, *, user_id: str = "demo", demo: Demo | None = None) -> DemoReport:
    """Lead the tour over three openings of the store and return what it saw; nothing of the owner is left.

    Raises InvalidInput, before anything is written, when `user_id` has memories already: the tour ends by erasing
    all of them. Errors of the engine are not caught.
    """
    sample = demo or load_demo()
    async with engine_factory() as engine:
        written = await _write(engine, sample, user_id)
    started = time.perf_counter()
    async with engine_factory() as engine:
        await engine.list(user_id=user_id, limit=1)  # stores open at their first use
        reopened_ms = _ms_since(started)
        answers = [await _ask(engine, question, sample, user_id) for question in sample.questions]
        pages = await _walk_pages(engine, user_id, expected=written.memories)
        history = await _update_note(engine, user_id)
        chat = await _chat(engine, sample, user_id)
        receipt = await engine.delete_all(user_id=user_id)
        found_afterwards = await _all_found(engine, sample, user_id)
    async with engine_factory() as engine:
        found_after_reopening = await _all_found(engine, sample, user_id)
    stores = [
        StoreErasure(store=s.store, removed=dict(s.removed), remaining=s.remaining, ok=s.ok) for s in receipt.stores
    ]
    return DemoReport(
        people=sample.people,
        written=written,
        reopened_ms=reopened_ms,
        answers=tuple(answers),
        pages=pages,
        history=history,
        chat=chat,
        erasure=Erasure(
            user_id=receipt.user_id,
            erased_at=receipt.erased_at,
            stores=tuple(stores),
            found_afterwards=found_afterwards,
            found_after_reopening=found_after_reopening,
        ),
    )


async def _write(engine: "MemoryEngine", sample: Demo, user_id: str) -> Written:
    if (await engine.list(user_id=user_id, limit=1)).items:
        raise InvalidInput("user_id", f"{user_id!r} has memories, and the demo ends by erasing its owner; take another")
    started = time.perf_counter()
    memories = await engine.add_many(
        [
            {
                "content": turn.text,
                "speaker": turn.speaker,
                "session_id": turn.session,
                "occurred_at": turn.at.astimezone(UTC),
                "metadata": {"turn_id": turn.id},
            }
            for turn in sample.turns
        ],
        user_id=user_id,
    )
    return Written(
        memories=len({memory.id for memory in memories}),
        sessions=len({turn.session for turn in sample.turns}),
        elapsed_ms=_ms_since(started),
    )


async def _ask(engine: "MemoryEngine", question: DemoQuestion, sample: Demo, user_id: str) -> Answer:
    turns = {turn.id: turn for turn in sample.turns}
    started = time.perf_counter()
    result = await engine.search(
        question.text, user_id=user_id, limit=ANSWERS_SHOWN, reference_time=sample.asked_at.astimezone(UTC)
    )
    elapsed_ms = _ms_since(started)
    found = [(turns[str(item.memory.metadata["turn_id"])], item) for item in result.items]
    return Answer(
        kind=question.kind,
        question=question.text,
        expected_answer=question.answer,
        expected_turns=question.turns,
        found=tuple(
            FoundMemory(
                turn_id=turn.id,
                speaker=turn.speaker,
                occurred_at=turn.at,
                content=item.memory.content,
                score=item.score,
                arms=dict(item.arms),
                expected=turn.id in question.turns,
            )
            for turn, item in found
        ),
        elapsed_ms=elapsed_ms,
        timings_ms=dict(result.timings_ms),
        degraded=tuple(result.degraded),
    )


async def _walk_pages(engine: "MemoryEngine", user_id: str, *, expected: int) -> PageWalk:
    ids: list[str] = []
    pages = 0
    cursor: str | None = None
    started = time.perf_counter()
    # One page more than there can be ends a walk whose cursors go round in circles.
    for _ in range(expected // PAGE_SIZE + 2):
        page = await engine.list(user_id=user_id, limit=PAGE_SIZE, cursor=cursor)
        ids.extend(memory.id for memory in page.items)
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            break
    duplicates = len(ids) - len(set(ids))
    return PageWalk(
        page_size=PAGE_SIZE,
        pages=pages,
        memories=len(ids),
        duplicates=duplicates,
        complete=cursor is None and len(ids) == expected and not duplicates,
        elapsed_ms=_ms_since(started),
    )


async def _update_note(engine: "MemoryEngine", user_id: str) -> tuple[Version, ...]:
    note = await engine.add(NOTE, user_id=user_id)
    await engine.update(note.id, user_id=user_id, content=CORRECTED_NOTE)
    entries = await engine.history(note.id, user_id=user_id)
    return tuple(
        Version(version=entry.version, event=entry.event, content=entry.content, changed_at=entry.changed_at)
        for entry in entries
    )


async def _chat(engine: "MemoryEngine", sample: Demo, user_id: str) -> ChatTurn:
    """Ask the chat, without a model: it quotes the memories that answer."""
    from context0.chat.service import ChatService
    from context0.llm.extractive import ExtractiveLLM

    started = time.perf_counter()
    async with ChatService(engine, llm=ExtractiveLLM()) as chat:
        reply = await chat.send(CHAT_QUESTION, user_id=user_id, reference_time=sample.asked_at.astimezone(UTC))
    return ChatTurn(
        question=CHAT_QUESTION,
        answer=reply.text,
        cited=reply.cited,
        degraded=dict(reply.degraded),
        elapsed_ms=_ms_since(started),
    )


async def _all_found(engine: "MemoryEngine", sample: Demo, user_id: str) -> int:
    """Return how many memories the owner's listing and all of the questions together still bring up."""
    listed = await engine.list(user_id=user_id, limit=PAGE_SIZE)
    results = [await engine.search(one.text, user_id=user_id, limit=ANSWERS_SHOWN) for one in sample.questions]
    return len(listed.items) + sum(len(result.items) for result in results)


def _ms_since(started: float) -> float:
    return 1_000 * (time.perf_counter() - started)
