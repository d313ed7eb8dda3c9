"""Learning from feedback: remembers searches, takes judgements, tunes an owner's weights, and takes them back."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal
from weakref import WeakValueDictionary

from cachetools import TTLCache

from context0.clock import Clock
from context0.memory.feedback import Episode, ExperienceBuffer, UnknownSearch
from context0.memory.learned_weights import LearnedWeights
from context0.memory.sealed import DamagedState
from context0.memory.tuning import TuningOutcome, tune
from stores.blocking import in_thread
from stores.errors import NotFound
from stores.protocols import DocumentStore
from stores.records import FloatMatrix, FloatVector, MemoryId, Scope

log = logging.getLogger(__name__)

RECENT_SEARCHES: Final = 2_000
"""Of all owners together; one takes up to 7 KB."""
RECENT_S: Final = 3_600.0
WEIGHTS_STALE_S: Final = 60.0
"""How late weights that another process learned may come into force."""
_OWNERS: Final = 10_000
_NOTHING: Final = b""
"""Stands for a value that was forgotten: the store can replace one, not remove it."""

_UNREAD: Final = LearnedWeights(names=(), base=())
"""Stands for weights that were not read yet; None is an owner of whom nothing was learned."""

Kind = Literal["experience", "weights"]


class Learner:
    """One engine's learning. Searches cost no round trip, but one a minute and owner for the weights.

    Searches are remembered in memory, for an hour. A judgement is stored before it is acknowledged, with the search's
    signals and ids, never its words. Changes of one owner's state wait for each other inside one process; of two
    processes that judge at the same moment the later may overwrite the earlier.
    """

    def __init__(
        self,
        documents: DocumentStore,
        signals: Sequence[str],
        *,
        clock: Clock,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents = documents
        self._signals = tuple(signals)
        self._clock = clock
        self._recent: TTLCache[tuple[Scope, str], Episode] = TTLCache(RECENT_SEARCHES, RECENT_S, timer=timer)
        self._learned: TTLCache[Scope, LearnedWeights | None] = TTLCache(_OWNERS, WEIGHTS_STALE_S, timer=timer)
        self._changing: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()

    async def weights(self, scope: Scope, base: FloatVector) -> FloatVector:
        """Return the owner's weights in place of `base`: what was learned against it, or `base`.

        A state that is damaged counts as none, and is logged: a search does not depend on it. Raises StoreError.
        """
        learned = self._learned.get(scope, _UNREAD)
        if learned is _UNREAD:
            try:
                learned = await self._read_weights(scope)
            except DamagedState:
                log.warning("learning.weights_damaged")
                learned = None
            self._learned[scope] = learned
        return learned.current if learned is not None and learned.replaces(self._signals, base) else base

    def remember(self, scope: Scope, features: FloatMatrix, ids: Sequence[MemoryId]) -> str:
        """Keep a search for an hour and return the id under which it can be judged. About 20 us.

        features, ids: of its best candidates, best first; the first 64 are kept.
        """
        search_id = secrets.token_urlsafe(12)
        episode = Episode.of_search(search_id, features, ids, self._clock.now())
        self._recent[scope, search_id] = episode
        return search_id

    async def judge(self, scope: Scope, search_id: str, memory_id: MemoryId, *, useful: bool) -> None:
        """Take a judgement: stored when this returns. Three round trips.

        A search that was judged once can be judged again as long as it is among the latest 500.
        Raises UnknownSearch, NotFound (no such memory any more), InvalidInput (not among the search's candidates),
        DamagedState (call `forget`), StoreError.
        """
        recent = self._recent.get((scope, search_id))
        async with self._lock(scope):
            if not await self._documents.get_many([memory_id], scope=scope, now=self._clock.now()):
                raise NotFound(memory_id[:80])
            value = await self._read(scope, "experience")

            def judged() -> bytes:
                buffer = self._buffer(value)
                episode = buffer.find(search_id) or recent
                if episode is None:
                    raise UnknownSearch(search_id)
                buffer.put(episode.judged(memory_id, useful=useful))
                return buffer.encode()

            await self._write(scope, "experience", await in_thread(judged))

    async def tune(self, scope: Scope, base: FloatVector, *, seed: int = 0) -> TuningOutcome:
        """Try to find better weights for the owner; if they are kept they are in force when this returns.

        Up to a second of one core, in a thread. Raises DamagedState, StoreError.
        """
        async with self._lock(scope):
            value = await self._read(scope, "experience")
            learned = await self._learned_against(scope, base)

            def tuned() -> TuningOutcome:
                return tune(self._buffer(value).episodes, self._signals, learned.current, seed=seed)

            outcome = await in_thread(tuned)
            if outcome.kept:
                await self._put_weights(scope, learned.with_outcome(outcome, self._clock.now()))
        log.info("learning.tuned", extra={"reason": outcome.reason, "p_value": outcome.p_value})
        return outcome

    async def undo(self, scope: Scope, base: FloatVector) -> LearnedWeights:
        """Put back the weights of before the last tuning that was kept, and return what is in force.

        Raises InvalidInput when nothing was learned, DamagedState, StoreError.
        """
        async with self._lock(scope):
            learned = (await self._learned_against(scope, base)).undone()
            await self._put_weights(scope, learned)
        return learned

    async def forget(self, scope: Scope) -> Mapping[str, int]:
        """Forget all that was learned of the owner, and return how many states there were. Safe to repeat."""
        for key in [key for key in self._recent if key[0] == scope]:
            self._recent.pop(key, None)
        removed: dict[str, int] = {}
        kinds: tuple[Kind, ...] = ("experience", "weights")
        async with self._lock(scope):
            for kind in kinds:
                removed[kind] = int(await self._read(scope, kind) is not None)
                if removed[kind]:
                    await self._write(scope, kind, _NOTHING)
            self._learned.pop(scope, None)
        return removed

    async def _learned_against(self, scope: Scope, base: FloatVector) -> LearnedWeights:
        found = await self._read_weights(scope)
        if found is not None and found.replaces(self._signals, base):
            return found
        return LearnedWeights.none_yet(self._signals, base)

    async def _read_weights(self, scope: Scope) -> LearnedWeights | None:
        value = await self._read(scope, "weights")
        return None if value is None else LearnedWeights.decode(value)

    async def _put_weights(self, scope: Scope, learned: LearnedWeights) -> None:
        await self._write(scope, "weights", learned.encode())
        self._learned[scope] = learned

    async def _read(self, scope: Scope, kind: Kind) -> bytes | None:
        return await self._documents.get_meta(_key(scope, kind)) or None

    async def _write(self, scope: Scope, kind: Kind, value: bytes) -> None:
        await self._documents.put_meta(_key(scope, kind), value, replace=True)

    def _buffer(self, value: bytes | None) -> ExperienceBuffer:
        if value is None:
            return ExperienceBuffer(self._signals)
        buffer = ExperienceBuffer.decode(value, self._signals)
        if buffer.dropped:
            log.info("learning.experience_dropped", extra={"count": buffer.dropped})
        return buffer

    def _lock(self, scope: Scope) -> asyncio.Lock:
        lock = self._changing.get(scope)
        if lock is None:
            lock = self._changing[scope] = asyncio.Lock()
        return lock


def _key(scope: Scope, kind: Kind) -> str:
    """Return where an owner's state is stored: a digest, so that no name outlives its owner's erasure."""
    return f"{kind}:{blake2b(scope.owner.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
