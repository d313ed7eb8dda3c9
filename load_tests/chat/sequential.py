"""The baseline: agents one after another, each with a model call of its own and the context read anew."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chat.model import Model, Official
from chat.times import Took
from chat.users import Talk, Users, progress, settings, talks, turn
from context0 import ChatService, MemoryEngine
from context0.context.assemble import SYSTEM
from stores.records import Scope, SessionId

HISTORY: Final = 10
MEMORIES: Final = 8
BEFORE: Final[Mapping[str, str]] = {
    "privacy": "You check a message for personal data and secrets. Answer with what must not be stored.",
    "intent": "You say what the user wants: small talk, a question, a task or an analysis.",
    "retrieval": "You write the query with which the user's memories are searched.",
}
AFTER: Final[Mapping[str, str]] = {
    "memory extraction": "You write down what is worth remembering of the last message, one statement a line.",
    "analysis": "You tell topics, sentiment and open questions of the conversation, and summarise it.",
}


class SequentialAgents:
    """Privacy, intent, retrieval, conversation, memory extraction, analysis: six calls, the fourth one streamed.

    Each reads the session's last messages again. Beside that it does less than the chat: it keeps no messages, masks
    nothing and decides nothing; what its first agents answer is thrown away.
    """

    def __init__(self, engine: MemoryEngine, client: Official) -> None:
        self._engine = engine
        self._client = client

    async def turn(self, talk: Talk, message: str) -> Took:
        """Return what it took; whole: until the last agent has ended, as nothing runs beside the turn."""
        started, tokens = time.perf_counter(), 0
        for task in BEFORE.values():
            tokens += (await self._client.complete(await self._prompt(talk, task, message)))[1]
        found = await self._engine.search(message, user_id=talk.user, limit=MEMORIES)
        known = "\n".join(f"[{number}] {one.memory.content}" for number, one in enumerate(found.items, 1))
        prompt = await self._prompt(talk, SYSTEM, f"Remembered:\n{known}\n\n{message}")
        before_ms = 1_000 * (time.perf_counter() - started)
        answered = await self._client.stream(prompt)
        tokens += answered.prompt_tokens
        for task in AFTER.values():
            tokens += (await self._client.complete(await self._prompt(talk, task, message)))[1]
        await self._engine.add(message, user_id=talk.user, speaker="user", session_id=talk.session_id)
        whole_ms = 1_000 * (time.perf_counter() - started)
        return Took(first_ms=before_ms + answered.first_ms, whole_ms=whole_ms, prompt_tokens=tokens)

    async def _prompt(self, talk: Talk, task: str, message: str) -> list[dict[str, str]]:
        chats = await self._engine.chats()
        spoken = await chats.recent(SessionId(talk.session_id), scope=Scope(owner=talk.user), limit=HISTORY)
        history = [{"role": one.role, "content": one.content} for one in spoken]
        return [{"role": "system", "content": task}, *history, {"role": "user", "content": message}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The same messages, by turns. calls: of the model, a turn."""

    chat: list[Took]
    agents: list[Took]
    chat_calls: float
    agents_calls: float


async def beside(server: Model, some: Users, turns: int) -> Beside:
    """Let both take so many turns of the same session. The chat's work after its answers is waited for, not counted."""
    ours, theirs, calls = [], [], [0, 0]
    async with (
        MemoryEngine(settings(some.store, base_url=server.base_url)) as engine,
        Official(server.base_url) as official,
    ):
        (talk,), _ = await talks(engine, some, some.names[:1])
        agents = SequentialAgents(engine, official)
        async with ChatService(engine) as chat:
            await turn(chat, talk)
            await agents.turn(talk, talk.say())
            for number in range(turns):
                progress(f"agents one after another: turn {number + 1} of {turns}")
                message = next(some.told) if number % 2 else talk.say()
                before = server.calls()
                ours.append(await turn(chat, talk, message))
                between = server.calls()
                theirs.append(await agents.turn(talk, message))
                calls = [calls[0] + between - before, calls[1] + server.calls() - between]
    progress("")
    return Beside(chat=ours, agents=theirs, chat_calls=calls[0] / turns, agents_calls=calls[1] / turns)
