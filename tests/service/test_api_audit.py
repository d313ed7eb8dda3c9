"""The audit trail of the service: who did what, without a word of content; it outlives an erasure."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from context0.api.audit import AuditEvent, AuditTrail
from context0.api.auth import LocalDeveloper
from context0.api.opening import open_services
from context0.cli import main
from context0.llm.extractive import ExtractiveLLM
from context0.memory.engine import MemoryEngine
from context0.settings import Settings
from stores.audit import first_broken
from stores.lateness import digest_of
from stores.reference.audit import ReferenceAudit
from tests.contracts.builders import NOW
from tests.engine_bench import open_bench
from tests.service_bench import ServiceBench, open_service

KEY = bytes(range(32))


@pytest.fixture
async def audited(tmp_path: Path) -> AsyncIterator[tuple[ServiceBench, ReferenceAudit]]:
    store = ReferenceAudit()
    async with open_bench("sqlite", tmp_path) as bench:
        trail = AuditTrail(store, KEY, level="all")
        async with open_service(bench.engine(), llm=ExtractiveLLM(), audit=trail) as service:
            yield service, store
        await trail.aclose()


async def test_each_request_is_a_line_without_content(audited: tuple[ServiceBench, ReferenceAudit]) -> None:
    service, _ = audited
    anna = await service.client("anna")
    made = (await anna.post("/v1/memories", json={"content": "the canary4711"})).json()["id"]
    await anna.post("/v1/memories/search", json={"query": "canary4711"})
    await anna.get(f"/v1/memories/{made}")
    await anna.post("/v1/chat", json={"message": "canary4711?"})
    await anna.delete(f"/v1/memories/{made}", headers={"x-request-id": "mine"})
    assert (await anna.get("/v1/memories/unknown")).status_code == 404
    first = (await anna.get("/v1/me/audit", params={"limit": 4})).json()
    second = (await anna.get("/v1/me/audit", params={"cursor": first["next_cursor"]})).json()
    lines = [*first["items"], *second["items"]]
    told = {(line["action"], tuple(line["targets"]), line["outcome"]) for line in lines}
    assert {
        ("POST /v1/memories", (made,), "201"),
        ("POST /v1/memories/search", (), "200"),
        ("GET /v1/memories/{memory_id}", (made,), "200"),
        ("POST /v1/chat", (), "200"),
        ("DELETE /v1/memories/{memory_id}", (made,), "204"),
    } <= told
    assert {line["actor"].partition(":")[0] for line in lines} == {"key"}
    assert [line["request_id"] for line in lines if line["action"].startswith("DELETE")] == ["mine"]
    assert "canary4711" not in json.dumps(lines)
    assert (await (await service.client("ben")).get("/v1/me/audit")).json()["items"] == []


async def test_an_erasure_is_a_line_and_the_trail_stays_whole(audited: tuple[ServiceBench, ReferenceAudit]) -> None:
    service, store = audited
    anna = await service.client("anna")
    await anna.post("/v1/memories", json={"content": "x"})
    assert (await anna.delete("/v1/me")).json()["ok"]
    assert store.lines.keys() == {digest_of("anna")}, "by no name"
    last = store.lines[digest_of("anna")][2]
    assert (last.action, last.outcome) == ("DELETE /v1/me", "200")
    assert "anna" not in str(store.lines)
    assert await first_broken(store, digest_of("anna"), KEY) is None


async def test_a_service_without_a_trail_says_so(tmp_path: Path) -> None:
    async with open_bench("sqlite", tmp_path) as bench, open_service(bench.engine(), llm=ExtractiveLLM()) as service:
        answer = await (await service.client("anna")).get("/v1/me/audit")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "audit_off")


def test_a_trail_is_checked_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written by a service as the settings make it; a line that somebody took out of the file is named."""
    settings = Settings(data_dir=tmp_path, store_url=f"sqlite:///{tmp_path}/x.db", audit="writes")

    async def served() -> None:
        engine = MemoryEngine(settings)
        async with engine, open_services(settings, engine, LocalDeveloper()) as services:
            assert services.audit is not None
            for _ in range(3):
                await services.audit.write(AuditEvent(owner="anna", at=NOW, actor="dev", action="POST /v1/memories"))

    asyncio.run(served())
    store = ["--user", "anna", "--store", f"sqlite:///{tmp_path}/x.db"]
    assert main(["audit", "verify", *store]) == 0
    assert "whole: 3 lines" in capsys.readouterr().out
    assert main(["audit", "list", *store, "--json"]) == 0
    assert [line["seq"] for line in json.loads(capsys.readouterr().out)["items"]] == [3, 2, 1]
    connection = apsw.Connection(str(tmp_path / "x.db"))
    connection.execute("DELETE FROM audit_lines WHERE seq = 2")
    connection.close()
    assert main(["audit", "verify", *store]) == 1
    assert "line 2 of 3" in capsys.readouterr().out
