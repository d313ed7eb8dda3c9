"""D13: changes, deletions, erasures, messages and late writes in every order: nothing comes back, the last word stands.

A race: the index work on a memory, or a write of it, stands still at some point; meanwhile something else happens to
it, here or in another process; then what stood still goes on, and the message that told of the work comes once more.
What was forgotten is in no store, listing or search; what was changed is there as it was last, and once.
"""

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from context0.memory.engine import MemoryEngine
from stores.errors import Conflict, Erased, NotFound
from tests.contracts.builders import ANNA
from tests.engine_bench import EngineBench, HashingEmbedder, contents, count_of, open_bench
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.faults.test_engine_index_work import POINTS, Stage

USER: Final = "anna"
FIRST: Final = "Anna lives in Munich"
LAST: Final = "Anna bakes bread in Graz"
WRITE: Final = "put_many of documents"
"""The point of a race in which it is the addition itself that comes late."""
_ALIKE: Final = 0.999
_LIMITS: Final[Mapping[str, Any]] = {"owner_index_staleness_s": 0.0, "search_deadline_ms": 240_000}
"""What another process wrote is seen at once; and a machine may be busy."""
_ZERO: Final = ("resurrected", "lost", "stale", "odd failures")
_STEP_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One memory whose work stands still. other: an engine of another process."""

    stage: Stage
    other: MemoryEngine
    memory_id: str

    @property
    def engine(self) -> MemoryEngine:
        return self.stage.engine


Event = Callable[[Race], Awaitable[Any]]


async def _deleted(race: Race) -> None:
    await race.engine.delete(race.memory_id, user_id=USER)


async def _deleted_elsewhere(race: Race) -> None:
    await race.other.delete(race.memory_id, user_id=USER)


async def _erased(race: Race) -> None:
    """An erasure waits for who is at work, and so is not waited for here."""
    erasing = asyncio.create_task(race.engine.delete_all(user_id=USER))
    await asyncio.sleep(_STEP_S)
    race.stage.released.set()
    assert (await erasing).ok


async def _erased_elsewhere(race: Race) -> None:
    assert (await race.other.delete_all(user_id=USER)).ok


async def _changed(race: Race) -> None:
    await race.engine.update(race.memory_id, user_id=USER, content=LAST)


async def _changed_elsewhere(race: Race) -> None:
    await race.other.update(race.memory_id, user_id=USER, content=LAST)


async def _changed_twice(race: Race) -> None:
    await race.engine.update(race.memory_id, user_id=USER, content="Anna plays the harp")
    await race.other.update(race.memory_id, user_id=USER, content=LAST)


async def _changed_and_deleted(race: Race) -> None:
    await _changed(race)
    await _deleted_elsewhere(race)


async def _said_again(race: Race) -> None:
    """Deleted, and something else said in its place."""
    await _deleted(race)
    await race.other.add(LAST, user_id=USER)


async def _erased_and_said_again(race: Race) -> None:
    await _erased_elsewhere(race)
    await race.other.add(LAST, user_id=USER)


EVENTS: Final[Mapping[str, tuple[Event, tuple[str, ...]]]] = {
    "deleted": (_deleted, ()),
    "deleted elsewhere": (_deleted_elsewhere, ()),
    "erased": (_erased, ()),
    "erased elsewhere": (_erased_elsewhere, ()),
    "changed": (_changed, (LAST,)),
    "changed elsewhere": (_changed_elsewhere, (LAST,)),
    "changed twice": (_changed_twice, (LAST,)),
    "changed and deleted": (_changed_and_deleted, ()),
    "deleted, said again": (_said_again, (LAST,)),
    "erased, said again": (_erased_and_said_again, (LAST,)),
}
"""What happens meanwhile, and what is there in the end."""
LATE_WRITES: Final = ("erased elsewhere", "erased, said again")


def on_sqlite(options: RowOptions) -> Outcome:
    """count: races, each event at each point in turn."""
    return asyncio.run(_run(options, "sqlite"))


def on_mongodb(options: RowOptions) -> Outcome:
    return asyncio.run(_run(options, "mongodb"))


async def _run(options: RowOptions, backend: str) -> Outcome:
    counts: Counter[str] = Counter(dict.fromkeys(_ZERO, 0))
    met: list[str] = []
    kinds = [*itertools.product(EVENTS, POINTS), *((event, WRITE) for event in LATE_WRITES)]
    Random(options.seed).shuffle(kinds)
    for event, point in itertools.islice(itertools.cycle(kinds), options.count):
        before = Counter(counts)
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            bench = await stack.enter_async_context(open_bench(backend, Path(folder)))
            await (_late_write if point == WRITE else _race)(bench, event, point, counts)
        counts["races"] += 1
        counts[f"races: {event}"] += 1
        met += [f"{event}, at {point}: {name}" for name in _ZERO if counts[name] > before[name]]
    return Outcome.of(dict(counts), *_ZERO, broken=tuple(met[:8]))


async def _race(bench: EngineBench, event: str, point: str, counts: Counter[str]) -> None:
    stage = Stage(bench, point, **_LIMITS)
    race = Race(stage=stage, other=_other(bench, stage), memory_id=await stage.add_and_hold(FIRST))
    await stage.engine.search("Munich", user_id=USER, strategies=["keyword"])
    happens, expected = EVENTS[event]
    await happens(race)
    await stage.release()
    for engine in (race.engine, race.other):
        await _told_again(bench, engine, race.memory_id, counts)
        await _look(engine, stage, expected, counts)


def _other(bench: EngineBench, stage: Stage) -> MemoryEngine:
    return bench.engine(vectors=stage.vectors, embedder=stage.embedder, **_LIMITS)


async def _told_again(bench: EngineBench, engine: MemoryEngine, memory_id: str, counts: Counter[str]) -> None:
    """Let the message come once more, and do all that is due."""
    await engine.work_on([memory_id], user_id=USER)
    bench.clock.advance(minutes=1)
    await engine.flush()
    counts["messages that came again"] += 1


async def _late_write(bench: EngineBench, event: str, point: str, counts: Counter[str]) -> None:
    """Let an addition stand still before the store, and its user be erased by another process."""
    stage = Stage(bench, point, **_LIMITS)
    other = _other(bench, stage)
    await stage.engine.add("the first word", user_id=USER, wait=True)
    stage.documents.before["put_many"] = stage._hold
    adding = asyncio.create_task(stage.engine.add(FIRST, user_id=USER))
    async with asyncio.timeout(240):
        await stage.reached.wait()
    stage.documents.before.clear()
    happens, expected = EVENTS[event]
    await happens(Race(stage=stage, other=other, memory_id=""))
    stage.released.set()
    try:
        await adding
    except (Erased, NotFound, Conflict):
        counts["late writes refused"] += 1
    else:
        counts["resurrected"] += 1
    for engine in (stage.engine, other):
        bench.clock.advance(minutes=1)
        await engine.flush()
        await _look(engine, stage, expected, counts)


async def _look(engine: MemoryEngine, stage: Stage, expected: tuple[str, ...], counts: Counter[str]) -> None:
    """Compare what this engine shows, and what the stores hold, with what is to be there."""
    listed = contents(await engine.list(user_id=USER, limit=100))
    counts["resurrected"] += len(set(listed) - set(expected)) + len(listed) - len(set(listed))
    counts["lost"] += len(set(expected) - set(listed))
    counts["resurrected"] += max(0, await count_of(engine) - len(expected))
    counts["resurrected"] += max(0, await stage.vectors.count(ANNA) - len(expected))
    for arms in (["semantic"], ["keyword"], None):
        found = contents(await engine.search(f"{FIRST} {LAST}", user_id=USER, strategies=arms, min_relevance=0))  # type: ignore[arg-type]  # names of arms
        counts["resurrected"] += len(set(found) - set(expected))
        counts["lost"] += len(set(expected) - set(found))
        counts["looks"] += 1
    states = [memory.index.state async for memory, _ in engine.export(user_id=USER)]
    counts["odd failures"] += sum(state != "done" for state in states)
    if expected:
        right = (await HashingEmbedder().embed([LAST]))[0]
        hits = await stage.vectors.query(right, scope=ANNA, limit=5)
        counts["stale"] += [hit.score > _ALIKE for hit in hits] != [True]
