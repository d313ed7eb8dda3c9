"""What a fix-up uses in place of a search: the memories of the answer before, by their ids."""

from collections.abc import Sequence

from context0.context.built import MEMORIES_USED_KEY, BuiltContext
from context0.memory.results import FoundMemory
from stores.records import Memory, MemoryId


def last_memory_ids(built: BuiltContext) -> tuple[MemoryId, ...]:
    """Return the ids that the last answer in the history names in its metadata, best first; none without an answer."""
    if built.history is None:
        return ()
    for message in reversed(built.history.messages):
        if message.role == "assistant":
            used = message.metadata.get(MEMORIES_USED_KEY, ())
            return (
                tuple(MemoryId(one) for one in used if isinstance(one, str)) if isinstance(used, list | tuple) else ()
            )
    return ()


def recalled(memories: Sequence[Memory]) -> tuple[FoundMemory, ...]:
    """Return memories that were read by their ids as a search would: in their order, with scores that fall from 1."""
    return tuple(FoundMemory(memory=memory, score=1.0 / (1 + place), arms={}) for place, memory in enumerate(memories))
