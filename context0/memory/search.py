"""One search: read the question, run the arms that it calls for, fuse their scores, fetch the texts."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, Final

import numpy as np
from cachetools import TTLCache

from context0.clock import Clock, to_ms
from context0.errors import Context0Error, SearchUnavailable
from context0.memory.analysis import LONG_QUESTION, QuestionReader, speakers_named
from context0.memory.candidates import Candidates
from context0.memory.explaining import explained, rules_fired, why_not
from context0.memory.feedback import signal_matrix
from context0.memory.fusion import Scores, best, seen
from context0.memory.inputs import ArmName
from context0.memory.learning import Learner
from context0.memory.narrowing import conditions, narrowing_filter
from context0.memory.progress import Progress
from context0.memory.query import Query, SearchRequest
from context0.memory.relevance import heard, minimum, relevance, same_words
from context0.memory.results import FoundMemory
from context0.memory.rules.query import QueryAnalysis
from context0.memory.signals import DIALOGUE, SIGNALS, Voices, fused, profile_of, vector_of, weigh
from context0.memory.store_hits import best_of, gathered, index_of, weighed
from context0.memory.strategies import build_strategies
from context0.memory.strategies.protocol import SearchStores, Strategy
from context0.memory.succession import put_successors_first
from context0.trust.floods import Echoes
from context0.trust.sources import is_by_program
from stores.blocking import in_thread, in_thread_if
from stores.errors import StoreError
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex, Snapshot
from stores.records import Hit, Memory, MemoryId, Scope

_INLINE_BYTES: Final = 16 << 20
"""Up to this size of an owner's matrix scoring takes less than about a millisecond, and stays on the event loop."""
_INLINE_FOUND: Final = 100
"""Up to so many memories are ranked and told of in less than about two milliseconds."""
_SPARE: Final = 1
"""Candidates fetched beyond the limit: they tell whether there is more, and replace one that has gone."""
_MORE: Final = 8
_MOST_FETCHED: Final = 1_000
"""How much more is fetched when too many have gone, and how much at once."""
_ARMS_SHARE: Final = 0.8
"""Of the deadline: what is left when an arm was late is for the fetch."""
_SETTLED: Final = 0.45
"""Relevance by words alone from which `early_stop` does not wait for the vectors. Of LoCoMo's questions 22 % reach it;
that costs 0.04 points of recall@10 with static vectors, none with MiniLM. Talks with an assistant would lose 8 to 10
points: there every arm is waited for."""
_START: Final = 4
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The page of a search. more: there are candidates behind it."""

    found: Sequence[FoundMemory]
    more: bool
    analysis: QueryAnalysis
    relevance: float | None
    rules: Mapping[str, object]
    why_not: Mapping[str, str]
    search_id: str | None


class Searcher:
    """Runs searches in one of two regimes.

    Owners of up to `max_indexed` memories are searched in their in-memory index: every arm is an array operation, and a
    search costs the fetch of the texts, one round trip. Larger owners are searched by the stores' own indexes: all arms
    at once, then one fetch of what else there is to know of the best, and one of the texts. A filter is resolved first,
    by one query, and narrows every arm before its cut.
    """

    def __init__(
        self,
        stores: SearchStores,
        indexes: OwnerCache[OwnerIndex],
        *,
        clock: Clock,
        max_indexed: int,
        learner: Learner | None = None,
        reader: QuestionReader | None = None,
    ) -> None:
        self._stores = stores
        self._indexes = indexes
        self._clock = clock
        self._max_indexed = max_indexed
        self._learner = learner
        self._reader = reader or QuestionReader()
        self._strategies = build_strategies(stores)
        self._large: TTLCache[Scope, bool] = TTLCache(maxsize=10_000, ttl=60)

    async def search(self, request: SearchRequest, progress: Progress) -> Ranking:
        """Return the page that `request` asks for.

        An arm that fails or is late is named in `progress`; SearchUnavailable when all of them are. Raises StoreError
        when the documents cannot be read. The arms keep to the deadline; the rest is the caller's to see to.
        """
        deadline = asyncio.get_running_loop().time() + request.deadline_s * _ARMS_SHARE
        started = time.perf_counter()
        index = await self.index(request.scope)
        started = progress.timed("index", started)
        query = await self._read(request, index, progress)
        progress.timed("read", started)
        candidates = await self._candidates(query, index, progress, deadline)
        if not candidates.arms and progress.failures:
            raise SearchUnavailable(progress.failures)
        started = time.perf_counter()
        found, more = await self._fetched(query, candidates)
        progress.timed("fetch", started)
        return Ranking(
            found=found,
            more=more,
            analysis=query.analysis,
            relevance=candidates.relevance,
            rules=rules_fired(query, candidates, index, progress.failures) if request.explain else {},
            why_not=why_not(request, candidates, found),
            search_id=self._remembered(request, candidates, progress) if found else None,
        )

    async def _read(self, request: SearchRequest, index: OwnerIndex | None, progress: Progress) -> Query:
        speakers = () if index is None else tuple(index.speakers.codes)
        analysis = await self._reader.read(request, speakers, progress)
        now, among = self._clock.now(), None
        by_ids = index is None or (not self._stores.vectors.derived and "semantic" in request.arms)
        where = narrowing_filter(request) if by_ids else request.where
        if where is not None:
            among = await self._stores.documents.match(where, scope=request.scope, now=now)
        return Query(
            request=request,
            analysis=analysis,
            now=now,
            among=among,
        )

    async def _candidates(
        self, query: Query, index: OwnerIndex | None, progress: Progress, deadline: float
    ) -> Candidates:
        started = time.perf_counter()
        arms = {name: self._strategies[name] for name in query.request.arms if self._strategies[name].applies(query)}
        if index is None:
            return await self._from_stores(query, arms, progress, deadline)
        waiting = {name: strategy for name, strategy in arms.items() if strategy.waits}
        voices = await self._voices(query.request.scope, index)
        prepared = {name: None for name in arms if name not in waiting}
        if waiting and prepared and _may_stop(query.request, voices):
            first = await self._ranked(query, prepared, index, voices, progress)
            if first.relevance is not None and first.relevance >= _SETTLED:
                return replace(first, spared=tuple(waiting))
        ready = await self._each(waiting, lambda strategy: strategy.prepare(query), progress, deadline)
        progress.timed("prepare", started)
        prepared = {name: ready.get(name) for name in arms if name not in progress.failures}
        return await self._ranked(query, prepared, index, voices, progress)

    async def _ranked(
        self,
        query: Query,
        prepared: Mapping[ArmName, Any],
        index: OwnerIndex,
        voices: Voices,
        progress: Progress,
    ) -> Candidates:
        """Score every memory by the arms that are prepared, in a thread if they are many."""
        snapshot, request = index.snapshot(), query.request
        met = tuple(conditions(query, index, snapshot))
        allowed = reduce(np.logical_and, (mask for _, mask in met))

        def score() -> Candidates:
            arms = self._scored(query, prepared, snapshot, progress)
            started = time.perf_counter()
            plain = request.arms_only
            keep = request.explain or self._learner is not None
            weighed = fused(arms, allowed) if plain else weigh(query, arms, snapshot, allowed, voices, keep=keep)
            total, found = weighed.total, allowed & seen(arms, len(snapshot))
            if snapshot.validity and request.as_of is None and not plain:
                put_successors_first(total, found, allowed, snapshot, to_ms(query.now))
            least = minimum(request, degraded=bool(progress.failures))
            likeness = relevance(query, arms, snapshot, allowed) if least or request.early_stop else None
            if likeness:
                likeness *= heard(query, total, snapshot, allowed, voices)
            if likeness is not None and likeness < least:
                found[:] = False
            progress.timed("fuse", started)
            return Candidates(
                ids=snapshot.ids,
                places=snapshot.row_of,
                arms=arms,
                allowed=found,
                complete=True,
                total=total,
                conditions=met,
                signals=weighed.signals,
                weights=weighed.weights,
                relevance=likeness,
                minimum=least,
            )

        heavy = snapshot.matrix.nbytes > _INLINE_BYTES or len(request.text) > LONG_QUESTION
        return await in_thread_if(heavy, score)

    async def _voices(self, scope: Scope, index: OwnerIndex) -> Voices:
        profile = profile_of(index)
        weights = vector_of(profile)
        if self._learner is not None:
            weights = await self._learner.weights(scope, weights)
        return Voices(codes=index.speakers.codes, profile=profile, weights=weights)

    def _remembered(self, request: SearchRequest, candidates: Candidates, progress: Progress) -> str | None:
        """Keep the first page of a whole search for feedback, and return the id under which it can be judged."""
        partial = not candidates.complete or candidates.spared or progress.failures
        if self._learner is None or request.arms_only or request.after or partial:
            return None
        rows = best(candidates.total, candidates.allowed, candidates.ids, _REMEMBERED, None)
        signals: dict[str, Scores] = {name: values for name, values in candidates.signals.items()}  # noqa: C416 - widens the keys
        features = signal_matrix(signals, SIGNALS, np.array(rows, np.intp))
        return self._learner.remember(request.scope, features, [candidates.ids[row] for row in rows])

    async def index(self, scope: Scope) -> OwnerIndex | None:
        """Return the owner's index, loaded and fresh, or None for an owner that is too large for one."""
        if scope in self._large or not self._max_indexed:
            return None
        index = self._indexes.held(scope)
        size = len(index) if index is not None else (await self._stores.documents.count(scope))["memories"]
        if size > self._max_indexed:
            self._indexes.drop(scope)
            self._large[scope] = True
            return None
        return await self._indexes.get(scope)

    async def _each(
        self,
        arms: Mapping[ArmName, Strategy[Any]],
        work: Callable[[Strategy[Any]], Awaitable[Any]],
        progress: Progress,
        deadline: float,
    ) -> dict[ArmName, Any]:
        """Run `work` for every arm at the same time; one that fails or is late is reported and left out."""

        async def guarded(name: ArmName) -> Any:
            started = time.perf_counter()
            try:
                async with asyncio.timeout_at(deadline):
                    return await work(arms[name])
            except (StoreError, Context0Error) as exc:
                progress.failures[name] = exc.code
            except TimeoutError:
                progress.failures[name] = "deadline"
            finally:
                progress.timed(f"arm.{name}", started)

        if len(arms) == 1:  # a task more costs 20 us
            answers = [await guarded(name) for name in arms]
        else:
            answers = await asyncio.gather(*map(guarded, arms))
        return {name: answer for name, answer in zip(arms, answers, strict=True) if name not in progress.failures}

    def _scored(
        self, query: Query, prepared: Mapping[ArmName, Any], snapshot: Snapshot, progress: Progress
    ) -> dict[ArmName, Scores]:
        scores: dict[ArmName, Scores] = {}
        for name, ready in prepared.items():
            started = time.perf_counter()
            try:
                scores[name] = self._strategies[name].score(query, ready, snapshot)
            except StoreError as exc:
                progress.failures[name] = exc.code
            progress.timed(f"arm.{name}", started)
        return scores

    async def _from_stores(
        self, query: Query, arms: Mapping[ArmName, Strategy[Any]], progress: Progress, deadline: float
    ) -> Candidates:
        async def ask(strategy: Strategy[Any]) -> list[Hit]:
            return await strategy.search(query, await strategy.prepare(query), query.request.hits)

        hits = await self._each(arms, ask, progress, deadline)
        found = gathered(hits)
        if query.request.arms_only or not found.ids:
            return found
        started = time.perf_counter()
        rows = await self._stores.documents.index_rows(best_of(found), scope=query.request.scope)
        index = await in_thread(index_of, rows)
        voices = await self._voices(query.request.scope, index)
        speakers = speakers_named(query.request, tuple(index.speakers.codes))
        asked = replace(query, analysis=replace(query.analysis, speakers=speakers))
        least = minimum(query.request, degraded=bool(progress.failures))
        candidates = weighed(asked, found, index, voices, keep=query.request.explain, least=least)
        progress.timed("fuse", started)
        return candidates

    async def _fetched(self, query: Query, candidates: Candidates) -> tuple[list[FoundMemory], bool]:
        """Fetch the best allowed candidates, one round trip; more only where too many are gone or say the same."""
        request, allowed = query.request, candidates.allowed
        same: dict[int, list[MemoryId]] = {}
        wanted = request.limit + _SPARE
        while True:
            ranked = partial(best, candidates.total, allowed, candidates.ids, wanted, request.after)
            rows = await in_thread_if(wanted > _INLINE_FOUND, ranked)
            if not rows:
                return [], False
            ids = [candidates.ids[row] for row in rows]
            stored = await self._stores.documents.get_many(ids, scope=request.scope, now=query.now)
            memories = {memory.id: memory for memory in stored if not memory.quarantine}
            await self._forget(request.scope, set(ids) - set(memories))
            keeping = partial(_kept, rows, candidates, memories)
            kept = await in_thread_if(len(rows) > _INLINE_FOUND, keeping)
            if len(kept) > request.limit or len(kept) == len(rows) or len(rows) < wanted:
                break
            wanted = max(wanted, min(wanted * _MORE, _MOST_FETCHED))
            allowed[[row for row in rows if row not in kept]] = False
            same |= {row: ids for row, ids in kept.items() if ids}
        page = list(kept)[: request.limit]

        def told() -> list[FoundMemory]:
            alike = (tuple(dict.fromkeys((*same.get(row, ()), *kept[row]))) for row in page)
            return [
                _found(query, candidates, row, memories[candidates.ids[row]], ids)
                for row, ids in zip(page, alike, strict=True)
            ]

        found = await in_thread_if(len(page) > _INLINE_FOUND, told)
        return found, len(kept) > request.limit

    async def _forget(self, scope: Scope, gone: Collection[MemoryId]) -> None:
        """Take what another process deleted out of the indexes in memory, so that it is met once only."""
        if not gone:
            return
        self._indexes.discard(scope, gone)
        if self._stores.vectors.derived:
            await self._stores.vectors.delete_many(gone, scope=scope)


def _kept(
    rows: Sequence[int], candidates: Candidates, memories: Mapping[MemoryId, Memory]
) -> dict[int, list[MemoryId]]:
    """Return the rows that still have a memory, each with those behind it that say the same, which it stands for.

    Of what one program wrote, nearly the same is the same: however much it writes, it has one place in a page for it.
    """
    living = [(row, memory) for row in rows if (memory := memories.get(candidates.ids[row])) is not None]
    starts = Counter(memory.content[:_START].casefold() for _, memory in living)
    first: dict[object, int] = {}
    kept: dict[int, list[MemoryId]] = {}
    echoes = Echoes()
    for row, memory in living:
        alone = starts[memory.content[:_START].casefold()] == 1  # spares the closer look, 4 us
        words = row if alone else same_words(memory)
        if words not in first:
            first[words] = echoes.first_of(memory, row) if is_by_program(memory) else row
        stands_for = first[words]
        if stands_for == row:
            kept[row] = []
        else:
            kept[stands_for].append(memory.id)
    return kept


def _may_stop(request: SearchRequest, voices: Voices) -> bool:
    return request.early_stop and not request.arms_only and voices.profile is DIALOGUE


def _found(query: Query, candidates: Candidates, row: int, memory: Memory, same: Sequence[MemoryId]) -> FoundMemory:
    arms: dict[str, float] = {
        name: float(scores[row]) for name, scores in candidates.arms.items() if not np.isnan(scores[row])
    }
    explanation = explained(candidates, row) if query.request.explain else {}
    score = float(candidates.total[row])
    return FoundMemory(memory=memory, score=score, arms=arms, same=tuple(same), explanation=explanation)
