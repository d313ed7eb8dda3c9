"""Keys, passwords, prompts and memories with canaries in them, and failures provoked: no output holds one. S14.

A service whose model and embeddings refuse, with the key or the prompt in the refusal, is asked everything, well and
badly; commands are run with addresses that are wrong in many ways. Each thing that is told counts as one output.

python -m tests.faults.rows S14 --count 110
"""

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from context0.settings import Settings
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.loopback_llm import Reply, Request, loopback_llm, refusal
from tests.loopback_openai import Answer, loopback_openai
from tests.loopback_openai import Request as Texts
from tests.served_process import served_beside
from tests.service_process import command

KEYS: Final = ("llm_api_key", "embedding_api_key", "pinecone_api_key", "jwt_secret")
SECRETS: Final[Mapping[str, str]] = {name: f"zqcanary{name.replace('_', '')}" * 3 for name in KEYS}
PASSWORD: Final = "zqcanarypassword"
TEXT: Final = "zqcanarytext"
URLS: Final = (
    "{scheme}://u:{password}@127.0.0.1:1/x",
    "{scheme}://u:{password}/y@127.0.0.1:1/x",
    "{scheme}:u:{password}@127.0.0.1",
    "{scheme}//u:{password}@127.0.0.1",
    "u:{password}@127.0.0.1",
    "{scheme}://u:{password}@127.0.0.1:port/x",
    "{scheme}://127.0.0.1:1/x?password={password}&authSource={password}&w={password}",
    "{scheme}://u:{password}%zz@127.0.0.1:1/x",
    "{scheme}://u:{password}@y@127.0.0.1:1/x",
    "{scheme}://u:{password}@127.0.0.1:99999/x",
    "{scheme}://u:[{password}@127.0.0.1:1/x",
)
"""A password that is right but for the server, and ones that were not escaped, or stand where none belongs."""
SCHEMES: Final = (("store_url", "mongodb"), ("cache_url", "redis"), ("task_url", "redis"), ("task_url", "amqp"))
COMMANDS: Final = (("doctor", "--json"), ("list", "--user", "anna"), ("serve", "--port", "0"), ("doctor", "--verbose"))
_JSON: Final[dict[str, Any]] = {"content-type": "application/json"}
_END: Final = {"mongodb_timeout_ms": "100"}


@dataclass(slots=True)
class Search:
    """Looks through outputs. canaries: what must be in none."""

    counts: Counter[str] = field(default_factory=lambda: Counter({"hits": 0, "outputs": 0}))
    met: list[str] = field(default_factory=list)
    canaries: list[str] = field(default_factory=lambda: [*SECRETS.values(), PASSWORD])

    def look(self, kind: str, where: str, told: str, *more: str) -> None:
        """more: what must not be there either."""
        self.counts["outputs"] += 1
        self.counts[kind] += 1
        held = [canary for canary in (*self.canaries, *more) if canary in told]
        if held:
            self.counts["hits"] += 1
            at = told.find(held[0])
            self.met.append(f"{where}: …{told[max(0, at - 150) : at + 60]}…")


def run(options: RowOptions) -> Outcome:
    search = Search()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_service(search, Path(folder)))
    wrong = list(_wrong())
    for arguments, settings in wrong[:: -(-len(wrong) // options.count)]:
        with tempfile.TemporaryDirectory() as folder:
            done = command(*arguments, folder=Path(folder), **settings)
        search.look("outputs of commands", f"{arguments} {settings}", done.stdout + done.stderr, "Traceback")
    for _, settings in wrong:
        shown = Settings(_env_file=None, **{**SECRETS, **settings})  # type: ignore[call-arg, arg-type]  # as text
        search.look("settings shown", "repr(Settings)", f"{shown!r} {shown}")
    return Outcome.of(dict(search.counts), "hits", broken=tuple(search.met[:5]))


def _wrong() -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Yield commands and the settings that they cannot work with."""
    for url, (setting, scheme), arguments in itertools.product(URLS, SCHEMES, COMMANDS):
        if arguments[0] == "doctor" or setting == "store_url":
            yield arguments, {setting: url.format(scheme=scheme, password=PASSWORD), **_END}


async def _service(search: Search, folder: Path) -> None:
    async with loopback_llm(_telling_all()) as model, loopback_openai() as vectors:
        vectors.script(*[_echoing] * 1_000)
        settings: dict[str, object] = {
            **SECRETS,
            "jwt_audience": "context0",
            "llm_provider": "openai",
            "llm_model": "stub",
            "embedding_provider": "openai",
            "embedding_model": "stub",
            "log_level": "DEBUG",
            "audit": "all",
            "llm_base_url": model.base_url,
            "embedding_base_url": vectors.base_url,
            "slow_llm_ms": 0.001,
            "cache_url": f"redis://u:{PASSWORD}@127.0.0.1:1/0",
            "slow_operation_ms": 0.001,
            "llm_attempts": 1,
            "task_url": f"redis://u:{PASSWORD}@127.0.0.1:1/0",
            "llm_breaker_failures": 1_000,
        }
        async with served_beside(folder, **settings) as service:
            key = await asyncio.to_thread(service.key, "anna", "--operator")
            search.canaries.append(key.split("_", 2)[2])
            async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
                await _asked(client, key, search)
        for line in service.log.read_text().splitlines():
            search.look("lines of the log", "log", line, TEXT)
        search.counts["calls of the model"], search.counts["calls for vectors"] = model.calls, len(vectors.requests)


def _telling_all() -> Any:
    """Return a model that refuses in turn: with the key in its words, with the prompt, and with no JSON at all."""
    numbers = itertools.count()

    def answer(request: Request) -> Reply:
        told = f"{request.headers.get('authorization')} {request.body}"
        kinds = (
            refusal(401, message=told),
            refusal(500, message=told),
            Reply(body=told.encode()),
            refusal(400, message=told),
        )
        return kinds[next(numbers) % len(kinds)]

    return answer


def _echoing(request: Texts) -> Answer:
    told = f"{request.headers.get('authorization')} {request.body}"
    return Answer(told.encode(), status=(401, 400, 403)[len(told) % 3])


async def _asked(client: httpx.AsyncClient, key: str, search: Search) -> None:
    """Ask well and badly; what goes wrong is told without what was sent."""
    own: dict[str, Any] = {"authorization": f"Bearer {key}"}
    message = {"message": f"My secret is {TEXT}", "session_id": "talk"}
    completion: dict[str, Any] = {"model": "stub", "messages": [{"role": "user", "content": TEXT}]}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        *(("POST", "/v1/memories", {"json": {"content": f"{TEXT} {n}"}, "headers": own}) for n in range(3)),
        *(("POST", "/v1/memories/search", {"json": {"query": f"{TEXT} {n}"}, "headers": own}) for n in range(3)),
        *(("POST", "/v1/chat", {"json": message, "headers": own}) for _ in range(2)),
        ("POST", "/v1/chat", {"json": {**message, "stream": True}, "headers": own}),
        ("POST", "/v1/chat/completions", {"json": completion, "headers": own}),
        *(("GET", path, {"headers": own}) for path in ("/metrics", "/api/performance/metrics", "/healthz", "/readyz")),
        *(("GET", f"/v1/tasks{more}", {"headers": own}) for more in ("", f"?cursor={TEXT}", f"?limit={TEXT}")),
        *(("POST", "/v1/memories", {"content": body, "headers": own | _JSON}) for body in _bad_bodies()),
        ("GET", f"/v1/memories?filters={TEXT}", {"headers": own}),
        ("GET", f"/v1/memories?api_key={key}", {}),
        ("GET", "/v1/memories", {"headers": {"authorization": f"Bearer {key}x"}}),
        ("GET", "/v1/memories", {"headers": {"authorization": f"Basic {key}"}}),
        ("GET", "/v1/memories", {"headers": {"x-api-key": f"c0_x_{TEXT}"}}),
    ]
    for method, path, request in asked:
        answer = await client.request(method, path, **request)
        is_told = answer.is_error or path.startswith(("/metrics", "/api/", "/health", "/ready"))
        kind = "error bodies" if answer.is_error else "answers"
        search.look(kind, f"{method} {path}", f"{answer.headers}{answer.text}", *([TEXT] if is_told else []))


def _bad_bodies() -> Iterator[bytes]:
    yield f'{{"content": "{TEXT}"'.encode()
    yield f'{{"content": "{TEXT}", "importance": "{TEXT}"}}'.encode()
    yield f'{{"content": {{"{TEXT}": 1}}}}'.encode()
    yield f'{{"content": "{TEXT}\\ud800"}}'.encode()
    yield f'{{"content": "x", "tags": ["{TEXT}", 5]}}'.encode()
    yield f'{{"content": "x", "occurred_at": "{TEXT}"}}'.encode()
    yield f'{{"content": "x", "memory_type": "{TEXT}"}}'.encode()
    yield f'"{TEXT}"'.encode()
