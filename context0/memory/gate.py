"""The gate that every text passes on its way in: what reads like orders to an assistant is kept back, not lost."""

from context0.memory.writing import Draft
from context0.trust.detection import reasons
from context0.trust.floods import FloodGuard
from context0.trust.sources import is_own
from stores.records import Memory


class Gate:
    """Puts memories in quarantine before they are written. is_on: False lets everything pass."""

    def __init__(self, *, is_on: bool, floods: FloodGuard) -> None:
        self._is_on = is_on
        self._floods = floods

    def passed(self, draft: Draft) -> Draft:
        """Return a new memory's draft with the reasons for its quarantine, nearly always none."""
        if not self._is_on:
            return draft
        found = self._reasons(draft.memory)
        if self._floods.is_flood(draft.memory):
            found = (*found, "flood")
        return Draft(memory=draft.memory.evolve(quarantine=found), dedupe_key=draft.dedupe_key) if found else draft

    def changed(self, memory: Memory, before: Memory) -> Memory:
        """Return the next version of a memory, judged anew where it says something else: a release holds for a text."""
        if not self._is_on or memory.content == before.content:
            return memory
        return memory.evolve(quarantine=self._reasons(memory))

    def forget(self, owner: str) -> None:
        """Forget what was counted of an owner who is erased."""
        self._floods.forget(owner)

    def _reasons(self, memory: Memory) -> tuple[str, ...]:
        return tuple(reasons(memory.content, own=is_own(memory)))
