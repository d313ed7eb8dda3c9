"""Kills writers of chats again and again, and counts what was lost and what is there twice.

python -m tests.faults.chat_kills [--kills 100] [--target sqlite | mongodb://…] [--point anywhere | …]
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from stores.chat_protocol import ChatStore
from stores.records import Message, SessionId
from tests.contracts.builders import ANNA
from tests.faults.chat_writer import ANYWHERE, POINTS, content_of, open_chats, session_of, store_at

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """kills: of processes that had been told of a write. lost: acknowledged, and gone. phantoms: there without having
    been sent, with another text, or twice. waited: what the journals still held after the last kill."""

    kills: int
    acknowledged: int
    lost: int
    phantoms: int
    waited: int


def kill_one(folder: Path, target: str, point: str, run: int, patience_s: float) -> None:
    """Let a writer run until it kills itself, or until it has been told of a write and for `patience_s` more."""
    command = [sys.executable, "-m", "tests.faults.chat_writer", str(folder), target, point, str(run)]
    told = folder / "told"
    before = told.stat().st_size if told.exists() else 0
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        if point != ANYWHERE:
            process.wait(START_S)
        else:
            deadline = time.monotonic() + START_S
            while (told.stat().st_size if told.exists() else 0) == before and time.monotonic() < deadline:
                if process.poll() is not None:
                    break
                time.sleep(0.002)
            time.sleep(patience_s)
    finally:
        process.kill()
        _, errors = process.communicate()
    if process.returncode != -9:
        raise AssertionError(f"the writer ended by itself: {errors}")


def lines_of(path: Path) -> set[tuple[str, int]]:
    """Return what a ledger tells; the last line may be cut off."""
    whole = path.read_text().rpartition("\n")[0]
    return {(session, int(seq)) for session, seq in (line.split("\t") for line in whole.splitlines())}


async def examine(folder: Path, target: str, kills: int) -> Outcome:
    """Open everything as a process does that comes next, let it replay, and compare the store with the ledgers."""
    sent, told = lines_of(folder / "sent"), lines_of(folder / "told")
    chats = open_chats(folder, target)
    await chats.open()
    waited = int((await chats.status())["journal_pending"])
    await chats.aclose()
    assert not list((folder / "journal").iterdir()), "everything was replayed"
    store = store_at(target, folder)
    await store.open()
    sessions = [SessionId(session_of(str(run))) for run in range(kills)]
    stored = [message for session in sessions for message in await all_of(store, session)]
    counted = (await store.count(ANNA))["messages"]
    await store.aclose()
    places = {(message.session_id, message.seq) for message in stored}
    strange = [message for message in stored if message.content != content_of(message.session_id, message.seq)]
    return Outcome(
        kills=kills,
        acknowledged=len(told),
        lost=len(told - places),
        phantoms=len(places - sent) + len(strange) + counted - len(places),
        waited=waited,
    )


async def all_of(store: ChatStore, session: SessionId) -> list[Message]:
    messages: list[Message] = []
    while page := await store.recent(session, scope=ANNA, limit=1_000, before=messages[0].seq if messages else None):
        messages = [*page, *messages]
    return messages


async def campaign(folder: Path, target: str, point: str, kills: int, seed: int = 7) -> Outcome:
    random = Random(seed)
    for run in range(kills):
        await asyncio.to_thread(kill_one, folder, target, point, run, random.uniform(0.0, 0.2))
    return await examine(folder, target, kills)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--target", default="sqlite")
    parser.add_argument("--point", choices=(ANYWHERE, *POINTS), action="append")
    told = parser.parse_args()
    for point in told.point or (ANYWHERE, *POINTS):
        with tempfile.TemporaryDirectory() as folder:
            outcome = asyncio.run(campaign(Path(folder), told.target, point, told.kills))
        sys.stdout.write(f"{point}: {outcome}\n")


if __name__ == "__main__":
    main()
