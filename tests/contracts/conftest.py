"""Gives each test of the contracts every backend that can be asked: `documents`, `graph`, `vectors`, `chats`.

`@pytest.mark.needs(Capability.X)` on a test takes it only to the backends that declare X.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stores.chat_protocol import ChatStore
from stores.protocols import DocumentStore
from tests.contracts.backends import (
    DOCUMENT_BACKENDS,
    VECTOR_BACKENDS,
    Backend,
    DocumentBench,
    VectorBench,
)
from tests.contracts.chat_bench import CHAT_BACKENDS, ChatBench

_TABLES: Mapping[str, Mapping[str, Backend[Any]]] = {
    "document_backend": DOCUMENT_BACKENDS,
    "vector_backend": VECTOR_BACKENDS,
    "chat_backend": CHAT_BACKENDS,
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*capabilities): only for the backends that declare them")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    needed = {capability for mark in metafunc.definition.iter_markers("needs") for capability in mark.args}
    for fixture, table in _TABLES.items():
        if fixture in metafunc.fixturenames:
            able = {name: backend for name, backend in table.items() if needed <= backend.capabilities}
            metafunc.parametrize(fixture, able.values(), ids=able.keys())


@pytest.fixture
async def bench(document_backend: Backend[DocumentBench], tmp_path: Path) -> AsyncIterator[DocumentBench]:
    async with document_backend.open(tmp_path) as opened:
        yield opened


@pytest.fixture
async def documents(bench: DocumentBench) -> DocumentStore:
    return bench.documents


@pytest.fixture
async def graph(bench: DocumentBench) -> DocumentBench:
    """The bench, for suites about its graph: what they put is in both stores."""
    return bench


@pytest.fixture
async def vectors(vector_backend: Backend[VectorBench], tmp_path: Path) -> AsyncIterator[VectorBench]:
    async with vector_backend.open(tmp_path) as opened:
        yield opened


@pytest.fixture
async def chat_bench(chat_backend: Backend[ChatBench], tmp_path: Path) -> AsyncIterator[ChatBench]:
    async with chat_backend.open(tmp_path) as opened:
        yield opened


@pytest.fixture
async def chats(chat_bench: ChatBench) -> ChatStore:
    return chat_bench.store
