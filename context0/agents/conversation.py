"""The agent that answers: a prompt within the tier's tokens, one call of the model, streamed."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from context0.agents.base import Turn
from context0.context.assemble import assemble
from context0.context.built import BuiltContext, History, MemorySection
from context0.llm.protocol import LLM, Chunk, Prompt
from context0.memory.results import FoundMemory
from context0.privacy.masking import mask_text
from context0.trust.egress import inert

_LOOKED_UP: Final = ("memory_retrieval", "retrieval", "history", "profile")
"""What failures begin with that leave something remembered out of the prompt."""


class Conversation:
    """Makes the prompt and streams the answer. The model's own deadlines hold: see `context0.llm`."""

    def __init__(
        self, llm: LLM, *, max_tokens: int = 1_024, deadline_s: float = 60.0, inert_links: bool = True
    ) -> None:
        """inert_links: links that remembered text may have ordered are shown so that nothing follows them."""
        self._llm = llm
        self._inert_links = inert_links
        self._max_tokens = max_tokens
        self._deadline_s = deadline_s

    @property
    def name(self) -> str:
        return "conversation"

    @property
    def deadline_s(self) -> float:
        """For the whole answer, beyond the model's own."""
        return self._deadline_s

    def prompt(self, turn: Turn, built: BuiltContext | None) -> Prompt:
        """Return what the model is asked. In the mode `redact` what was kept unmasked earlier is masked too."""
        assert turn.tier is not None  # noqa: S101 - the coordinator has classified the turn
        memories = () if turn.found is None else turn.found.items
        if turn.mode == "redact":
            memories, built = _masked_memories(memories), _masked(built)
        missing = [part for part in turn.failures if part.startswith(_LOOKED_UP)]
        if turn.tier.memories and turn.privacy is not None and not turn.privacy.uses_memory:
            missing.append("mode")
        prompt = assemble(
            turn.text, tier=turn.tier, asked_at=turn.asked_at, built=built, memories=memories, missing=missing
        )
        return replace(prompt, max_tokens=self._max_tokens)

    def stream(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        """Yield the answer as it is made: one call. Closing the iterator closes the call. Raises LLMError."""
        stream = self._llm.stream(prompt)
        return inert(stream, prompt) if self._inert_links else stream


def _masked_memories(memories: Sequence[FoundMemory]) -> tuple[FoundMemory, ...]:
    return tuple(replace(one, memory=one.memory.evolve(content=mask_text(one.memory.content))) for one in memories)


def _masked(built: BuiltContext | None) -> BuiltContext | None:
    """Return the context masked: it may hold what was said before the mode was `redact`."""
    if built is None:
        return None
    history = built.history
    if history is not None:
        history = History(
            messages=tuple(replace(one, content=mask_text(one.content)) for one in history.messages),
            through=history.through,
        )
    session = built.session
    if session is not None:
        session = replace(session, summary=mask_text(session.summary))
    preferences, project = _masked_section(built.preferences), _masked_section(built.project)
    return replace(built, history=history, session=session, preferences=preferences, project=project)


def _masked_section(section: MemorySection | None) -> MemorySection | None:
    if section is None:
        return None
    return replace(section, memories=tuple(one.evolve(content=mask_text(one.content)) for one in section.memories))
