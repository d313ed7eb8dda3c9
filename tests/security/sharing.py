"""Many owners on one engine, and caches that all of them share: nobody's answer goes to another. S3, S11.

python -m tests.faults.rows S3 --count 100000
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from context0.cache.keys import Field, digest, encoded
from context0.cache.sealing import Seal
from context0.cache.shared import SharedCache
from context0.embeddings.keys import VectorSource, cache_key, key_prefix
from context0.memory.engine import MemoryEngine
from stores.reference.cache import ReferenceCache
from tests.engine_bench import open_bench
from tests.faults.rows.outcome import Outcome, RowOptions

OWNERS: Final = 50
_PLANTS: Final = 20
"""One planted value for so many pairs of keys."""
_PIECES: Final = ("", "a", "b", "-", ":", "a-b", "ab", "\0", "a\0", "s", "n", "anna", "ben", "1", "1.0", "None", "🧀")


def owners(options: RowOptions) -> Outcome:
    """Let all owners work at the same time on an engine that has opened nothing yet."""
    return asyncio.run(_owners(options))


async def _owners(options: RowOptions) -> Outcome:
    counts: Counter[str] = Counter({"misrouted": 0, "operations": 0})
    met: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with open_bench("sqlite", Path(folder)) as bench, asyncio.TaskGroup() as group:
            engine = bench.engine()
            for number in range(OWNERS):
                own = _Owner(engine, f"owner {number}", random.Random(options.seed + number), counts, met)
                group.create_task(own.work(options.count // OWNERS))
    return Outcome.of({**counts, "owners": OWNERS}, "misrouted", broken=tuple(met[:5]))


class _Owner:
    """One user, who remembers which memories are theirs and reads what others wrote at the same moment."""

    def __init__(
        self, engine: MemoryEngine, user: str, source: random.Random, counts: Counter[str], met: list[str]
    ) -> None:
        self._engine = engine
        self._user = user
        self._source = source
        self._counts = counts
        self._met = met
        self._ids: list[str] = []

    async def work(self, operations: int) -> None:
        for number in range(operations):
            kind = self._source.choice(("add", "get", "list", "search", "update", "delete", "history", "search"))
            if not self._ids:
                kind = "add"
            self._counts["operations"] += 1
            self._counts[kind] += 1
            self._judge(kind, await getattr(self, f"_{kind}")(number))

    async def _add(self, number: int) -> Any:
        memory = await self._engine.add(f"note {number} of {self._user}: I live in Munich", user_id=self._user)
        self._ids.append(memory.id)
        return [memory]

    async def _get(self, _: int) -> Any:
        return [await self._engine.get(self._source.choice(self._ids), user_id=self._user)]

    async def _list(self, _: int) -> Any:
        return (await self._engine.list(user_id=self._user, limit=5)).items

    async def _search(self, number: int) -> Any:
        query = ("where do I live?", f"note {number % 3}", "Munich")[number % 3]
        return [one.memory for one in (await self._engine.search(query, user_id=self._user, limit=5)).items]

    async def _update(self, number: int) -> Any:
        chosen = self._source.choice(self._ids)
        return [await self._engine.update(chosen, user_id=self._user, content=f"changed {number} by {self._user}")]

    async def _delete(self, _: int) -> Any:
        await self._engine.delete(self._ids.pop(self._source.randrange(len(self._ids))), user_id=self._user)
        return []

    async def _history(self, _: int) -> Any:
        chosen = self._source.choice(self._ids)
        for entry in await self._engine.history(chosen, user_id=self._user):
            self._judge("history", [], texts=[entry.content])
        return []

    def _judge(self, kind: str, memories: Sequence[Any], texts: Sequence[str] = ()) -> None:
        said = [*texts, *(one.content for one in memories)]
        foreign = [one for one in memories if one.user_id != self._user or one.id not in self._ids]
        if foreign or not all(f"{text}:".partition(f"{self._user}:")[1] for text in said):
            self._counts["misrouted"] += 1
            self._met.append(f"{kind} of {self._user}: {said}"[:300])


def keys(options: RowOptions) -> Outcome:
    """Pair keys that differ in a little, and plant values in the shared cache."""
    source = random.Random(options.seed)
    counts: Counter[str] = Counter({"collisions": 0, "pairs": options.count})
    for number in range(options.count):
        one, other = _fields(source, number)
        if one != other and (encoded(*one) == encoded(*other) or digest(*one) == digest(*other)):
            counts["collisions"] += 1
        if number % 2:
            counts["collisions"] += _vectors_collide(source)
            counts["pairs"] += 1
    counts["planted"] = options.count // _PLANTS
    counts["wrong hits"] = asyncio.run(_wrong_hits(source, counts["planted"]))
    return Outcome.of(dict(counts), "collisions", "wrong hits")


def _fields(source: random.Random, number: int) -> tuple[list[Field], list[Field]]:
    """Return two lists of fields that look alike: cut elsewhere, joined, of other kinds, with one changed."""
    fields: list[Field] = source.choices(_PIECES, k=source.randrange(1, 7))
    other, place = list(fields), source.randrange(len(fields))
    match number % 5:
        case 0:
            text = "".join(map(str, fields))
            cuts = sorted({0, len(text), *(source.randrange(len(text) + 1) for _ in fields)})
            other = [text[start:end] for start, end in pairwise(cuts)]
        case 1:
            other = ["-".join(map(str, fields))]
        case 2:
            other[place] = str(fields[place]).encode()
        case 3:
            other[place] = source.choice((None, 1, 1.0, *_PIECES))
        case _:
            other.insert(place, source.choice(("", None)))
    return fields, other


def _vectors_collide(source: random.Random) -> bool:
    """Say whether two texts of two sources have one key, though they differ somewhere."""
    drawn = [
        (source.choice(_PIECES), source.choice(_PIECES), source.randrange(3), source.choice(_PIECES)) for _ in range(2)
    ]
    one, other = (
        cache_key(key_prefix(VectorSource(provider=provider, model=model, dimension=size)), text)
        for provider, model, size, text in drawn
    )
    return drawn[0] != drawn[1] and one == other


async def _wrong_hits(source: random.Random, count: int) -> int:
    """Plant what somebody with the cache, but without the key of the store, can: nothing of it is taken."""
    store, wrong = ReferenceCache(), 0
    shared, foreign = SharedCache(store), Seal(b"l" * 16)
    shared.arm(b"k" * 16)
    place_of = Seal(b"k" * 16).place  # where things lie may be guessed
    for number in range(count):
        name, other = digest("anna", number), digest("ben", number)
        hers, his = place_of(name), place_of(other)
        await shared.put_many([(name, b"hers")], ttl_s=60)
        held = store._held[hers][0]
        place = source.randrange(len(held))
        match number % 4:
            case 0:  # a genuine value of another one
                await store.put_many([(his, held)], ttl_s=60)
            case 1:
                flipped = bytes([*held[:place], held[place] ^ (1 << source.randrange(8)), *held[place + 1 :]])
                await store.put_many([(his, flipped), (hers, flipped)], ttl_s=60)
            case 2:
                await store.put_many(
                    [(his, foreign.close(other, b"his")), (hers, foreign.close(name, b"his"))], ttl_s=60
                )
            case _:
                await store.put_many([(his, held[:place]), (hers, held[:place])], ttl_s=60)
        mine, yours = await shared.get_many([name, other])
        wrong += yours is not None or mine not in (None, b"hers") or (number % 4 != 0 and mine is not None)
        await store.delete_many([hers, his])
    return wrong
