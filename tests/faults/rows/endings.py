"""D4: the service is told to end, once or twice, under open streams and with a buffer that is not yet flushed.

The ledger rule: a question is acknowledged by the first event of its stream, a turn by `done`, a memory by 201 or by
`memory_written`. After the next start all of it is there, and what had been said of the other answers, marked as
partial; each stream has ended with `shutdown` or was whole, and the process has ended by itself within its grace.
The service is forked from this process, which has imported it: a start costs half a second.
"""

import asyncio
import itertools
import os
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import httpx
from httpx_sse import EventSource

from tests.faults.rows.forked_service import SETTINGS, Child, client_of, import_service, model, start, thread_of
from tests.faults.rows.outcome import Outcome, RowOptions, quantile
from tests.mongo_process import mongo_process
from tests.served_process import environment_of

KINDS: Final = {
    "SIGTERM": (signal.SIGTERM,),
    "SIGTERM twice": (signal.SIGTERM, signal.SIGTERM),
    "SIGINT twice": (signal.SIGINT, signal.SIGINT),
}
GRACE_S: Final = 10.0
STREAMS, MOST_STREAMS, MOST_EVERY = 5, 50, 10
"""So many streams are open at a signal; every tenth time the larger number."""
ADDING: Final = 2
_ENDS: Final = frozenset({"shutdown", "done", "memory_written"})
_LIVES: Final = 5
"""So many times in a row the service comes back on the same store; then it has a fresh one."""
_PATIENCE_S: Final = (0.05, 0.8)
_BETWEEN_S: Final = 0.05
_START_S: Final = 60.0
_SETTINGS: Final = {**SETTINGS, "shutdown_grace_s": GRACE_S}


def on_sqlite(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return campaign(Path(folder), None, options)


def on_mongodb(options: RowOptions) -> Outcome:
    """With a journal before the chats, in which everything still lies when the signal comes."""
    with tempfile.TemporaryDirectory() as folder, mongo_process(Path(folder)) as server:
        return campaign(Path(folder), server.url("endings"), options)


@dataclass(slots=True)
class Turn:
    """What a client was told of one turn, so far."""

    session: str
    question: str
    said: str = ""
    message_id: str | None = None
    last: str = ""


@dataclass(slots=True)
class Ledger:
    """What one life of the service has acknowledged."""

    user: str
    turns: list[Turn] = field(default_factory=list)
    memories: set[str] = field(default_factory=set)
    cut: int = 0


@dataclass(slots=True)
class Tally:
    counts: Counter[str] = field(default_factory=lambda: Counter({"lost": 0, "stuck": 0, "streams cut off": 0}))
    exits_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Life(NamedTuple):
    """One start of the service: what it is told, and under how many streams."""

    number: int
    kind: str
    streams: int
    random: Random


def campaign(folder: Path, target: str | None, options: RowOptions) -> Outcome:
    random, tally = Random(options.seed), Tally()
    import_service()
    with model() as base_url:
        for first in range(0, options.count, _LIVES):
            place = folder / f"store {first}"
            place.mkdir()
            store = {} if target is None else {"store_url": f"{target}{first}"}
            environment = environment_of(place, llm_base_url=base_url, **store, **_SETTINGS)
            before: Ledger | None = None
            for number in range(first, min(first + _LIVES, options.count)):
                kind = list(KINDS)[number % len(KINDS)]
                streams = MOST_STREAMS if (number + 1) % MOST_EVERY == 0 else STREAMS
                before = _live(environment, place / "log", before, Life(number, kind, streams, random), tally)
            _live(environment, place / "log", before, None, tally)
    exits = {"exit p99, s": round(quantile(tally.exits_s, 0.99), 2), "exit max, s": round(max(tally.exits_s), 2)}
    counts = {"signalled processes": options.count, **tally.counts, **exits}
    return Outcome.of(counts, "lost", "stuck", "streams cut off", broken=tuple(tally.broken))


def _live(environment: dict[str, str], log: Path, before: Ledger | None, life: Life | None, tally: Tally) -> Ledger:
    """Start the service, compare what is there with what was acknowledged before, and end it under load.

    life: None only looks, and then ends it with nothing open.
    """
    child = start(environment, log)
    ended = False
    try:
        ledger, took_s, status = asyncio.run(_talk_and_end(child, before, life, tally))
        ended = status is not None
    finally:
        if not ended:
            os.kill(child.process_id, signal.SIGKILL)
            os.waitpid(child.process_id, 0)
    if status != 0 or took_s > GRACE_S:
        name = "looking" if life is None else life.kind
        tally.broken.append(f"{name}: ended with {status} after {took_s:.1f} s: {log.read_text()[-300:]}")
    if life is not None:
        tally.exits_s.append(took_s)
    return ledger


async def _talk_and_end(
    child: Child, before: Ledger | None, life: Life | None, tally: Tally
) -> tuple[Ledger, float, int | None]:
    """Return what was acknowledged, how long the end took, and the exit code; None if it has not ended by itself."""
    number = -1 if life is None else life.number
    ledger = Ledger(f"anna {number}")
    if before is not None:
        async with client_of(child.url, before.user) as client:
            await _compare(client, before, tally)
    if life is None:
        os.kill(child.process_id, signal.SIGTERM)
        return ledger, *await _ended(child)
    tally.counts[life.kind] += 1
    async with client_of(child.url, ledger.user) as client, asyncio.TaskGroup() as group:
        begun = asyncio.Event()
        for stream in range(life.streams):
            group.create_task(_talk(client, f"life {number} talk {stream}", ledger, begun, life.streams))
        for adder in range(ADDING):
            group.create_task(_add(client, adder, ledger))
        async with asyncio.timeout(_START_S):
            await begun.wait()
        await asyncio.sleep(life.random.uniform(*_PATIENCE_S))
        tally.counts["streams open at a signal"] += sum(turn.last not in _ENDS for turn in ledger.turns)
        first, *more = KINDS[life.kind]
        os.kill(child.process_id, first)
        ending = asyncio.create_task(_ended(child))
        for again in more:
            await asyncio.sleep(life.random.uniform(0, _BETWEEN_S))
            if not ending.done():
                os.kill(child.process_id, again)
        took_s, status = await ending
    tally.counts["streams cut off"] += ledger.cut
    tally.counts["told to stop by `shutdown`"] += sum(turn.last == "shutdown" for turn in ledger.turns)
    return ledger, took_s, status


async def _ended(child: Child) -> tuple[float, int | None]:
    """Wait for twice the grace at most."""
    began = time.monotonic()
    while time.monotonic() - began < 2 * GRACE_S:
        process_id, status = os.waitpid(child.process_id, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
        if process_id:
            return time.monotonic() - began, os.waitstatus_to_exitcode(status)
        await asyncio.sleep(0.005)
    return time.monotonic() - began, None


async def _talk(client: httpx.AsyncClient, session: str, ledger: Ledger, begun: asyncio.Event, streams: int) -> None:
    """Ask in one session, again and again, until the service is gone. begun: set when so many streams have begun."""
    for number in itertools.count(1):
        turn = Turn(session, f"I like bread number {number} of {session}")
        body = {"message": turn.question, "session_id": session, "stream": True}
        try:
            async with client.stream("POST", "/v1/chat", json=body) as response:
                async for event in EventSource(response).aiter_sse():
                    _note(turn, event.event, event.json(), ledger)
                    if len(ledger.turns) >= streams:
                        begun.set()
        except httpx.HTTPError:
            ledger.cut += bool(turn.last) and turn.last not in _ENDS
            return
        if turn.last not in {"done", "memory_written"}:
            ledger.cut += turn.last not in {"shutdown", ""}  # "": refused, with nothing told
            return


def _note(turn: Turn, kind: str, told: Any, ledger: Ledger) -> None:
    if not turn.last:
        ledger.turns.append(turn)
    turn.last = kind
    if kind == "token":
        turn.said += told["text"]
    elif kind == "done":
        turn.message_id = told["message_id"]
    elif kind == "memory_written":
        ledger.memories.update(told["memories"])


async def _add(client: httpx.AsyncClient, adder: int, ledger: Ledger) -> None:
    for number in itertools.count(1):
        try:
            added = await client.post("/v1/memories", json={"content": f"note {number} of adder {adder}"})
        except httpx.HTTPError:
            return
        if added.status_code != 201:
            return
        ledger.memories.add(added.json()["id"])


async def _compare(client: httpx.AsyncClient, ledger: Ledger, tally: Tally) -> None:
    """Count what is missing, and whether each session goes on."""
    sessions = sorted({turn.session for turn in ledger.turns})
    threads = dict(zip(sessions, await asyncio.gather(*(thread_of(client, one) for one in sessions)), strict=True))
    for turn in ledger.turns:
        tally.counts["questions acknowledged"] += 1
        tally.counts["turns acknowledged"] += turn.message_id is not None
        tally.counts["lost"] += _is_lost(turn, threads[turn.session], tally)
    kept = await _memories(client)
    tally.counts["memories acknowledged"] += len(ledger.memories)
    tally.counts["lost"] += len(ledger.memories - kept)
    tally.counts["sessions"] += len(sessions)
    asked = [client.post("/v1/chat", json={"message": "Still there?", "session_id": one}) for one in sessions]
    replies = await asyncio.gather(*asked)
    tally.counts["stuck"] += sum(one.status_code != 200 or one.json()["state"] != "complete" for one in replies)


def _is_lost(turn: Turn, thread: list[Any], tally: Tally) -> bool:
    """Say whether the question or its answer is missing; an answer that was not whole must be marked as partial."""
    at = next((place for place, one in enumerate(thread) if one["content"] == turn.question), None)
    if at is None:
        return True
    answer = thread[at + 1] if at + 1 < len(thread) and thread[at + 1]["role"] == "assistant" else None
    if turn.message_id is not None:
        return answer is None or (answer["id"], answer["state"]) != (turn.message_id, "complete")
    if answer is None:
        return bool(turn.said)
    tally.counts["partial answers kept"] += answer["state"] == "partial"
    return answer["state"] not in {"partial", "complete"} or not answer["content"].startswith(turn.said)


async def _memories(client: httpx.AsyncClient) -> set[str]:
    found: set[str] = set()
    parameters: dict[str, Any] = {"limit": 200}
    while True:
        page = (await client.get("/v1/memories", params=parameters)).json()
        found.update(one["id"] for one in page["items"])
        if not page.get("next_cursor"):
            return found
        parameters["cursor"] = page["next_cursor"]
