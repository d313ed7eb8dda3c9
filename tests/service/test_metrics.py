"""Everything is measured, and nothing of a user is told: engine, chat and service (B8, A12, E11, S14)."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from context0.api.app import create_app
from context0.api.auth import LocalDeveloper
from context0.api.measuring import open_measuring
from context0.api.opening import open_services
from context0.chat.service import ChatService
from context0.errors import Context0Error
from context0.memory.engine import MemoryEngine
from context0.observability.logs import structured_logs
from context0.observability.measurements import Measurements
from context0.observability.metrics import METRICS
from context0.settings import Settings
from stores.errors import StoreError
from tests.loopback_llm import Reply, loopback_llm, refusal

CANARY: Final = "zanzibarcanary"
KEY: Final = "sk-canarykey0123456789abcdef"
OWNER: Final = "dev"
SESSION_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


class Watched:
    """A service over a fresh store and a loopback model, its client, and all that it logs."""

    def __init__(
        self, client: httpx.AsyncClient, engine: MemoryEngine, log: io.StringIO, model: Any, chat: ChatService
    ) -> None:
        self.chat = chat
        self.client = client
        self.engine = engine
        self.log = log
        self.model = model

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, path, **options)

    async def snapshot(self) -> Any:
        return (await self.send("GET", "/api/performance/metrics")).json()

    async def page(self) -> str:
        return (await self.send("GET", "/metrics")).text


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with structured_logs(level="DEBUG", stream=stream):
        yield stream


@pytest.fixture
async def service(tmp_path: Path, log: io.StringIO) -> AsyncIterator[Watched]:
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(loopback_llm())
        settings = Settings(
            store_url=f"sqlite:///{tmp_path / 'c.db'}",
            data_dir=tmp_path,
            llm_provider="openai",
            llm_model="stub",
            llm_base_url=model.base_url,
            llm_api_key=KEY,  # type: ignore[arg-type]  # as pydantic reads it
            jwt_secret=f"{KEY}{KEY}",  # type: ignore[arg-type]
            sqlite_synchronous="NORMAL",
        )
        engine = await stack.enter_async_context(MemoryEngine(settings))
        measuring = await stack.enter_async_context(open_measuring(settings, engine.recorder))
        services = await stack.enter_async_context(
            open_services(settings, engine, LocalDeveloper(), observe=measuring.observe)
        )
        app = create_app(services, routers=measuring.routers)
        transport = httpx.ASGITransport(app=app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://localhost"))
        yield Watched(client, engine, log, model, services.chat)


async def use(service: Watched) -> None:
    """Do a little of everything, with a canary in all that a user says."""
    added = (await service.send("POST", "/v1/memories", json={"content": f"I moved to {CANARY} in May"})).json()
    await service.send("GET", f"/v1/memories/{added['id']}")
    await service.send("GET", f"/v1/memories/{CANARY}")
    await service.send("GET", f"/{CANARY}")
    await service.send("POST", "/v1/memories/search", json={"query": f"who moved to {CANARY}?"})
    await service.send("POST", "/v1/memories/search", json={"query": ["a", CANARY]})
    service.model.script(Reply(tokens=(CANARY, " it", " is")))
    await service.send("POST", "/v1/chat", json={"message": f"Where is {CANARY}? My key is {KEY}"})
    while service.chat._background:  # which asks the model too
        await asyncio.wait(set(service.chat._background))
    service.model.script(*[refusal(500, message=CANARY)] * 3)
    await service.send("POST", "/v1/chat", json={"message": f"And again {CANARY}"})
    headers = {"Accept": "text/event-stream"}
    await service.send("POST", "/v1/chat", json={"message": f"Once more {CANARY}"}, headers=headers)
    await service.send("GET", "/v1/memories", params={"limit": 5})


async def test_everything_that_was_done_is_in_the_json(service: Watched) -> None:
    await use(service)
    told = await service.snapshot()
    timings = told["timings"]
    assert {"POST /v1/memories", "POST /v1/memories/search", "POST /v1/chat", "GET none"} <= timings["endpoints"].keys()
    assert timings["endpoints"]["POST /v1/memories/search"]["since_start"]["count"] == 2
    assert {"add_many", "search", "get_many", "list"} <= timings["operations"].keys()
    assert {"semantic", "keyword", "entity"} <= timings["strategies"].keys()
    assert {"fuse", "fetch", "total"} <= timings["search_stages"].keys()
    assert {"privacy", "retrieval", "first_token", "persist", "total"} <= timings["chat_stages"].keys()
    agents = {"privacy_guardian", "memory_retrieval", "conversation", "memory_manager", "conversation_analyst"}
    assert agents <= timings["agents"].keys()
    assert timings["llm_calls"]["openai:stub conversation"]["since_start"]["count"] >= 3
    assert {"sqlite documents.insert", "sqlite documents.get_many", "sqlite chats.put_messages"} <= {
        name.replace("writing.", "documents.") for name in timings["store_commands"]
    }
    assert timings["embeddings"]
    assert {"owner_index", "contexts", "privacy_findings"} <= told["caches"].keys()
    figures = timings["operations"]["search"]["window"]
    assert figures.keys() >= {"count", "avg", "min", "max", "p50", "p95", "p99", "failures"}
    assert 0 < figures["min"] <= figures["p50"] <= figures["p95"] <= figures["p99"] <= figures["max"]
    assert {alert["name"]: alert["state"] for alert in told["alerts"]}["index_pending"] == "ok"
    assert len(told["alerts"]) == 7
    assert told["process"]["rss_bytes"] > 1 << 20
    assert told["versions"]["python"]
    assert told["open_streams"] == 0


async def test_a_failing_model_is_seen_in_failures_retries_and_outcomes(service: Watched) -> None:
    await use(service)
    told = await service.snapshot()
    assert told["timings"]["llm_calls"]["openai:stub conversation"]["since_start"]["failures"] == 1
    assert told["counters"]["context0_llm_retries"]["openai:stub"] >= 2, "and perhaps one to repair an extraction"
    assert told["counters"]["context0_llm_outcomes"]["openai:stub conversation fallback"] == 1
    assert told["gauges"]["context0_llm_breaker_open"] == {"openai:stub": 0.0}
    assert told["counters"]["context0_llm_tokens"]["openai:stub conversation completion"] > 0


async def test_the_page_is_what_prometheus_reads_and_says_the_same(service: Watched) -> None:
    await use(service)
    families = {family.name: family for family in text_string_to_metric_families(await service.page())}
    samples = {
        sample.labels["route"]: sample.value
        for sample in families["context0_request_seconds"].samples
        if sample.name.endswith("_count") and sample.labels["method"] == "POST"
    }
    assert samples["/v1/memories/search"] == 2
    assert {"context0_cache_hits", "context0_versions", "context0_tasks", "process_resident_memory_bytes"} <= {
        *families
    }
    for name, metric in METRICS.items():
        assert (f"{name}_seconds" if metric.kind == "timing" else name) in families, name
    for sample in families["context0_operation_seconds"].samples:
        assert sample.value >= 0


async def test_nothing_that_a_user_said_and_no_secret_is_told_anywhere(service: Watched) -> None:
    await use(service)
    with pytest.raises((Context0Error, StoreError)):
        await service.engine.search("x", user_id="dev", cursor=CANARY)
    places = {
        "log": service.log.getvalue(),
        "page": await service.page(),
        "json": json.dumps(await service.snapshot()),
        "sketches": (await service.send("GET", "/api/performance/metrics?sketches=true")).text,
    }
    assert all(json.loads(line)["event"] for line in places["log"].splitlines())
    assert "chat.turn" in places["log"]
    for name, text in places.items():
        for hidden in (CANARY, KEY, "canarykey", "moved to", "c.db"):
            assert hidden not in text, (name, hidden)
    for name in ("page", "json"):
        assert SESSION_ID.search(places[name]) is None, name
        assert f'"{OWNER}"' not in places[name], name


async def test_labels_stay_bounded_whatever_is_asked_for(service: Watched) -> None:
    for number in range(300):
        await service.send("GET", f"/v1/memories/{CANARY}-{number}")
        await service.send("GET", f"/{CANARY}/{number}")
        await service.send(f"M{number}", "/v1/memories")
    endpoints = (await service.snapshot())["timings"]["endpoints"]
    assert len(endpoints) <= 6, sorted(endpoints)
    assert endpoints["GET /v1/memories/{memory_id}"]["since_start"]["count"] == 300


async def test_with_metrics_off_nothing_is_kept_and_there_are_no_routes(tmp_path: Path) -> None:
    settings = Settings(store_url=f"sqlite:///{tmp_path / 'c.db'}", data_dir=tmp_path, metrics=False)
    async with MemoryEngine(settings) as engine, open_measuring(settings, engine.recorder) as measuring:
        await engine.add("quiet", user_id="anna")
        assert not isinstance(engine.recorder, Measurements)
        assert measuring.routers == ()
