"""How often the model is called in a turn: before the first token, until the answer is whole, and after it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chat.model import Model
from chat.users import Users, settings, talks, turn
from context0 import ChatService, MemoryEngine
from context0.memory.rules.facts import Extraction, decide_extraction
from context0.wire import ChatEvent, DoneEvent, TokenEvent

KINDS: Final[tuple[Extraction, ...]] = ("none", "simple", "full")
_LONGEST_LOOK: Final = 2_000


@dataclass(slots=True)
class Calls:
    """Of one turn. extraction: how much reading its message takes, by the rules."""

    extraction: Extraction
    to_first_token: int = 0
    to_done: int = 0
    in_all: int = 0


async def counted(server: Model, some: Users, turns: int) -> list[Calls]:
    """Take so many turns of each kind, one at a time, and count at the server."""
    found = []
    async with MemoryEngine(settings(some.store, base_url=server.base_url)) as engine:
        (talk,), _ = await talks(engine, some, some.names[:1])
        async with ChatService(engine) as chat:
            await turn(chat, talk)
            for kind in KINDS:
                messages = some.questions[talk.user] if kind == "none" else _of_kind(some.told, kind)
                for _, message in zip(range(turns), messages, strict=False):
                    before, calls = server.calls(), Calls(kind)

                    def seen(event: ChatEvent, calls: Calls = calls, before: int = before) -> None:
                        if isinstance(event, TokenEvent) and not calls.to_first_token:
                            calls.to_first_token = server.calls() - before
                        elif isinstance(event, DoneEvent):
                            calls.to_done = server.calls() - before

                    await turn(chat, talk, message, seen)
                    calls.in_all = await asyncio.to_thread(server.calls) - before
                    found.append(calls)
    return found


def _of_kind(told: Iterator[str], kind: Extraction) -> Iterator[str]:
    """Yield those statements that take so much reading."""
    return (text for text, _ in zip(told, range(_LONGEST_LOOK), strict=False) if decide_extraction(text) == kind)
