"""The chat beside the bare model: the same prompts, the same arrivals, in turns."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from chat.model import Model, Official
from chat.times import Took
from chat.users import Talk, Users, progress, settings, talks, turn
from context0 import ChatService, MemoryEngine
from context0.llm.protocol import Prompt

Arrival = Literal["one at a time", "at once", "staggered"]
ARRIVALS: Final[tuple[Arrival, ...]] = ("one at a time", "at once", "staggered")
"""at once: all turns begin at the same moment, and their tokens come in phase. staggered: so many people talk at all
times, each begins a little later than the one before, and sends again as soon as he was answered."""
FLOOR: Final = "official client"
OURS: Final = "chat, different users"
SAME_USER: Final = "chat, same user"
TELLING: Final = "chat, half remembered"
CONTESTANTS: Final = (FLOOR, OURS, SAME_USER, TELLING)

Ask = Callable[[int], Awaitable[Took]]
"""Takes a turn of one of the concurrent talks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Of a round. alone: turns one at a time. concurrent: talks at the same time. each: turns of a staggered talk.

    apart_s: how much later one staggered talk begins than the one before.
    """

    rounds: int
    alone: int
    concurrent: int
    each: int
    apart_s: float


@dataclass(slots=True)
class Measured:
    """Of one contestant and one kind of arrival. cpu_s: of this process, with the work after the answers."""

    turns: list[Took] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def cpu_ms(self) -> float:
        """Per turn."""
        return 1_000 * self.cpu_s / len(self.turns)


Contest = dict[str, dict[Arrival, Measured]]


async def contest(server: Model, some: Users, schedule: Schedule) -> Contest:
    """Let them take turns, round after round, in changing order."""
    found: Contest = {name: {arrival: Measured() for arrival in ARRIVALS} for name in CONTESTANTS}
    async with (
        MemoryEngine(settings(some.store, base_url=server.base_url)) as engine,
        Official(server.base_url) as official,
    ):
        begun, prompt = await _begun(engine, some, schedule.concurrent)
        messages = [{"role": one.role, "content": one.content} for one in prompt.messages]
        async with ChatService(engine) as chat:
            contestants: dict[str, Ask] = {FLOOR: lambda _: official.stream(messages)}
            contestants |= {name: _asking(chat, of_it) for name, of_it in begun.items()}
            for ask in contestants.values():  # opens the connections, and loads what first turns would wait for
                await asyncio.gather(*map(ask, range(schedule.concurrent)))
            for number in range(schedule.rounds):
                for arrival in ARRIVALS:
                    for name in list(contestants)[:: 1 if number % 2 == 0 else -1]:
                        progress(f"round {number + 1} of {schedule.rounds}: {name}, {arrival}")
                        await _measure(contestants[name], arrival, schedule, found[name][arrival])
    progress("")
    return found


async def _begun(engine: MemoryEngine, some: Users, concurrent: int) -> tuple[dict[str, list[Talk]], Prompt]:
    """Begin the sessions. The prompt is the one of median length: what the bare model is asked."""
    names = some.names
    different = [names[number % len(names)] for number in range(concurrent)]
    asking, prompts = await talks(engine, some, different)
    of_one, of_one_prompts = await talks(engine, some, [names[0]] * concurrent)
    telling, _ = await talks(engine, some, different, telling=True)
    by_length = sorted([*prompts, *of_one_prompts], key=lambda one: sum(len(part.content) for part in one.messages))
    return {OURS: asking, SAME_USER: of_one, TELLING: telling}, by_length[len(by_length) // 2]


def _asking(chat: ChatService, some: Sequence[Talk]) -> Ask:
    return lambda number: turn(chat, some[number])


async def _measure(ask: Ask, arrival: Arrival, schedule: Schedule, into: Measured) -> None:
    gc.collect()
    cpu = time.process_time()
    match arrival:
        case "one at a time":
            turns = [await ask(number % schedule.concurrent) for number in range(schedule.alone)]
        case "at once":
            turns = await asyncio.gather(*map(ask, range(schedule.concurrent)))
        case "staggered":
            turns = await _staggered(ask, schedule)
    into.cpu_s += time.process_time() - cpu
    into.turns += turns


async def _staggered(ask: Ask, schedule: Schedule) -> list[Took]:
    """So that every moment of a turn, its first as well as its tokens, falls together with every other."""
    turns: list[Took] = []

    async def talk(number: int) -> None:
        await asyncio.sleep(schedule.apart_s * number)
        for _ in range(schedule.each):
            turns.append(await ask(number))  # noqa: PERF401 - the others append between two of them

    async with asyncio.TaskGroup() as group:
        for number in range(schedule.concurrent):
            group.create_task(talk(number))
    return turns
