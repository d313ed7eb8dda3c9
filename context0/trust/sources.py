"""Whom a memory is from, and how far that is trusted: pure."""

from typing import Final

from stores.records import Memory

OWNERS: Final = frozenset({"user", "human", "me", "i"})
MACHINES: Final = frozenset({"assistant", "ai", "bot", "system", "model", "agent", "tool"})
"""Speakers by role: the first are the memory's owner, the second a program."""
_TRUSTED: Final = 0.5


def is_own(memory: Memory) -> bool:
    """Tell whether the owner of the memory said it, and nobody and nothing in between."""
    speaker = (memory.speaker or "user").casefold()
    return speaker in OWNERS and memory.agent_id is None and memory.provenance.agent is None and is_trusted(memory)


def is_trusted(memory: Memory) -> bool:
    return memory.provenance.trust >= _TRUSTED


def is_by_program(memory: Memory) -> bool:
    """Tell whether a program wrote it, such as an agent, a tool, or a model that read what was said."""
    named = memory.agent_id is not None or memory.provenance.agent is not None
    return named or (memory.speaker or "").casefold() in MACHINES


def source_name(memory: Memory) -> str:
    """Return who wrote a memory: the program, or else the speaker."""
    return memory.agent_id or memory.provenance.agent or memory.speaker or "user"
