"""The agent that looks up what is remembered: the engine's search, under a deadline."""

from typing import Final

from context0.agents.base import Turn
from context0.context.built import BuiltContext
from context0.context.recall import last_memory_ids, recalled
from context0.context.tokens import cut_end
from context0.memory.engine import MemoryEngine
from context0.memory.results import SearchResult

_QUERY_TOKENS: Final = 400
"""Of a message that is searched for: what is longer says at its head what it is about."""
_SEARCH_SHARE: Final = 0.9
"""Of the agent's time: what is left is for the search to tell what was late."""


class MemoryRetrieval:
    """Fills `Turn.found`. One search, or for a fix-up one read of the memories of the answer before; else nothing.

    An arm that is late is named in the result's `degraded`; a search that fails as a whole becomes the fallback.
    deadline_s bounds the search; the time that a tier allows is a goal, reported beside it: the first search of a
    process reads the owner's index, and an answer without memory is worse than one that comes a moment later.
    """

    def __init__(self, engine: MemoryEngine, *, deadline_s: float = 2.0) -> None:
        self._engine = engine
        self._deadline_s = deadline_s

    @property
    def name(self) -> str:
        return "memory_retrieval"

    @property
    def deadline_s(self) -> float:
        return self._deadline_s

    async def run(self, turn: Turn) -> Turn:
        """Return the turn with what was found. Nothing is looked up where the mode or the tier does not ask for it."""
        if not self._may_look(turn) or turn.tier is None or not turn.tier.memories:
            return turn
        found = await self._engine.search(
            cut_end(turn.query or turn.text, _QUERY_TOKENS),
            user_id=turn.scope.owner,
            limit=turn.tier.memories,
            reference_time=turn.asked_at,
            deadline_ms=self._deadline_s * 1000 * _SEARCH_SHARE,
        )
        return turn.evolve(found=found)

    async def recall(self, turn: Turn, built: BuiltContext) -> Turn:
        """Return the turn with the memories that the answer before was made of, for one who asks for it once more."""
        ids = last_memory_ids(built) if self._may_look(turn) else ()
        if not ids:
            return turn
        memories = await self._engine.get_many(ids, user_id=turn.scope.owner)
        return turn.evolve(found=SearchResult(items=recalled([one for one in memories if not one.quarantine])))

    def fallback(self, turn: Turn, reason: str) -> Turn:
        """Return the turn without memories; the reply names it, so that it does not look like an empty memory."""
        return turn.evolve(found=None).failed(self.name, reason)

    def _may_look(self, turn: Turn) -> bool:
        return turn.privacy is not None and turn.privacy.uses_memory
