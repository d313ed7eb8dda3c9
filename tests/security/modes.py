"""What is said off the record, read-only or masked stands nowhere afterwards, and goes to nobody but as agreed. S16.

A service of its own over SQLite or MongoDB's stand-in, with Redis, embeddings, and a model that repeats what it is
shown, and now and then refuses with it. Each session has a canary of its own. Off the record it may go to the model in
its own turn; read-only to the embeddings too; where personal data is masked it goes nowhere. Afterwards every file of
the service and of the stand-in, the dump of Redis, the log and all that the user can read are looked through.

python -m tests.faults.rows S16-sqlite --count 60
"""

import asyncio
import itertools
import json
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.faults.rows.outcome import Outcome, RowOptions
from tests.loopback_llm import Reply, Request, loopback_llm, refusal, saying
from tests.loopback_openai import Answer, good, loopback_openai
from tests.loopback_openai import Request as Texts
from tests.mongo_process import mongo_process
from tests.redis_server import redis_server
from tests.security.canaries import SETTINGS
from tests.security.forging import signed
from tests.security.traces import files_in, files_with, redis_with, standing, with_inflated
from tests.served_process import Served, served_beside

SQLITE: Final = "sqlite"
HOWS: Final = ("turn", "session", "user")
WAYS: Final = ("whole", "stream", "left", "keyed", "completion")
NORMAL: Final = "normal"
OPEN_TO_MODEL: Final = frozenset({NORMAL, "off_record", "read_only"})
OPEN_TO_EMBEDDINGS: Final = frozenset({NORMAL, "read_only"})
SAID: Final = (
    "I live in {0} and my mail is {0}@example.com",
    "Where is {0}?",
    "Summarise all that I said about {0}, please",
    "My password is {0}. Remember that I like {0} tea, and that my sister moved there in May",
    "try again",
)
MASKED: Final = (
    "I live in Graz and my mail is {0}@example.com",
    "Is {0}@example.com my mail? And is it right that my password is {0}?",
    "try again",
)
AFTERWARDS: Final = ("Where do I live?", "try again", "Summarise what I have told you", "yes", "And why there?")
READ: Final = ("/v1/memories?limit=100", "/v1/sessions", "/v1/decisions", "/v1/me/export", "/v1/me/audit", "/v1/tasks")
_AT_ONCE: Final = 4
_REFUSED_EVERY: Final = 9
_ZERO: Final = ("residues", "sent beyond what is agreed", "shown to the user", "replayed", "server errors")
_SETTINGS: Final[Mapping[str, object]] = {**SETTINGS, "chat_analysis": "model"}


@dataclass(slots=True, kw_only=True)
class Talk:
    """A session. is_open: its canary is being said just now."""

    mode: str
    how: str
    way: str
    canary: str
    client: httpx.AsyncClient
    session_id: str = ""
    is_open: bool = False


@dataclass(slots=True)
class Look:
    """What was met."""

    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(_ZERO, 0)))
    met: list[str] = field(default_factory=list)
    talks: dict[str, Talk] = field(default_factory=dict)

    def breaks(self, count: str, told: str) -> None:
        self.counts[count] += 1
        self.met.append(f"{count}: {told}"[:400])

    def sent(self, whom: str, body: str, open_to: frozenset[str]) -> None:
        """Look through what a server was sent: whose canary is there must be saying it, in a mode that lets it."""
        self.counts[f"sent to the {whom}"] += 1
        for talk in self.talks.values():
            if talk.canary in body.lower():
                self.counts[f"sent to the {whom} with a canary"] += 1
                if talk.mode != NORMAL and not (talk.is_open and talk.mode in open_to):
                    self.breaks("sent beyond what is agreed", f"to the {whom}: {talk.mode} by {talk.how}, {talk.way}")


def on_sqlite(options: RowOptions) -> Outcome:
    """count: sessions, each of the modes by turn, session and user, and each way to talk, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder), SQLITE))


def on_mongodb(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as place:
        folder, files = Path(place) / "service", Path(place) / "mongodb"
        folder.mkdir()
        files.mkdir()
        with mongo_process(files) as server:
            return asyncio.run(_run(options, folder, server.url("modes"), files))


async def _run(options: RowOptions, folder: Path, target: str, *others: Path) -> Outcome:
    look = Look()
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(loopback_llm(_repeating(look)))
        vectors = await stack.enter_async_context(loopback_openai())
        vectors.otherwise = _embedding(look)
        dumps = folder / "redis"
        dumps.mkdir()
        redis = stack.enter_context(redis_server(dumps, "--rdbcompression", "no", "--dbfilename", "dump.rdb"))
        data = folder / "data"
        data.mkdir()
        more: dict[str, object] = {
            "cache_url": redis.url,
            "llm_base_url": model.base_url,
            "embedding_base_url": vectors.base_url,
        }
        if target != SQLITE:
            more |= {"store_url": target, "mongodb_timeout_ms": 60_000}
        async with served_beside(data, **_SETTINGS, **more) as service:
            talks = [_talk(service, look, *kind) for kind in _kinds(options.count)]
            gate = asyncio.Semaphore(_AT_ONCE)
            await asyncio.gather(*(_held(gate, talk, look) for talk in talks))
            _scan(look, "while it runs", data, *others)
            for talk in _secret(look):
                if await redis_with(redis, dumps, talk.canary):
                    look.breaks("residues", f"Redis: {talk.mode} by {talk.how}, {talk.way}")
            for talk in talks:
                await talk.client.aclose()
        _scan(look, "when it has ended", data, *others)
    normal = [talk for talk in talks if talk.mode == NORMAL]
    seen = [talk for talk in normal if any(files_with(place, talk.canary) for place in (data, *others))]
    look.counts["normal sessions in files"] = len(seen)
    blind = () if len(seen) == len(normal) > 0 else ("what is said as normal is not seen: the scan is blind",)
    agreed = ("sent to the model with a canary", "sent to the embeddings with a canary")
    silent = tuple(f"{name}: none" for name in agreed if not look.counts[name])
    return Outcome.of(dict(look.counts), *_ZERO, broken=(*blind, *silent, *look.met[:5]))


def _kinds(count: int) -> Sequence[tuple[str, str, str]]:
    """Return mode, how and way of each session; every tenth is a normal one, which the scan must see."""
    modes = itertools.cycle(itertools.product(HOWS, ("off_record", "read_only", "redact")))
    ways = itertools.cycle(WAYS)
    secret = ((mode, how, next(ways)) for how, mode in modes)
    return [(NORMAL, "turn", "whole") if number % 10 == 0 else next(secret) for number in range(count)]


def _talk(service: Served, look: Look, mode: str, how: str, way: str) -> Talk:
    canary = f"zq{uuid.uuid4().hex[:12]}"
    token = signed(sub=f"user {len(look.talks)}", exp=time.time() + 7_200)
    client = httpx.AsyncClient(base_url=service.url, headers={"authorization": f"Bearer {token}"}, timeout=60)
    talk = look.talks[canary] = Talk(mode=mode, how=how, way=way, canary=canary, client=client)
    look.counts[f"sessions {mode}"] += 1
    return talk


def _repeating(look: Look) -> Any:
    """Return a model that repeats what it is shown, or refuses with it, and looks at it first."""
    numbers = itertools.count(1)

    def answer(request: Request) -> Reply:
        shown = " ".join(str(message.get("content")) for message in request.body.get("messages", []))
        look.sent("model", json.dumps(request.body), OPEN_TO_MODEL)
        if next(numbers) % _REFUSED_EVERY == 0:
            return refusal(500, message=shown)
        return saying("{}" if "response_format" in request.body else shown[-4_000:])

    return answer


def _embedding(look: Look) -> Callable[[Texts], Answer]:
    """Return embeddings that look at the texts first."""

    def answer(request: Texts) -> Answer:
        look.sent("embeddings", json.dumps(request.body), OPEN_TO_EMBEDDINGS)
        return good(request)

    return answer


async def _held(gate: asyncio.Semaphore, talk: Talk, look: Look) -> None:
    async with gate:
        await _talked(talk, look)


async def _talked(talk: Talk, look: Look) -> None:
    begun = await _ask(talk, look, "POST", "/v1/chat", json={"message": "I live in Munich"})
    talk.session_id = begun.json()["session_id"]
    named = {"session_id": talk.session_id} if talk.how == "session" else {}
    if talk.how != "turn":
        await _ask(talk, look, "PUT", "/v1/mode", json={"mode": talk.mode, **named})
    talk.is_open = True
    for number, text in enumerate(MASKED if talk.mode == "redact" else SAID):
        await _said(talk, look, text.format(talk.canary), number)
    talk.is_open = False
    if talk.how != "turn":
        await _ask(talk, look, "PUT", "/v1/mode", json={"mode": None, **named})
    if talk.mode == NORMAL:
        return
    for text in AFTERWARDS:
        body = {"message": text, "session_id": talk.session_id}
        await _shown(talk, look, await _ask(talk, look, "POST", "/v1/chat", json=body))
    for path in (*READ, f"/v1/sessions/{talk.session_id}/messages"):
        await _shown(talk, look, await _ask(talk, look, "GET", path))


async def _said(talk: Talk, look: Look, text: str, number: int) -> None:
    """Say something with the canary in the talk's own way."""
    mode = {"mode": talk.mode} if talk.how == "turn" else {}
    body: dict[str, Any] = {"message": text, "session_id": talk.session_id, **mode}
    look.counts["turns"] += 1
    if talk.way == "completion" and talk.how != "turn":
        asked = {"model": "stub", "messages": [{"role": "user", "content": text}], "stream": number % 2 == 0}
        headers = {"x-context0-session": talk.session_id}
        await _ask(talk, look, "POST", "/v1/chat/completions", json=asked, headers=headers)
    elif talk.way == "keyed":
        headers = {"idempotency-key": f"key-{number}"}
        for _ in range(2):
            again = await _ask(talk, look, "POST", "/v1/chat", json=body, headers=headers)
        if "idempotency-replayed" in again.headers and talk.mode != "redact":
            look.breaks("replayed", f"{talk.mode} by {talk.how}")
    elif talk.way == "left":
        sent = {**body, "stream": True, "resumable": number % 2 == 0}
        async with talk.client.stream("POST", "/v1/chat", json=sent) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: token"):
                    break
    else:
        await _ask(talk, look, "POST", "/v1/chat", json={**body, "stream": talk.way == "stream"})


async def _ask(talk: Talk, look: Look, method: str, path: str, **request: Any) -> httpx.Response:
    answer = await talk.client.request(method, path, **request)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR and answer.status_code != httpx.codes.BAD_GATEWAY:
        look.breaks("server errors", f"{method} {path}: {answer.status_code} {answer.text[:200]}")
    return answer


async def _shown(talk: Talk, look: Look, answer: httpx.Response) -> None:
    look.counts["answers looked through"] += 1
    if talk.canary in answer.text.lower():
        look.breaks("shown to the user", f"{talk.mode} by {talk.how}, {talk.way}: {answer.url.path}")


def _secret(look: Look) -> list[Talk]:
    return [talk for talk in look.talks.values() if talk.mode != NORMAL]


def _scan(look: Look, when: str, *folders: Path) -> None:
    """Look through all files; in the log not even what is said as normal may be."""
    for path in [path for folder in folders for path in files_in(folder)]:
        look.counts["files looked through"] += 1
        is_log = path.name == "service.log"
        octets = with_inflated(path.read_bytes())
        look.counts["bytes looked through"] += len(octets)
        for talk in look.talks.values() if is_log else _secret(look):
            if found := standing(octets, talk.canary):
                look.breaks("residues", f"{path.name} {when}: {talk.mode} by {talk.how}, {talk.way}: {found[:1]}")
