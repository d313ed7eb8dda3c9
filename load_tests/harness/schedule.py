"""The order of a run: all peers in turns, round after round, so that the machine's noise falls on all alike."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from peers import OURS

from harness.corpus import Corpus
from harness.fleet import PeerFailed, Scene, Worker, fsyncs_per_add, probed, started
from harness.worker import NOT_INSTALLED

BATCH = 1_000
SETTLE_S = 1.0
READS = ("vector", "all_arms", "get", "page_first", "page_deep")


@dataclass(slots=True, kw_only=True)
class Result:
    """All that is known of one peer in one layout. `samples` are milliseconds by measure."""

    peer: str
    failures: list[str] = field(default_factory=list)
    installed: bool = True
    filled: int = 0
    fill_s: float = 0.0
    samples: dict[str, list[float]] = field(default_factory=dict)
    recall: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    durability: str = ""

    @property
    def alive(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    `measure_budget_s` ends one measure of one round early, `fill_budget_s` the bulk load of a slow peer (never ours).
    """

    rounds: int
    queries: int
    adds: int
    reopenings: int
    measure_budget_s: float
    fill_budget_s: float


class Contest:
    """One layout of the corpus, measured on all peers."""

    def __init__(self, *, scene: Scene, corpus: Corpus, plan: Plan, step: Callable[[str], None]) -> None:
        self._scene = scene
        self._corpus = corpus
        self._plan = plan
        self._step = step
        self._workers: dict[str, Worker] = {}
        self._results: dict[str, Result] = {}
        self._steps = 0

    async def run(self, peers: Sequence[str]) -> dict[str, Result]:
        """Measure `peers`; a peer that fails is out from there on, and says why."""
        self._results = {peer: Result(peer=peer) for peer in peers}
        async with AsyncExitStack() as exits:
            for peer in peers:
                self._step(f"start {peer}")
                await self._guarded(peer, self._start(peer, exits))
            await self._fill()
            await asyncio.sleep(SETTLE_S)  # what a peer does behind its own back after a load
            await self._each(self._settle, "settle")
            for number in range(self._plan.rounds):
                await self._each(lambda peer, number=number: self._reads(peer, number), f"reads, round {number + 1}")
            for number in range(self._plan.rounds):
                await self._each(lambda peer, number=number: self._adds(peer, number), f"adds, round {number + 1}")
            await self._each(self._close, "close")
        for number in range(self._plan.reopenings):
            await self._each(self._reopen, f"reopening {number + 1}")
        await self._each(self._memory, "memory")
        await self._each(self._fsyncs, "fsyncs per add")
        return self._results

    async def _each(self, act: Callable[[str], object], name: str) -> None:
        alive = [peer for peer, result in self._results.items() if result.alive]
        self._steps += 1
        shift = self._steps % max(1, len(alive))  # another one begins in every step
        for peer in alive[shift:] + alive[:shift]:
            self._step(f"{name}: {peer}")
            await self._guarded(peer, act(peer))

    async def _guarded(self, peer: str, work: object) -> None:
        try:
            await work
        except PeerFailed as failure:
            result = self._results[peer]
            result.failures.append(str(failure))
            result.installed = not str(failure).startswith(NOT_INSTALLED)

    async def _start(self, peer: str, exits: AsyncExitStack) -> None:
        worker = await exits.enter_async_context(started(peer, self._scene))
        opened = await worker.answer()
        self._workers[peer] = worker
        self._results[peer].figures["embeds_itself"] = float(bool(opened["embeds_itself"]))

    async def _fill(self) -> None:
        batches = list(_batches(self._corpus))
        for number, (start, stop) in enumerate(batches, 1):
            await self._each(
                lambda peer, start=start, stop=stop: self._fill_one(peer, start, stop),
                f"bulk load {number}/{len(batches)}",
            )

    async def _fill_one(self, peer: str, start: int, stop: int) -> None:
        result = self._results[peer]
        if result.fill_s > self._plan.fill_budget_s and peer != OURS:
            return
        answer = await self._workers[peer].ask(do="fill", start=start, stop=stop)
        result.fill_s += answer["seconds"]
        result.samples.setdefault("bulk", []).append(answer["seconds"] * 1e3 / (stop - start))
        result.filled = stop

    async def _settle(self, peer: str) -> None:
        self._results[peer].figures.update(await self._workers[peer].ask(do="settle"))

    async def _reads(self, peer: str, number: int) -> None:
        share = self._plan.queries // self._plan.rounds
        for measure in READS:
            await self._measure(peer, measure, number * share, (number + 1) * share)
        again = self._plan.queries + number * share
        await self._measure(peer, "search_callers", again, again + share)
        if self._results[peer].figures["embeds_itself"]:
            await self._measure(peer, "vector_again", number * share, (number + 1) * share)

    async def _adds(self, peer: str, number: int) -> None:
        share = self._plan.adds // self._plan.rounds
        await self._measure(peer, "add", number * share, (number + 1) * share)
        more = self._plan.adds + number * share
        await self._measure(peer, "add_callers", more, more + share)

    async def _measure(self, peer: str, measure: str, start: int, stop: int) -> None:
        result = self._results[peer]
        answer = await self._workers[peer].ask(do=measure, start=start, stop=stop)
        if answer["ms"]:
            result.samples.setdefault(measure, []).extend(answer["ms"])
        if measure == "vector":
            result.recall.extend(answer["recall"])

    async def _close(self, peer: str) -> None:
        answer = await self._workers[peer].ask(do="close")
        self._results[peer].durability = str(answer["durability"])
        await self._workers[peer].end()

    async def _reopen(self, peer: str) -> None:
        result = self._results[peer]
        answer = await probed("first_search", peer, self._scene, result.filled)
        result.samples.setdefault("reopen", []).append(answer["first_search_ms"])
        whole = answer["import_ms"] + answer["first_search_ms"]
        result.samples.setdefault("reopen_with_imports", []).append(whole)

    async def _memory(self, peer: str) -> None:
        result = self._results[peer]
        answer = await probed("memory_held", peer, self._scene, result.filled)
        result.figures.update({name: answer[name] for name in ("fixed_mb", "held_mb", "per_1000_mb")})

    async def _fsyncs(self, peer: str) -> None:
        result = self._results[peer]
        count = await fsyncs_per_add(peer, self._scene, result.filled)
        if count is not None:
            result.figures["fsyncs_per_add"] = count


def _batches(corpus: Corpus) -> Iterator[tuple[int, int]]:
    """Yield bulk batches: at most `BATCH` memories, never of two owners."""
    start = 0
    for row in range(1, corpus.size + 1):
        ends = row == corpus.size or corpus.memories[row].owner != corpus.memories[start].owner
        if ends or row - start == BATCH:
            yield start, row
            start = row
