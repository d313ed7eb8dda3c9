"""What becomes of a turn: its answer, and what was remembered of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from context0.agents.base import Turn
from context0.context.built import MEMORIES_USED_KEY
from context0.llm.protocol import Chunk, Usage
from context0.memory.rules.facts import Extraction
from context0.wire import ReplyState
from stores.records import DecisionId, MemoryId, Message


@dataclass(slots=True)
class Answered:
    """What became of a turn. question, answer: the messages as they are kept; None where they are not."""

    turn: Turn
    state: ReplyState = "complete"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    fallback: str | None = None
    cited: tuple[str, ...] = ()
    question: Message | None = None
    answer: Message | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)

    def timed(self, stage: str, started: float) -> float:
        now = time.perf_counter()
        self.timings_ms[stage] = (now - started) * 1000
        return now

    def take(self, chunk: Chunk) -> None:
        """Take over what a piece of the answer tells beside its text."""
        self.usage = chunk.usage or self.usage
        self.model = chunk.model or self.model
        self.cited = chunk.cited or self.cited
        if chunk.fallback is not None:
            self.fallback, self.state = chunk.fallback, "fallback"

    def told(self) -> Mapping[str, object]:
        """Return what is kept beside the answer: numbers and names, never text."""
        found = self.turn.found
        told: dict[str, object] = {
            MEMORIES_USED_KEY: [] if found is None else [one.memory.id for one in found.items],
            "cited": list(self.cited),
            "model": self.model,
            "usage": {"prompt_tokens": self.usage.prompt_tokens, "completion_tokens": self.usage.completion_tokens},
        }
        if self.fallback is not None:
            told["fallback"] = self.fallback
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a turn left behind. extraction: how much reading it took. states_facts: whether rules read facts in it.

    decisions: contradictions that wait for the owner. quarantined: those of `memories` that are kept back. failures:
    what did not work, and why, by stable names: "model" (only the message itself was stored).
    """

    extraction: Extraction = "none"
    memories: tuple[MemoryId, ...] = ()
    states_facts: bool = False
    decisions: tuple[DecisionId, ...] = ()
    quarantined: tuple[MemoryId, ...] = ()
    usage: Usage = field(default_factory=Usage)
    failures: tuple[tuple[str, str], ...] = ()
