"""D7: the power fails under the SQLite store and under the journal of a chat store, at any point of their writing.

A run of additions, changes, deletions, erasures, turns and checkpoints is recorded. At crash points, most at the hard
places, the disk is made as it may be then, opened by a new engine, and compared with what had been acknowledged.
FULL: lost 0. NORMAL: only what came after the last sync of the log, and nothing before what is kept.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import apsw

from context0.errors import Context0Error
from stores.errors import StoreError
from stores.sqlite.database import Synchronous
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.faults.rows.power_acts import Acts, Moment
from tests.faults.rows.power_subjects import JOURNAL, NOTE, STORE, USER, Subject
from tests.faults.rows.recorded_disk import Cut, Disk, Event, Loss, Synced, Told, Written, recorded

_IMAGES_A_RUN: Final = 100
_NEVER: Final = (
    "phantoms",
    "not intact",
    "not opened",
    "not found by search",
    "lost though synced",
    "lost before what is kept",
)
_LOST: Final = ("lost", "came back")


def store(options: RowOptions) -> Outcome:
    """The engine on the SQLite store."""
    return _row(options, STORE)


def journal(options: RowOptions) -> Outcome:
    """The journal before a chat store elsewhere."""
    return _row(options, JOURNAL)


def _row(options: RowOptions, subject: Subject) -> Outcome:
    kinds: tuple[Synchronous, ...] = ("FULL", "NORMAL")
    zero = [f"{kind}: {name}" for kind in kinds for name in (*_NEVER, *(_LOST if kind == "FULL" else ()))]
    counts: Counter[str] = Counter(dict.fromkeys(zero, 0))
    for kind in kinds:
        for first in range(0, options.count, _IMAGES_A_RUN):
            random = Random(f"{options.seed} {kind} {first}")
            acts = record(subject, kind, random)
            points = crash_points(acts.log, min(_IMAGES_A_RUN, options.count - first), random)
            met = crash(subject, acts, points, random)
            most = max(counts[f"{kind}: lost at most"], met.pop("lost at most"))
            counts.update({f"{kind}: {name}": number for name, number in met.items()})
            counts[f"{kind}: lost at most"] = most
    return Outcome.of(dict(counts), *zero)


def record(subject: Subject, synchronous: Synchronous, random: Random) -> Acts:
    with recorded() as log, tempfile.TemporaryDirectory() as folder:
        acts = Acts(log)
        asyncio.run(subject.work(Path(folder), acts, synchronous, random))
    return acts


def crash_points(log: Sequence[Event], count: int, random: Random) -> list[tuple[int, Loss]]:
    """Return how many events have happened at each, in order.

    A fifth each: just after an acknowledgement, before a sync, in a checkpoint, while the file is made, and anywhere.
    """
    made = next(at for at, event in enumerate(log) if isinstance(event, Synced) and event.name.endswith(".db"))
    places: list[Sequence[int]] = [
        [at + 1 for at, event in enumerate(log) if isinstance(event, Told)],
        [at for at, event in enumerate(log) if isinstance(event, Synced)],
        [at + 1 for at, event in enumerate(log) if isinstance(event, Written | Cut) and event.name.endswith(".db")],
        range(made + 1),
        range(len(log) + 1),
    ]
    losses = list(Loss)
    chosen = [(random.choice(places[n % len(places)]), losses[n // len(places) % len(losses)]) for n in range(count)]
    return sorted(chosen)


def crash(subject: Subject, acts: Acts, points: Sequence[tuple[int, Loss]], random: Random) -> Counter[str]:
    """Make the image of the disk at each point, open it, and compare."""
    met: Counter[str] = Counter({"acknowledged": len(acts.done), "lost at most": 0})
    met["checkpoints"] = sum(isinstance(event, Synced) and event.name.endswith(".db") for event in acts.log)
    disk, applied, synced = Disk(), 0, 0
    for at, loss in points:
        for number, event in enumerate(acts.log[applied:at], applied + 1):
            disk.apply(event)
            if isinstance(event, Synced) and event.name.endswith("-wal"):
                synced = number
        applied = at
        met.update({"crash points": 1, f"crash points, {loss}": 1, "unsynced writes at them": disk.unsynced})
        with tempfile.TemporaryDirectory() as folder:
            disk.write_image(Path(folder), loss, random)
            image = asyncio.run(_examined(subject, Path(folder), Moment(acts, at, synced), random))
        met.update(image)
        met.update({"crash points with a loss": image["lost"] > 0})
        met["lost at most"] = max(met["lost at most"], image["lost"])
    return met


async def _examined(subject: Subject, folder: Path, moment: Moment, random: Random) -> Counter[str]:
    settled = [
        acts[-1].after[owner, word]
        for (owner, word), acts in moment.begun().items()
        if owner == USER and word.startswith(NOTE) and moment.is_told(acts[-1])
    ]
    wanted = random.choice(settled) if settled else None
    try:
        found = await subject.read(folder, wanted)
    except (StoreError, Context0Error, apsw.Error) as error:
        return Counter({"not opened": 1, f"not opened, {type(error).__name__}": 1})
    return Counter(found.wrong) + moment.compared(found.there)
