"""Gives each test of the engine every backend: `bench` is its storage, `engine` an engine on it.

A test that takes `searching` runs in both regimes of search. `@pytest.mark.durable` takes it only to the backends that
keep what they were told when the process ends.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from context0.memory.engine import MemoryEngine
from tests.chat_bench import Chat, ChatBench, open_chat_bench
from tests.engine_bench import BACKENDS, REGIMES, EngineBench, Faulty, open_bench

_DURABLE: Final = ("sqlite", "mongodb")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "durable: only for the backends that survive the end of a process")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        durable = metafunc.definition.get_closest_marker("durable") is not None
        metafunc.parametrize("backend", _DURABLE if durable else tuple(BACKENDS))
    if "regime" in metafunc.fixturenames:
        metafunc.parametrize("regime", REGIMES)


@pytest.fixture
async def bench(backend: str, tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench(backend, tmp_path) as opened:
        yield opened


@pytest.fixture
def engine(bench: EngineBench) -> MemoryEngine:
    return bench.engine()


@pytest.fixture
def searching(bench: EngineBench, regime: str) -> MemoryEngine:
    """An engine that searches by the owner's index, then one that searches by the stores' own."""
    return bench.engine(**REGIMES[regime])


@pytest.fixture
async def untouched(tmp_path: Path) -> AsyncIterator[MemoryEngine]:
    """An engine whose stores may not even be opened: what is refused before that is the same on every backend."""
    async with open_bench("reference", tmp_path) as bench:
        engine = bench.engine(documents=Faulty, learn_from_feedback=True)
        yield engine
        assert not engine._parts.documents.calls  # type: ignore[attr-defined]


@pytest.fixture
async def chats(backend: str, tmp_path: Path) -> AsyncIterator[ChatBench]:
    async with open_chat_bench(backend, tmp_path) as opened:
        yield opened


@pytest.fixture
def chat(chats: ChatBench) -> Chat:
    return chats.chat()
