"""D2: kill -9 of the service when a client has heard the k-th word of an answer, over HTTP, under other open streams.

The ledger rule: a question is acknowledged by the first event of its stream, a turn by `done`. After the next start all
of it is there; an answer that was not whole is absent, or what had been said of it, marked as partial; each answer
stands right behind its question; and the next turn of each conversation works.
"""

import asyncio
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
from httpx_sse import EventSource

from tests.faults.chat_turn_kills import campaign as campaign_in_turns
from tests.faults.chat_turn_writer import POINTS, TARGETS
from tests.faults.rows.forked_service import SETTINGS, WORDS, Child, client_of, import_service, model, start, thread_of
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.mongo_process import mongo_process
from tests.served_process import environment_of

STREAMS: Final = 8
WHOLE: Final = " ".join(f"word{number}" for number in range(WORDS))
"""What the model says, always."""
_LIVES: Final = 5
_PATIENCE_S: Final = 240.0
"""A machine may be busy, and its processes paused: what is counted here is no time."""
_SETTINGS: Final = {
    **SETTINGS,
    "llm_first_token_s": _PATIENCE_S,
    "llm_between_tokens_s": _PATIENCE_S,
    "llm_deadline_s": 2 * _PATIENCE_S,
    "mongodb_timeout_ms": int(_PATIENCE_S * 1_000),
}
_AGAIN_S: Final = 0.1
_ZERO: Final = ("lost", "not marked", "strange", "stuck")
_AGAIN: Final = "Still there?"


@dataclass(slots=True)
class Turn:
    """What a client was told of one turn, so far. user: whose it is."""

    user: str
    session: str
    question: str
    said: list[str] = field(default_factory=list)
    message_id: str | None = None
    is_told: bool = False


def in_process(options: RowOptions) -> Outcome:
    """count: kills at every point of a turn, in a process without HTTP, on SQLite and with a journal."""
    each = -(-options.count // (len(TARGETS) * len(POINTS)))
    must_not_be = ("lost", "forgotten", "strange", "stuck")
    counts: Counter[str] = Counter(dict.fromkeys(must_not_be, 0))
    for target in TARGETS:
        for point in POINTS:
            outcome = campaign_in_turns(target, point, each)
            counts["kills"] += outcome.kills
            counts["questions acknowledged"] += outcome.asked
            counts["turns acknowledged"] += outcome.told
            counts["memories acknowledged"] += outcome.remembered
            counts["questions left alone by a kill"] += outcome.unanswered
            for name in must_not_be:
                counts[name] += getattr(outcome, name)
    return Outcome.of(dict(counts), *must_not_be)


def on_sqlite(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return _campaign(Path(folder), None, options)


def on_mongodb(options: RowOptions) -> Outcome:
    """With a journal before the chats."""
    with tempfile.TemporaryDirectory() as folder, mongo_process(Path(folder)) as server:
        return _campaign(Path(folder), server.url("streams"), options)


def _campaign(folder: Path, target: str | None, options: RowOptions) -> Outcome:
    random, counts = Random(options.seed), Counter[str](dict.fromkeys(_ZERO, 0))
    met: list[str] = []
    import_service()
    with model() as base_url:
        for first in range(0, options.count, _LIVES):
            place = folder / f"store {first}"
            place.mkdir()
            store = {} if target is None else {"store_url": f"{target}{first}"}
            environment = environment_of(place, llm_base_url=base_url, **store, **_SETTINGS)
            turns: list[Turn] = []
            for number in range(first, min(first + _LIVES, options.count)):
                turns += _one_life(environment, place / "log", f"anna {number}", random.randint(0, WORDS), counts)
            child = start(environment, place / "log")
            try:
                met += asyncio.run(_compare(child, turns, counts))
            finally:
                _kill(child)
    return Outcome.of({"kills": options.count, **counts}, *_ZERO, broken=tuple(met[:5]))


def _one_life(environment: dict[str, str], log: Path, user: str, word: int, counts: Counter[str]) -> list[Turn]:
    """Start the service, and kill it when a client has heard so many words; return what was told."""
    child = start(environment, log)
    try:
        turns = asyncio.run(_killed_at(child, user, word))
    finally:
        _kill(child)
    counts["streams open at a kill"] += sum(turn.is_told and turn.message_id is None for turn in turns)
    counts["words heard of these"] += sum(len(turn.said) for turn in turns if turn.message_id is None)
    return turns


def _kill(child: Child) -> None:
    """Kill it, or what is left of it, and see it end."""
    os.kill(child.process_id, signal.SIGKILL)
    os.waitpid(child.process_id, 0)


async def _killed_at(child: Child, user: str, word: int) -> list[Turn]:
    turns: list[Turn] = []
    heard = asyncio.Event()
    async with client_of(child.url, user, patience_s=_PATIENCE_S) as client, asyncio.TaskGroup() as group:
        for number in range(STREAMS):
            group.create_task(_talk(client, user, f"talk {number} of {user}", turns, (heard, word, number)))
        async with asyncio.timeout(_PATIENCE_S):
            await heard.wait()
        os.kill(child.process_id, signal.SIGKILL)
    return turns


async def _talk(
    client: httpx.AsyncClient, user: str, session: str, turns: list[Turn], at: tuple[asyncio.Event, int, int]
) -> None:
    """Ask, again and again, until the service is gone. at: what is set in a third turn or later, at which word.

    The first of all sets it, in the moment in which the service is to be killed.
    """
    heard, word, number = at
    for time in range(1, 1_000):
        turn = Turn(user, session, f"I like bread number {time} of {session}")
        turns.append(turn)
        body = {"message": turn.question, "session_id": session, "stream": True}
        try:
            async with client.stream("POST", "/v1/chat", json=body) as response:
                async for event in EventSource(response).aiter_sse():
                    _note(turn, event.event, event.json())
                    if number == 0 and time > 2 and len(turn.said) >= word:
                        heard.set()
        except httpx.HTTPError:  # refused, or the service is gone
            if heard.is_set():
                return
            await asyncio.sleep(_AGAIN_S)


def _note(turn: Turn, kind: str, told: Any) -> None:
    turn.is_told = True
    if kind == "token":
        turn.said.append(told["text"])
    elif kind == "done":
        turn.message_id = told["message_id"]


async def _compare(child: Child, turns: Sequence[Turn], counts: Counter[str]) -> list[str]:
    """Return what is stuck, in words."""
    met: list[str] = []
    for user in sorted({turn.user for turn in turns}):
        own = [turn for turn in turns if turn.user == user]
        async with client_of(child.url, user, patience_s=_PATIENCE_S) as client:
            for session in sorted({turn.session for turn in own}):
                asked = [turn for turn in own if turn.session == session]
                await _compare_talk(client, session, asked, counts, met)
    return met


async def _compare_talk(
    client: httpx.AsyncClient, session: str, turns: Sequence[Turn], counts: Counter[str], met: list[str]
) -> None:
    thread = await thread_of(client, session)
    counts["strange"] += _strange(thread, turns)
    for turn in turns:
        counts["questions acknowledged"] += turn.is_told
        counts["turns acknowledged"] += turn.message_id is not None
        answer, is_asked = _answer_in(thread, turn)
        counts["lost"] += turn.is_told and not is_asked
        if turn.message_id is not None:
            counts["lost"] += answer is None or (answer["id"], answer["state"]) != (turn.message_id, "complete")
        elif answer is None:
            counts["answers absent"] += turn.is_told
        else:
            counts[f"answers kept that were {answer['state']}"] += 1
            is_part = answer["state"] == "partial" and answer["content"].startswith("".join(turn.said))
            counts["not marked"] += not is_part and answer["content"].rstrip() != WHOLE
    counts["conversations"] += 1
    reply = await client.post("/v1/chat", json={"message": _AGAIN, "session_id": session})
    after = await thread_of(client, session)
    goes_on = [one["content"] for one in after[-2:]] == [_AGAIN, reply.json().get("text")]
    is_whole = reply.status_code == 200 and reply.json()["state"] == "complete"
    if not is_whole or not goes_on or len(after) != len(thread) + 2:
        counts["stuck"] += 1
        met.append(f"{session}: {reply.status_code} {reply.text[:300]}, {len(thread)} and {len(after)} messages")


def _answer_in(thread: Sequence[Any], turn: Turn) -> tuple[Any, bool]:
    """Return what stands behind the question, if that is an answer, and whether the question is there."""
    at = next((place for place, one in enumerate(thread) if one["content"] == turn.question), None)
    if at is None:
        return None, False
    behind = thread[at + 1] if at + 1 < len(thread) else None
    return (behind if behind is not None and behind["role"] == "assistant" else None), True


def _strange(thread: Sequence[Any], turns: Sequence[Turn]) -> int:
    """Count answers that stand behind no question, questions that nobody asked, and numbers that are there twice."""
    asked = {turn.question for turn in turns}
    alone = sum(
        one["role"] == "assistant" and (not at or thread[at - 1]["role"] != "user") for at, one in enumerate(thread)
    )
    unknown = sum(one["role"] == "user" and one["content"] not in asked for one in thread)
    return alone + unknown + len(thread) - len({one["seq"] for one in thread})
