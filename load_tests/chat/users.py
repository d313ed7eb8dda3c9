"""The users: what they have in memory, what they ask and tell, and their sessions."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from harness.dataset import asks, conversations

from chat.times import Took
from context0 import ChatService, MemoryEngine, Settings
from context0.llm.protocol import Prompt
from context0.llm.scripted import ScriptedLLM
from context0.wire import ChatEvent, DoneEvent, TokenEvent

BATCH = 1_000
SESSION_TURNS = 6
"""Turns of a session before anything is measured: its history is as long as a prompt shows."""
SAID = "It was on the twelfth of March, and Alice went along, as you told me in the spring of that year."
QUESTIONS_SHARE = 8
"""So many memories there are for each different question."""
STATEMENTS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Each with `each` memories in the store. questions: of each user, none twice before all were asked.

    told: statements that are in nobody's memory yet.
    """

    store: Path
    each: int
    questions: Mapping[str, Iterator[str]]
    told: Iterator[str]

    @property
    def names(self) -> Sequence[str]:
        return tuple(self.questions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """One session of a user. say: the next message of it."""

    user: str
    session_id: str
    say: Callable[[], str]


def settings(store: Path, *, base_url: str = "") -> Settings:
    """Return the defaults, with the store in a file and the model at a URL."""
    model: dict[str, Any] = {"llm_provider": "openai", "llm_base_url": base_url, "llm_model": "stub"}
    named = {"store_url": f"sqlite:///{store}", "data_dir": store.parent, **(model if base_url else {})}
    return Settings(_env_file=None, **named)


async def users(count: int, each: int, folder: Path, *, seed: int = 11) -> Users:
    """Make users up, the same on every machine, and store what they have in memory unless it is there already."""
    turns = conversations(owners=count, turns_each=each, seed=seed)
    owners: dict[str, list[Any]] = {}
    for turn in turns:
        owners.setdefault(turn.owner, []).append(turn)
    store = folder / f"chat-{count}x{each}.db"
    if not store.exists():
        async with MemoryEngine(settings(store)) as engine:
            for number, (owner, own) in enumerate(owners.items(), 1):
                await _fill(engine, owner, own)
                progress(f"{number} of {count} users with {each:,} memories stored")
    progress("")
    wanted = max(4, each // QUESTIONS_SHARE)
    told = conversations(owners=1, turns_each=STATEMENTS, seed=seed + 1_000)
    return Users(
        store=store,
        each=each,
        questions={
            owner: cycle([ask.text for ask in asks(own, count=wanted, seed=seed)]) for owner, own in owners.items()
        },
        told=cycle([turn.content for turn in told]),
    )


async def _fill(engine: MemoryEngine, owner: str, turns: Sequence[Any]) -> None:
    for start in range(0, len(turns), BATCH):
        batch = [
            {"content": t.content, "speaker": t.speaker, "session_id": t.session_id, "occurred_at": t.occurred_at}
            for t in turns[start : start + BATCH]
        ]
        await engine.add_many(batch, user_id=owner)


async def talks(
    engine: MemoryEngine, some: Users, owners: Sequence[str], *, telling: bool = False
) -> tuple[list[Talk], list[Prompt]]:
    """Begin a session for each of `owners`, and talk in it until its history is long enough.

    Return the sessions, and the prompt of the last turn of each. telling: every other message states something.
    """
    llm = ScriptedLLM(lambda _: SAID)
    begun, prompts = [], []
    async with ChatService(engine, llm=llm) as chat:
        for owner in owners:
            kinds = cycle([some.questions[owner], some.told] if telling else [some.questions[owner]])
            session_id = None
            for _ in range(SESSION_TURNS):
                reply = await chat.send(next(next(kinds)), user_id=owner, session_id=session_id)
                session_id = reply.session_id
            begun.append(Talk(user=owner, session_id=str(session_id), say=lambda kinds=kinds: next(next(kinds))))
            prompts.append(llm.prompts[-1])
            llm.prompts.clear()
    return begun, prompts


async def turn(
    chat: ChatService, talk: Talk, message: str | None = None, seen: Callable[[ChatEvent], None] | None = None
) -> Took:
    """Take a turn of the talk and read every event, also what comes after the answer. Times count from the call.

    seen: is told every event as it comes.
    """
    said = talk.say() if message is None else message
    started, first, whole = time.perf_counter(), 0.0, 0.0
    done: DoneEvent | None = None
    async for event in chat.stream(said, user_id=talk.user, session_id=talk.session_id):
        if isinstance(event, TokenEvent):
            first = first or time.perf_counter() - started
        elif isinstance(event, DoneEvent):
            done, whole = event, time.perf_counter() - started
        if seen is not None:
            seen(event)
    if done is None or done.state != "complete":
        raise RuntimeError(f"a turn had no answer: {'no end' if done is None else done.state}")
    return Took(
        first_ms=1_000 * first,
        whole_ms=1_000 * whole,
        prompt_tokens=done.usage.prompt_tokens,
        tier=done.tier,
        degraded=tuple(done.degraded),
        stages=done.timings_ms,
    )


def progress(text: str) -> None:
    """Tell a person where it stands, on one line; nobody else is told."""
    if sys.stderr.isatty():
        print(f"\r{text:78}" if text else "\r" + " " * 78 + "\r", end="", file=sys.stderr, flush=True)
