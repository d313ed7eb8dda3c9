"""The consistency header over HTTP: what is written is seen through another process of the same store. A4, S8."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import jwt
import pytest

from context0 import AsyncContext0Client
from context0.llm.extractive import ExtractiveLLM
from tests.engine_bench import contents, open_bench
from tests.service_bench import SECRET, ServiceBench, code_of, open_service

HEADER: Final = "context0-consistency"


def token_for(user: str) -> str:
    return jwt.encode({"sub": user, "aud": "context0", "exp": 4_000_000_000}, SECRET, algorithm="HS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Two services over one store; neither looks for the other's changes by itself within the test."""

    services: tuple[ServiceBench, ServiceBench]

    def http(self, number: int, user: str) -> httpx.AsyncClient:
        return self.services[number].bare(headers={"authorization": f"Bearer {token_for(user)}"})

    def client(self, user: str) -> AsyncContext0Client:
        return AsyncContext0Client([one.url for one in self.services], token_for(user), sticky=False)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(open_bench("sqlite", tmp_path))
        limits = {"owner_index_staleness_s": 3_600.0, "search_cache_bytes": 1 << 20, "list_cache_bytes": 1 << 20}
        services = [
            await stack.enter_async_context(open_service(bench.engine(**limits), llm=ExtractiveLLM())) for _ in range(2)
        ]
        yield Cluster(services=(services[0], services[1]))


async def found(http: httpx.AsyncClient, query: str, **headers: str) -> list[str]:
    told = await http.post("/v1/memories/search", json={"query": query}, headers=headers)
    told.raise_for_status()
    return [one["memory"]["content"] for one in told.json()["items"]]


async def test_an_answer_names_what_was_written_and_a_read_that_sends_it_sees_that(cluster: Cluster) -> None:
    async with cluster.http(0, "anna") as first, cluster.http(1, "anna") as second, cluster.http(1, "ben") as bens:
        assert HEADER not in (await first.get("/v1/memories")).headers
        await first.post("/v1/memories", json={"content": "tea is green"})
        assert await found(second, "harp") == ["tea is green"]  # it is in memory there from now on
        added = await first.post("/v1/memories", json={"content": "the harp is mauve"})
        token = added.headers[HEADER]
        assert "the harp is mauve" not in await found(second, "harp")
        assert (await found(second, "harp", **{HEADER: token}))[0] == "the harp is mauve"
        memory_id = added.json()["id"]
        gone = (await first.delete(f"/v1/memories/{memory_id}")).headers[HEADER]
        assert gone != token
        listed = await second.get("/v1/memories", headers={HEADER: gone})
        assert [one["content"] for one in listed.json()["items"]] == ["tea is green"]
        await bens.post("/v1/memories", json={"content": "mine"})
        for wrong in (gone, gone[:-1], "x", ""):
            refused = await bens.get("/v1/memories", headers={HEADER: wrong})
            assert (refused.status_code, code_of(refused)) == (400, "invalid_consistency_token")


async def test_a_client_that_goes_round_always_reads_its_own_writes(cluster: Cluster) -> None:
    async with cluster.client("anna") as client:
        for number in range(20):
            memory = await client.memories.add(f"note {number} about harps")
            assert memory.id in [one.memory.id for one in (await client.memories.search("harps", limit=50)).items]
            assert memory.id in [one.id for one in (await client.memories.list(limit=50)).items]
        await client.memories.delete(memory.id)
        for _ in range(2):
            assert memory.id not in [one.id for one in (await client.memories.list()).items]
    assert all(len(service.outcomes) > 20 for service in cluster.services)


async def test_a_mode_that_was_set_in_one_process_holds_for_the_next_turn_in_the_other(cluster: Cluster) -> None:
    """Privacy: off the record is off the record everywhere."""
    async with cluster.client("anna") as client:
        for _ in range(2):
            await client.chat.send("What do I like?")  # both know the mode
        await client.mode.set("off_record")
        for _ in range(2):
            await client.chat.send("I live in Munich.")
        await client.mode.set(None)
        assert [one.content async for one in client.memories.iterate()] == []
    engine = cluster.services[0].services.engine
    assert "I live in Munich." not in contents(await engine.list(user_id="anna"))
