"""Payloads in every field of the service, over both stores: nothing but text comes of them. S4.

What is taken comes back as it was sent; what is refused is 4xx; nobody sees another's, and nobody's is changed.

python -m tests.faults.rows S4-sqlite --count 500
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson

from context0.llm.extractive import ExtractiveLLM
from tests.engine_bench import open_bench
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.security.isolation import settled
from tests.security.payloads import objects, texts
from tests.service_bench import open_service

CANARY: Final = "canary5d1f"
_MAY_BE_REFUSED: Final = frozenset({400, 404, 422})
_JSON: Final = {"content-type": "application/json"}


def on_sqlite(options: RowOptions) -> Outcome:
    return asyncio.run(_run("sqlite", options))


def on_mongodb(options: RowOptions) -> Outcome:
    return asyncio.run(_run("mongodb", options))


async def _run(backend: str, options: RowOptions) -> Outcome:
    payloads = [*texts(), *objects()]
    chosen = payloads[:: max(1, len(payloads) // options.count)]
    counts: Counter[str] = Counter({"bypasses": 0, "server errors": 0, "altered": 0, "payloads": len(chosen)})
    met: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_bench(backend, Path(folder)) as bench,
            open_service(bench.engine(), llm=ExtractiveLLM()) as service,
        ):
            victim, attacker = await service.client("victim"), await service.client("attacker")
            for client, said in ((victim, f"my secret word is {CANARY}"), (attacker, "my word is plain")):
                await client.post("/v1/memories", json={"content": said, "metadata": {"key": said}, "speaker": said})
            await victim.post("/v1/chat", json={"message": f"My secret is {CANARY}", "session_id": "hers"})
            await settled(service)
            before = await _everything(victim)
            for family, payload in chosen:
                counts[family] += 1
                await _Attack(attacker, counts, met).all_fields(payload)
            if await _everything(victim) != before:
                counts["bypasses"] += 1
                met.append("something of the victim's was changed")
    return Outcome.of(dict(counts), "bypasses", "server errors", "altered", broken=tuple(met[:5]))


async def _everything(client: httpx.AsyncClient) -> list[str]:
    return [(await client.get(path)).text for path in ("/v1/me/export", "/v1/sessions", "/v1/mode")]


class _Attack:
    """Sends one payload everywhere."""

    def __init__(self, client: httpx.AsyncClient, counts: Counter[str], met: list[str]) -> None:
        self._client = client
        self._counts = counts
        self._met = met

    async def all_fields(self, payload: Any) -> None:
        text = payload if isinstance(payload, str) else orjson.dumps(payload).decode()
        await self._stored({"content": payload, "metadata": {"key": payload}})
        await self._stored({"content": text, "metadata": payload if isinstance(payload, dict) else {payload: "x"}})
        await self._stored({"content": "plain", "speaker": payload, "session_id": payload, "tags": [payload]})
        for filters in self._filters(payload):
            found = await self._asked("POST", "/v1/memories/search", {"query": "word", "filters": filters})
            listed = await self._asked("GET", f"/v1/memories?filters={quote(orjson.dumps(filters).decode())}")
            if found.is_success != listed.is_success:
                self._break("bypasses", f"{filters} is searched but not listed, or the other way")
        await self._asked("POST", "/v1/memories/search", {"query": payload})
        await self._asked("POST", "/v1/memories/search", {"query": "word", "cursor": payload})
        await self._asked("POST", "/v1/chat", {"message": payload, "session_id": payload, "mode": "read_only"})
        await self._asked("PUT", "/v1/mode", {"mode": "redact", "session_id": payload})
        if not text.strip("."):
            return  # as a step of a path it is the client that takes it away
        for path in ("/v1/memories/{}", "/v1/sessions/{}", "/v1/sessions/{}/messages", "/v1/memories?cursor={}"):
            answer = await self._asked("GET", path.replace("{}", quote(text, safe="")))
            if answer.is_success and not path.startswith("/v1/memories?"):
                self._break("bypasses", f"GET {path} with {text!r} found something")

    def _filters(self, payload: Any) -> tuple[Any, ...]:
        if isinstance(payload, dict):
            return payload, {"speaker": payload}, {"metadata.key": payload}, {"OR": [payload]}
        return (
            {"speaker": payload},
            {payload: "x"},
            {f"metadata.{payload}": "x"},
            {"metadata.key": {"contains": payload}},
        )

    async def _stored(self, fields: Mapping[str, Any]) -> None:
        answer = await self._asked("POST", "/v1/memories", fields)
        if not answer.is_success:
            return
        self._counts["stored"] += 1
        held = (await self._asked("GET", f"/v1/memories/{answer.json()['id']}")).json()
        if any(held[name] != value for name, value in fields.items()):
            self._break("altered", f"{fields} came back as { {name: held[name] for name in fields} }")
        await self._asked("DELETE", f"/v1/memories/{answer.json()['id']}")

    async def _asked(self, method: str, path: str, body: Any = None) -> httpx.Response:
        content = None if body is None else orjson.dumps(body)
        answer = await self._client.request(method, path, content=content, headers=_JSON if content else None)
        self._counts["requests"] += 1
        told = f"{method} {path[:200]} {str(body)[:200]}: {answer.status_code} {answer.text[:200]}"
        if answer.status_code >= 500:
            self._break("server errors", told)
        elif not answer.is_success and answer.status_code not in _MAY_BE_REFUSED:
            self._break("bypasses", told)
        if CANARY in answer.text:
            self._break("bypasses", told)
        return answer

    def _break(self, count: str, told: str) -> None:
        self._counts[count] += 1
        self._met.append(f"{count}: {told}"[:500])
