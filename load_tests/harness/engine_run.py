"""What is measured of an engine and its chat, call by call: adds, searches, pages, turns, each new to every cache."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from context0.chat.service import ChatService
from context0.memory.engine import MemoryEngine
from context0.runtime import build_parts
from context0.settings import Settings
from harness.dataset import Turn, asks, conversations
from stores.records import Scope


@dataclass(slots=True, kw_only=True)
class Bench:
    """An engine over filled owners. Each call is of the next owner, and asks or says what was not before."""

    engine: MemoryEngine
    chat: ChatService
    owners: list[str]
    texts: list[str]
    questions: list[str]
    ids: list[str]
    _number: Any = field(default_factory=count)

    async def add(self) -> None:
        n = next(self._number)
        await self.engine.add(f"{self.texts[n % len(self.texts)]} ({n})", user_id=self._owner(n), speaker="Anna")

    async def add_hundred(self) -> None:
        n = next(self._number)
        given: list[Any] = [{"content": f"{text} (batch {n})", "speaker": "Anna"} for text in self.texts[:100]]
        await self.engine.add_many(given, user_id=self._owner(n))

    async def search(self, **options: Any) -> None:
        n = next(self._number)
        await self.engine.search(self._asked(n), user_id=self._owner(n), **options)

    async def search_vectors(self) -> None:
        await self.search(strategies=["semantic"])

    async def page(self) -> None:
        """Read the first page by a filter that lets all pass and is new each time, so that no cache answers."""
        n = next(self._number)
        await self.engine.list(user_id=self._owner(n), limit=20, filters={"importance": {"gte": n / 1e12}})

    async def get(self) -> None:
        n = next(self._number)
        await self.engine.get_many([self.ids[n % len(self.ids)]], user_id=self.owners[0])

    async def turn(self) -> None:
        n = next(self._number)
        await self.chat.send(self._asked(n), user_id=self._owner(n))

    def _owner(self, n: int) -> str:
        return self.owners[n % len(self.owners)]

    def _asked(self, n: int) -> str:
        return f"{self.questions[n % len(self.questions)]} ({n})"


@asynccontextmanager
async def filled(folder: Path, *, owners: int, memories: int, **settings: Any) -> AsyncIterator[Bench]:
    """Yield a bench with `memories` in all, every owner's index read, and the vectors' files of large ones written."""
    turns = conversations(owners=owners, turns_each=max(1, memories // owners), seed=5)
    told = Settings(store_url=f"sqlite:///{folder}/bench.db", data_dir=folder, _env_file=None, **settings)
    parts = build_parts(told)
    async with MemoryEngine(parts=parts) as engine, ChatService(engine) as chat:
        by_owner: dict[str, list[Turn]] = {}
        for turn in turns:
            by_owner.setdefault(turn.owner, []).append(turn)
        for owner, own in by_owner.items():
            await engine.ingest(
                [{"content": t.content, "speaker": t.speaker, "session_id": t.session_id} for t in own], user_id=owner
            )
            await parts.vectors.build(Scope(owner=owner))
            await engine.search("warm up", user_id=owner)
        names = list(by_owner)
        page = await engine.list(user_id=names[0], limit=1_000)
        questions = [ask.text for ask in asks(turns, count=min(50, len(turns)), seed=6)]
        yield Bench(
            engine=engine,
            chat=chat,
            owners=names,
            texts=[turn.content for turn in turns[:1_000]],
            questions=questions,
            ids=[memory.id for memory in page.items],
        )


async def timed(call: Callable[[], Awaitable[None]], sample: int) -> list[float]:
    """Return the milliseconds of each call, one after another; the first three are left out."""
    taken = []
    for n in range(sample + 3):
        started = time.perf_counter()
        await call()
        if n >= 3:
            taken.append((time.perf_counter() - started) * 1e3)
    return taken
