"""Kills processes in the middle of turns (kill -9), and counts what was lost, is strange, or is stuck. D2, D3.

python -m tests.faults.chat_turn_kills [--kills 100] [--target sqlite | journal] [--point anywhere | token | …] [--json]

The writers are forked from this process, which has imported everything and runs no thread: a kill costs 50 ms.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Final

from context0.chat.service import ChatService
from stores.errors import NotFound
from stores.records import Message
from tests.faults.chat_turn_writer import (
    ANYWHERE,
    POINTS,
    TALKING,
    TARGETS,
    USER,
    Fuse,
    answer_to,
    open_chat,
    talk,
)

_START_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """asked, told: turns that had begun, and that were done. remembered: memories that were told of. lost: of these.

    forgotten: turns that were done, and of which nothing is remembered. unanswered: questions that the kills left
    alone. strange: messages that nobody sent, or that stand elsewhere than behind their question. stuck: sessions in
    which the next turn does not work.
    """

    target: str
    point: str
    kills: int
    asked: int
    told: int
    remembered: int
    lost: int
    forgotten: int
    unanswered: int
    strange: int
    stuck: int


def kill_one(folder: Path, target: str, point: str, run: int) -> None:
    """Fork a writer, and let it kill itself, or kill it when it has been told of a turn and a moment later."""
    told = folder / "told"
    before = told.stat().st_size if told.exists() else 0
    child = os.fork()
    if not child:
        try:
            asyncio.run(talk(folder, target, point, run))
        finally:
            os._exit(1)
    if point == ANYWHERE:
        deadline = time.monotonic() + _START_S
        while (told.stat().st_size if told.exists() else 0) == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(Random(run).uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        raise AssertionError(f"the writer ended by itself, with {status}")


def lines_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []


async def examine(folder: Path, target: str, point: str, kills: int) -> Outcome:
    """Open everything as the next process does, and compare it with the ledgers."""
    asked, told = lines_of(folder / "asked"), lines_of(folder / "told")
    written = [line[0] for line in lines_of(folder / "written")]
    async with open_chat(folder, target, Fuse("", 0)) as chat:
        sessions = [f"run {run} talk {number}" for run in range(kills) for number in range(TALKING)]
        threads = {session: await messages_of(chat, session) for session in sessions}
        contents = {(session, one.content) for session, thread in threads.items() for one in thread}
        answers = {one.id for thread in threads.values() for one in thread if one.state == "complete"}
        lost = sum((session, text) not in contents for session, text in asked)
        lost += sum(message_id not in answers for _, _, message_id, *_ in told)
        kept = await kept_of(chat, written)
        by_turn = {line[2]: line[3:] for line in told}
        remembered = await kept_of(chat, [memory_id for ids in by_turn.values() for memory_id in ids])
        return Outcome(
            target=target,
            point=point,
            kills=kills,
            asked=len(asked),
            told=len(told),
            remembered=len(written),
            lost=lost + len({*written} - kept),
            forgotten=sum(remembered.isdisjoint(ids) for ids in by_turn.values()),
            unanswered=sum(_unanswered(thread) for thread in threads.values()),
            strange=sum(_strange(thread) for thread in threads.values()),
            stuck=sum([await is_stuck(chat, session, thread) for session, thread in threads.items()]),
        )


async def kept_of(chat: ChatService, ids: Sequence[str]) -> set[str]:
    """Return which of the memories are there."""
    kept: set[str] = set()
    for at in range(0, len(ids), 1_000):
        kept |= {memory.id for memory in await chat._engine.get_many(ids[at : at + 1_000], user_id=USER)}
    return kept


async def messages_of(chat: ChatService, session: str) -> Sequence[Message]:
    try:
        return (await chat.messages(session, user_id=USER, limit=999)).items
    except NotFound:  # the kill came before its first turn
        return ()


def _unanswered(thread: Sequence[Message]) -> int:
    answered = {one.seq - 1 for one in thread if one.role == "assistant"}
    return sum(one.role == "user" and one.seq not in answered for one in thread)


def _strange(thread: Sequence[Message]) -> int:
    """Count answers that are not behind their question, and numbers that are there twice."""
    asked = {one.seq: one.content for one in thread if one.role == "user"}
    misplaced = sum(
        not answer_to(asked.get(one.seq - 1, "?")).startswith(one.content) for one in thread if one.role == "assistant"
    )
    return misplaced + len(thread) - len({one.seq for one in thread})


async def is_stuck(chat: ChatService, session: str, before: Sequence[Message]) -> bool:
    reply = await chat.send("Still there?", user_id=USER, session_id=session)
    after = await messages_of(chat, session)
    goes_on = [(one.role, one.content) for one in after[-2:]] == [("user", "Still there?"), ("assistant", reply.text)]
    return reply.state != "complete" or bool(reply.degraded) or not goes_on or len(after) != len(before) + 2


def campaign(target: str, point: str, kills: int) -> Outcome:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for run in range(kills):
            kill_one(folder, target, point, run)
        return asyncio.run(examine(folder, target, point, kills))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--point", choices=POINTS, action="append")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    for target in told.target or TARGETS:
        for point in told.point or POINTS:
            outcome = campaign(target, point, told.kills)
            sys.stdout.write(f"{json.dumps(asdict(outcome)) if told.json else outcome}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
