"""D8: how many calls reach a server that fails every one, for each that was asked of it.

A call is a store's, which ends with its first command, a batch of texts or a prompt; the parts are the product's own.
Before the outage come a quarter as many calls that are answered, so that the budgets of retries have saved something.
"""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from context0.embeddings.openai import OpenAIEmbedder
from context0.embeddings.options import EmbedderOptions
from context0.errors import Context0Error
from context0.llm.options import LlmOptions
from context0.llm.protocol import LLM, Prompt, PromptMessage
from context0.llm.registry import build_llm
from context0.runtime import build_parts
from context0.settings import Settings
from stores.errors import StoreError
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.records import IndexMark
from tests.contracts.builders import ANNA, NOW, build_document, named
from tests.contracts.chat_bench import begin
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.loopback_llm import loopback_llm
from tests.loopback_llm import refusal as no_answer
from tests.loopback_openai import loopback_openai, refusal
from tests.mongo_scripted import Behaviour, ScriptedMongoDB, hang_up, refuse, unconfirmed_by

MOST: Final = 1.2
_CALLERS: Final = 20
"""Of MongoDB each has a client of its own, all with one allowance: in one pool they would wait for each other."""
_NO_BREAKER: Final = 1_000_000
_PROMPT: Final = Prompt(messages=(PromptMessage(role="user", content="Where do I live?"),))
_COMMANDS: Final = ("insert", "find", "update", "aggregate", "findAndModify")
Call = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Outage:
    """A server that is well until `fail`. callers: what each asks in turn. reached: how many calls have come to it."""

    callers: list[list[Call]]
    reached: Callable[[], int]
    fail: Callable[[], None]


def run(options: RowOptions) -> Outcome:
    """count: calls in each outage."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder)))


async def _run(options: RowOptions, folder: Path) -> Outcome:
    outages = {
        "MongoDB hangs up": _mongodb(folder, hang_up),
        "MongoDB answers 11602": _mongodb(folder, refuse(11602)),
        "MongoDB leaves writes unconfirmed, 11602": _mongodb(folder, unconfirmed_by(11602), only_writes=True),
        "embeddings answer 500": _embeddings(),
        "model answers 500": _model(),
        "model answers 500, no breaker": _model(breaker_failures=_NO_BREAKER),
    }
    shares = await asyncio.gather(*(_share(outage, options.count) for outage in outages.values()))
    counts = dict(zip(outages, shares, strict=True))
    broken = tuple(f"{name}: {share:g} calls for one" for name, share in counts.items() if share > MOST)
    return Outcome(counts={"calls in each outage": options.count, **counts}, broken=broken)


async def _share(opening: AbstractAsyncContextManager[Outage], count: int) -> float:
    async with opening as outage:
        await _all(outage.callers, count // 4)
        before = outage.reached()
        outage.fail()
        await _all(outage.callers, count)
        return round((outage.reached() - before) / count, 3)


async def _all(callers: list[list[Call]], count: int) -> None:
    """Make so many calls, each caller one after the other; errors are what is to be expected."""
    numbers = iter(range(count))

    async def ask(calls: list[Call]) -> None:
        for _, call in zip(numbers, itertools.cycle(calls), strict=False):
            try:
                await call()
            except (StoreError, Context0Error):
                continue

    await asyncio.gather(*map(ask, callers))


@asynccontextmanager
async def _mongodb(folder: Path, fault: Behaviour, *, only_writes: bool = False) -> AsyncIterator[Outage]:
    server = ScriptedMongoDB()
    url = f"mongodb://{server.address}/db?replicaSet=rs"
    parts: Any = build_parts(Settings(store_url=url, data_dir=folder))
    allowed = replace(parts.documents._database.options, min_pool=0)
    clients = [MongoDatabase(url, options=allowed) for _ in range(_CALLERS)]

    def fail() -> None:
        server.script |= {name: [fault] * 100_000 for name in _COMMANDS}

    for client in clients:
        await client.open(server.address)
    try:
        asked = _writes if only_writes else _writes_and_reads
        yield Outage(list(map(asked, clients)), lambda: len(server.seen), fail)
    finally:
        for client in clients:
            await client.aclose(server.address)
        await asyncio.to_thread(server.server.stop)


def _writes(database: MongoDatabase) -> list[Call]:
    documents, chats = MongoDocuments(database), MongoChats(database)
    return [
        lambda: documents.put_many([build_document()], scope=ANNA, now=NOW),
        lambda: documents.mark([IndexMark(named(1), 1, "done")], scope=ANNA),
        lambda: begin(chats),
    ]


def _writes_and_reads(database: MongoDatabase) -> list[Call]:
    documents = MongoDocuments(database)
    return [
        *_writes(database),
        lambda: documents.get_many([named(1)], scope=ANNA, now=NOW),
        lambda: documents.list_page(scope=ANNA, limit=5, now=NOW),
    ]


@asynccontextmanager
async def _embeddings() -> AsyncIterator[Outage]:
    texts = (f"text {number}" for number in itertools.count())
    async with loopback_openai() as server:
        embedder = OpenAIEmbedder(EmbedderOptions(base_url=server.base_url, api_key="x", model="stub"))

        def fail() -> None:
            server.otherwise = refusal(500)

        yield Outage([[lambda: embedder.embed([next(texts)])]] * _CALLERS, lambda: len(server.requests), fail)
        await embedder.aclose()


@asynccontextmanager
async def _model(**options: Any) -> AsyncIterator[Outage]:
    async with loopback_llm() as server:
        model = build_llm("openai", LlmOptions(base_url=server.base_url, api_key="x", model="stub", **options))

        def fail() -> None:
            server.otherwise = no_answer(500)

        yield Outage([[lambda: _answer(model)]] * _CALLERS, lambda: server.calls, fail)
        await model.aclose()


async def _answer(model: LLM) -> None:
    async for _ in model.stream(_PROMPT):
        pass
