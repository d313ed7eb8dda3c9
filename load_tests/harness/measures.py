"""Times a peer's operations inside one running event loop: one by one, and of 16 callers at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from peers.protocol import Asynchronous, Found, Peer, SearchesAllArms

from harness.corpus import Corpus, Memory, Question
from harness.exact import Exact

K = 10
PAGE_SIZE = 20
DEEP_PAGE = 500
WARMUPS = 3
CALLERS = 16
FEWEST_SAMPLES = 3
GET_STRIDE = 7919  # a prime beyond any batch, so that successive gets are far apart

Input = TypeVar("Input")
Search = Callable[[Question, int], Awaitable[list[Found]]]


@dataclass(slots=True, kw_only=True)
class Samples:
    """Milliseconds of single calls, and the recall@10 of each where that means something."""

    ms: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)


class Meter:
    """Measures one open peer: `fill` until done, `settle` once, then the measures, `add` last.

    `budget_s` ends one measure of a slow peer early, but not before three samples. `start` and `stop` of a measure
    number its calls over all rounds, so that no call is made twice.
    """

    def __init__(self, *, peer: Peer, corpus: Corpus, budget_s: float) -> None:
        self._peer = peer
        self._corpus = corpus
        self._budget_s = budget_s
        self._row_of: dict[str, int] = {}
        self._filled: Sequence[Memory] = ()
        self._warmup = 0

    async def fill(self, start: int, stop: int) -> float:
        """Store `memories[start:stop]`, all of one owner, in one bulk call; return the seconds it took."""
        batch = self._corpus.memories[start:stop]
        started = time.perf_counter()
        ids = await self._peer.add_many(batch)
        seconds = time.perf_counter() - started
        if len(set(ids)) != len(batch):
            message = f"{len(batch)} memories were added, {len(set(ids))} came back"
            raise ValueError(message)
        self._row_of.update((memory_id, memory.row) for memory_id, memory in zip(ids, batch, strict=True))
        self._filled = self._corpus.memories[:stop]
        return seconds

    async def settle(self) -> float:
        """Search every owner once, to load what is loaded lazily; return the recall of the very first searches.

        Below 1 for an exact peer means that acknowledged memories were not all in the index yet.
        """
        self._exact = Exact(self._filled, self._row_of)
        owners = set(self._exact.owners)
        self._questions = [question for question in self._corpus.questions if question.owner in owners]
        self._warmups = [question for question in self._corpus.warmups if question.owner in owners]
        firsts = {question.owner: question for question in self._warmups}
        recalls = [
            self._exact.recall(question, await self._peer.search_vector(question, K), K) for question in firsts.values()
        ]
        return sum(recalls) / len(recalls)

    async def vector(self, start: int, stop: int) -> Samples:
        """Vector-only search, each question once, with its recall against the exact ten nearest."""
        return await self._searches(self._peer.search_vector, self._questions[start:stop], K)

    async def vector_again(self, start: int, stop: int) -> Samples:
        """The same questions once more, for nine results: their embeddings are known by now, the results are not."""
        return await self._searches(self._peer.search_vector, self._questions[start:stop], K - 1)

    async def all_arms(self, start: int, stop: int) -> Samples:
        """Search with everything the peer has; empty for a peer with vectors alone. Its ranking is nobody's recall."""
        if not isinstance(self._peer, SearchesAllArms):
            return Samples()
        samples = await self._searches(self._peer.search_all, self._questions[start:stop], K)
        return Samples(ms=samples.ms)

    async def get(self, start: int, stop: int) -> Samples:
        """Fetch memories by id, spread over the whole store."""
        ids = list(self._row_of)
        picked = [ids[(index * GET_STRIDE) % len(ids)] for index in range(start, stop)]
        return await self._timed(self._fetch, picked)

    async def page_first(self, start: int, stop: int) -> Samples:
        return await self._pages(start, stop, number=1)

    async def page_deep(self, start: int, stop: int) -> Samples:
        return await self._pages(start, stop, number=self.deep_page)

    async def add(self, start: int, stop: int) -> Samples:
        """Store single memories on top of the filled store."""
        return await self._timed(self._peer.add, self._corpus.spare[start:stop])

    async def search_callers(self, start: int, stop: int) -> Samples:
        """Vector-only search, each question once."""
        return await self._together(lambda question: self._peer.search_vector(question, K), self._questions[start:stop])

    async def add_callers(self, start: int, stop: int) -> Samples:
        """Store single memories on top of the filled store."""
        return await self._together(self._peer.add, self._corpus.spare[start:stop])

    @property
    def deep_page(self) -> int:
        """The page that counts as deep: 500, or the last full one of an owner."""
        per_owner = len(self._filled) // len(self._exact.owners)
        return max(1, min(DEEP_PAGE, per_owner // PAGE_SIZE))

    async def _fetch(self, memory_id: str) -> None:
        memory = self._corpus.memories[self._row_of[memory_id]]
        found = await self._peer.get(memory.owner, memory_id)
        if found.content != memory.content:
            message = f"get {memory_id} returned another memory"
            raise ValueError(message)

    async def _pages(self, start: int, stop: int, *, number: int) -> Samples:
        owners = self._exact.owners[: stop - start]
        places = [(owner, await self._peer.seek(owner, number, PAGE_SIZE)) for owner in owners]

        async def read(place: tuple[str, object]) -> None:
            rows = await self._peer.page(*place, PAGE_SIZE)
            if len(rows) != PAGE_SIZE:
                message = f"page {number} has {len(rows)} memories instead of {PAGE_SIZE}"
                raise ValueError(message)

        await read(places[-1])
        return await self._timed(read, [places[index % len(places)] for index in range(start, stop)])

    async def _searches(self, search: Search, questions: Sequence[Question], k: int) -> Samples:
        for _ in range(WARMUPS):
            self._warmup = (self._warmup + 1) % len(self._warmups)
            await search(self._warmups[self._warmup], k)
        answers: list[list[Found]] = []

        async def ask(question: Question) -> None:
            answers.append(await search(question, k))

        samples = await self._timed(ask, questions)
        asked = zip(questions, answers, strict=False)
        samples.recall = [self._exact.recall(question, answer, k) for question, answer in asked]
        return samples

    async def _together(self, call: Callable[[Input], Coroutine[Any, Any, object]], inputs: Sequence[Input]) -> Samples:
        """Let 16 callers share the calls; the sample is the time of all by their number.

        A peer that blocks makes half of them in 16 threads, and half one after another; the better of both counts.
        """
        if isinstance(self._peer, Asynchronous):
            waiting = iter(inputs)

            async def caller() -> None:
                for value in waiting:
                    await call(value)

            started = time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(CALLERS)))
            return Samples(ms=[(time.perf_counter() - started) * 1e3 / len(inputs)])
        alone = await self._timed(call, inputs[1::2])
        means = [sum(alone.ms) / len(alone.ms), *_in_threads(call, inputs[::2])]
        return Samples(ms=[min(means)])

    async def _timed(self, call: Callable[[Input], Awaitable[object]], inputs: Iterable[Input]) -> Samples:
        samples, began = Samples(), time.perf_counter()
        for value in inputs:
            started = time.perf_counter_ns()
            await call(value)
            samples.ms.append((time.perf_counter_ns() - started) / 1e6)
            if time.perf_counter() - began > self._budget_s and len(samples.ms) >= FEWEST_SAMPLES:
                break
        return samples


def _in_threads(call: Callable[[Input], Coroutine[Any, Any, object]], inputs: Sequence[Input]) -> list[float]:
    """Return the milliseconds of all calls by their number; none where other threads may not call the peer."""
    with ThreadPoolExecutor(CALLERS) as pool:
        started = time.perf_counter()
        try:
            list(pool.map(lambda value: _run(call(value)), inputs))
        except Exception:  # noqa: BLE001 - whatever a peer says to threads that did not open it
            return []
        return [(time.perf_counter() - started) * 1e3 / len(inputs)]


def _run(call: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that blocks, and so never waits."""
    try:
        call.send(None)
    except StopIteration:
        return
    raise RuntimeError("a peer that waits is asynchronous")
