"""What values of many kinds really take in a process of their own, beside what is told of them.

python -m tests.cache_growth        one JSON object: kind -> [bytes told, bytes by which the process grew]
"""

import gc
import json
import os
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel

from context0.cache.bounded import BoundedCache
from context0.cache.sizes import deep_bytes
from context0.memory.results import FoundMemory, SearchResult
from stores.records import Memory, MemoryId

ENOUGH: Final = 24 << 20


class Slotted:
    __slots__ = ("__hidden", "shown")

    def __init__(self, number: int) -> None:
        self.shown = f"shown {number}" * 20
        self.__hidden = f"hidden {number}" * 20


class Child(Slotted):
    __slots__ = ("more", "never_set")

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.more = [number * 1_000.5] * 3


class Plain:
    def __init__(self, number: int) -> None:
        self.text = f"text {number}" * 20
        self.items = {f"key {number} {at}": at * 1_000 for at in range(8)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    text: str
    items: tuple[str, ...]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Model(BaseModel):
    text: str
    parts: list[str]


def result(number: int) -> SearchResult:
    now = datetime(2026, 1, 1, 0, 0, number % 60, tzinfo=UTC)
    items = tuple(
        FoundMemory(
            memory=Memory(
                id=MemoryId(f"id-{number}-{at}-{'x' * 20}"),
                user_id=f"owner {number} {at}",
                content=f"What was said in {number} and {at}. " * 5,
                created_at=now,
                updated_at=now,
                tags=(f"tag {number}",),
                metadata={f"key {at}": f"value {number}"},
            ),
            score=number + at / 7,
            arms={"semantic": number / 3, "keyword": at / 7},
        )
        for at in range(10)
    )
    return SearchResult(items=items, timings_ms={"total": number / 7})


MAKERS: Final[dict[str, Callable[[int], Any]]] = {
    "texts": lambda number: [f"text {number} {at}" * 10 for at in range(20)],
    "texts beyond ASCII": lambda number: "žluťoučký kůň 日本 " * (number % 7 + 20),
    "bytes": lambda number: bytes(1_000 + number),
    "numbers": lambda number: [number * 1_000 + at + 0.5 for at in range(50)],
    "dictionaries": lambda number: {f"key {number} {at}": [at * 1_000, at / 7] for at in range(20)},
    "sets": lambda number: {number * 1_000 + at for at in range(50)},
    "deques": lambda number: deque(f"{number} {at}" for at in range(50)),
    "ordered": lambda number: OrderedDict((f"{number} {at}", at / 7) for at in range(20)),
    "slots": Child,
    "attributes": Plain,
    "dataclasses": lambda number: Record(text=f"{number}" * 50, items=tuple(f"{number} {at}" for at in range(9))),
    "pydantic": lambda number: Model(text=f"{number}" * 50, parts=[f"{number} {at}" for at in range(9)]),
    "arrays": lambda number: np.full(500, number, np.float32),
    "views": lambda number: np.full((10, 100), number, np.float32)[3:5],
    "arrays over bytes": lambda number: np.frombuffer(np.full(500, number, np.float32).tobytes(), np.float32),
    "arrays of objects": lambda number: np.array([f"{number} {at}" for at in range(50)], dtype=object),
    "search results": result,
}


CACHE_OF: Final = "a cache of "
KINDS: Final = (*MAKERS, *(CACHE_OF + kind for kind in ("texts", "dataclasses", "arrays", "search results")))


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(kind: str) -> tuple[int, int]:
    """Return the bytes told and the bytes grown; for a child process that ends afterwards."""
    cached = kind.startswith(CACHE_OF)
    make = MAKERS[kind.removeprefix(CACHE_OF)]
    numbers = range(1_000, 1_000 + ENOUGH // deep_bytes(make(1_000)))
    cache: BoundedCache[bytes, Any] = BoundedCache(max_bytes=1 << 30, ttl_s=600)
    before = resident()
    if cached:
        for number in numbers:
            cache.put(number.to_bytes(32, "big"), make(number))
        return cache.statistics().bytes, resident() - before
    values = [make(number) for number in numbers]
    grown = resident() - before
    return deep_bytes(values), grown


def main() -> None:
    told = {}
    for kind in KINDS:
        reading, writing = os.pipe()
        if not os.fork():  # each has a heap that nothing was freed in
            os.write(writing, json.dumps(measured(kind)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            told[kind] = json.loads(answer.read())
        os.wait()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
