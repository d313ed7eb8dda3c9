"""Two strangers send the same requests, one with a victim's ids and one with ids that never were. S1, S2, B9.

Whatever they are told must be the same but for ids and times, nothing of the victim may be in it, and the victim's
world must stay as it was. Both start alike, so that what one request leaves behind cannot hide what the next tells.

python -m tests.faults.rows S1-sqlite --count 20000
"""

import asyncio
import json
import random
import re
import statistics
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import httpx

from context0.api.audit import AuditTrail
from context0.api.measuring import open_measuring
from context0.api.routes.metrics import METRICS_PATHS
from context0.llm.extractive import ExtractiveLLM
from context0.observability.measurements import Measurements
from context0.settings import Settings
from stores.records import DecisionId, Scope
from stores.reference.audit import ReferenceAudit
from tests.contracts.chat_bench import build_decision
from tests.engine_bench import FakeClock, open_bench
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.security.positions import QUESTION, Operation, Position, erases, operations_of, put, request_of
from tests.service_bench import ServiceBench, open_service

ODD: Final[Sequence[Any]] = (None, "", "null", [], ["{memory_id}"], "*", "%", {"$ne": 1}, {"$gt": ""}, {"": ""}, True)
"""What may stand where an id should."""
SPELT: Final[Sequence[str]] = ("{memory_id} ", "../{memory_id}", "{session_id}\0", "{memory_id},{session_id}")
VARY: Final = METRICS_PATHS | {"/healthz", "/readyz"}
"""What tells of the whole service changes from one request to the next."""
TEXTS: Final = frozenset({"message", "content", "query", "title", "text"})
"""What is read as language: another id would be another text there, and other things would come of it."""
WHOLE: Final = 1_000
"""From so many probes on, every position and route must have had one that tells something."""
NEVER_REACHED: Final = frozenset({("POST", "/v1/tasks/{memory_id}/retry")})
"""A sample request finds no work that failed."""
_MASKS: Final = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=ID,)[0-9a-f-]{1,35}"), "UUID"),
    (re.compile(r"2026-0[45]-\d\dT[0-9:.]+(\+00:00|Z)"), "TIME"),
    (re.compile(r"[A-Za-z0-9_-]{60,}"), "CURSOR"),
    (re.compile(r'\b\d+\.\d{6,}\b|(?<="index_bytes":)\d+'), "INDEX"),
    (re.compile(r"\b(chatcmpl-)?[0-9a-f]{16,}\b"), "HEX"),
    (re.compile(r'"timings_ms":\{[^}]*\}|\\?"(created|total_ms|first_token_ms|[a-z_]+_ms)\\?":[0-9.]+'), "TIMES"),
)
"""UUID: also one behind another, cut where a message is. INDEX: scores and bytes of an owner's index, which keeps its
dead rows, as many as searches met half-indexed memories. That no score tells of others has a test of its own:
`test_what_others_store_shows_in_no_score`."""
_MUTE: Final = frozenset({"date", "x-request-id", "content-length", "location", "context0-consistency"})


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A user's own. ids: by the names that positions use. secret: what nobody else may see.

    masks: what stands for names and ids when answers are compared.
    """

    user: str
    client: httpx.AsyncClient
    ids: Mapping[str, str]
    secret: str
    masks: Mapping[str, str]


@dataclass(slots=True)
class Found:
    """What the probes met."""

    counts: Counter[str] = field(default_factory=Counter)
    victims: int = 0
    broken: list[str] = field(default_factory=list)
    reached: set[tuple[str, str]] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    times_s: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def breaks(self, count: str, told: str) -> None:
        self.counts[count] += 1
        self.broken.append(f"{count}: {told}"[:600])


def on_sqlite(options: RowOptions) -> Outcome:
    return asyncio.run(_run("sqlite", options))


def on_mongodb(options: RowOptions) -> Outcome:
    return asyncio.run(_run("mongodb", options))


async def _run(backend: str, options: RowOptions) -> Outcome:
    found, source = Found(), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        async with opened(backend, Path(folder)) as service:
            operations = operations_of(service.app.openapi())
            while found.counts["probes"] < options.count:
                await _round(service, operations, found, source, options.count - found.counts["probes"])
    return _outcome(found, operations)


def _outcome(found: Found, operations: Sequence[Operation]) -> Outcome:
    routes = {(one.method, one.path) for one in operations}
    positions = {str(one) for operation in operations for one in operation.positions()}
    unreached = {one for one in routes - found.reached - NEVER_REACHED if one[0] != "DELETE"}
    broken = sorted(found.broken, key=lambda told: told.startswith("differences"))[:8]
    if unreached and found.counts["probes"] >= WHOLE:
        broken.append(f"no sample request is answered by {sorted(unreached)}: its probes tell nothing")
    if positions - found.seen and found.counts["probes"] >= WHOLE:
        broken.append(f"{len(positions - found.seen)} positions were not probed; probe more often")
    foreign, unknown = (round(statistics.median(times) * 1000, 2) for times in found.times_s)
    counts = {
        **{name: found.counts[name] for name in ("probes", "leaks", "differences", "changes", "server errors")},
        "routes": len(routes),
        "positions": len(found.seen),
        "victims": found.victims,
        "median ms, foreign id": foreign,
        "median ms, unknown id": unknown,
    }
    return Outcome(counts=counts, broken=tuple(broken))


@asynccontextmanager
async def opened(backend: str, folder: Path) -> AsyncIterator[ServiceBench]:
    """Yield a service with everything that can be asked of it: the metrics, and an audit trail."""
    async with open_bench(backend, folder) as bench:
        engine = bench.engine()
        async with (
            open_measuring(Settings(data_dir=folder), Measurements()) as measuring,
            open_service(
                engine,
                llm=ExtractiveLLM(),
                routers=measuring.routers,
                observe=measuring.observe,
                audit=AuditTrail(ReferenceAudit(), bytes(32)),
            ) as service,
        ):
            yield service


async def _round(
    service: ServiceBench, operations: Sequence[Operation], found: Found, source: random.Random, most: int
) -> None:
    """Let two new strangers loose on a new victim; operators, every other time."""
    found.victims += 1
    operator = found.victims % 2 == 1
    victim = await _made(service, "victim")
    twins = [await _made(service, "stranger", operator=operator) for _ in range(2)]
    before = await _everything(victim.client)
    theirs = {**victim.ids, "user": victim.user}
    unknown = {name: _never(name, value) for name, value in theirs.items()}
    masks = dict.fromkeys((*theirs.values(), *unknown.values()), "ID")
    twins = [replace(stranger, masks={**masks, **stranger.masks}) for stranger in twins]
    for position, value in _chosen(operations, source, most):
        found.counts["probes"] += 1
        found.seen.add(str(position))
        order = (0, 1) if source.random() < 0.5 else (1, 0)
        told: list[Any] = [None, None]
        for number in order:
            ids = (theirs, unknown)[number]
            told[number] = await _asked(twins[number], position, _named(value, ids), found.times_s[number])
            await settled(service)
        _judge(position, value, told, victim, found)
    for stranger in twins:
        await stranger.client.aclose()
    if await _everything(victim.client) != before:
        found.breaks("changes", f"something of {victim.user}'s is not as it was")
    await victim.client.aclose()


async def settled(service: ServiceBench) -> None:
    """Return when nothing runs behind an answer any more: what it leaves may show in the next one."""
    while running := set(service.services.chat._background):
        await asyncio.wait(running)


def _chosen(operations: Sequence[Operation], source: random.Random, most: int) -> list[tuple[Position, Any]]:
    """Return up to `most` positions with values: each position once at first; what erases is asked last."""
    first: list[tuple[Position, Any]] = []
    others: list[tuple[Position, Any]] = []
    for position in (one for operation in operations for one in operation.positions()):
        ids = () if position.key[-1] in TEXTS else (*(f"{{{name}}}" for name in _KINDS), *SPELT)
        values = [*ids, *(one for one in ODD if ids or one != ["{memory_id}"])]
        source.shuffle(values)
        best = _kind_for(position)
        values.sort(key=lambda value, best=best: value != best)
        first.append((position, values[0]))
        others += ((position, value) for value in values[1:])
    source.shuffle(first)
    source.shuffle(others)
    return sorted([*first, *others][:most], key=lambda one: erases(one[0].operation))


_KINDS: Final = (
    *("memory_id", "session_id", "turn_id", "decision_id", "message_id", "event_id", "key_id", "user"),
    *("memory_cursor", "session_cursor", "message_cursor", "search_cursor"),
)


def _kind_for(position: Position) -> str:
    """Return the id that belongs there."""
    name = str(position.key[0] if position.place != "body" else position.key[-1])
    if position.place in ("query", "body") and name == "cursor":
        by_path = {"/v1/sessions": "session", "/v1/memories/search": "search"}
        kind = "message" if position.operation.path.endswith("/messages") else "memory"
        return f"{{{by_path.get(position.operation.path, kind)}_cursor}}"
    known = {"last-event-id": "event_id", "x-context0-session": "session_id", "filters": "session_id"}
    name = known.get(name, name)
    return f"{{{name if name in _KINDS else 'user' if 'user' in name or 'owner' in name else 'memory_id'}}}"


async def _made(service: ServiceBench, kind: str, *, operator: bool = False) -> World:
    """Make a user who has a little of everything; two of the same kind have the same."""
    user, secret = f"{kind}-{uuid.uuid4().hex[:12]}", f"canary{uuid.uuid4().hex[:12]}"
    key = await service.key(user, operator=operator)
    clock = cast("FakeClock", service.services.engine.clock)

    async def tick(_: httpx.Response) -> None:
        clock.advance(milliseconds=1)  # so that lists by time have one order

    client = service.bare(headers={"authorization": f"Bearer {key}"}, event_hooks={"response": [tick]})
    told = secret if kind == "victim" else "pudding"
    memory = await client.post("/v1/memories", json={"content": f"my secret word is {told}", "idempotency_key": "x"})
    await client.post("/v1/memories", json={"content": f"another word is {told}", "metadata": {"key": told}})
    chats = [{"message": f"My secret word is {told}"}, {"message": f"I have a second word, {told}"}]
    first, _ = [await client.post("/v1/chat", json={**chat, "stream": True, "resumable": True}) for chat in chats]
    session = json.loads(first.text.split("data: ", 1)[1].split("\n", 1)[0].strip())
    await client.post("/v1/chat", json={**chats[1], "session_id": session["session_id"]})
    decision = replace(build_decision(uuid.uuid4().hex), reason="contradicts")
    decision = replace(decision, id=DecisionId(decision.id), new_id=memory.json()["id"], old_id=memory.json()["id"])
    await (await service.services.engine.chats()).put_decisions([decision], scope=Scope(owner=user))
    one, messages = {"limit": 1}, f"/v1/sessions/{session['session_id']}/messages"
    listed = await client.get(messages)
    cursors = {
        "memory_cursor": await client.get("/v1/memories", params=one),
        "session_cursor": await client.get("/v1/sessions", params=one),
        "message_cursor": await client.get(messages, params=one),
        "search_cursor": await client.post("/v1/memories/search", json={"query": QUESTION, "limit": 1}),
    }
    ids = {
        "memory_id": memory.json()["id"],
        "session_id": session["session_id"],
        "turn_id": session["turn_id"],
        "event_id": f"{session['turn_id']}:1",
        "decision_id": decision.id,
        "message_id": listed.json()["items"][0]["id"],
        "key_id": key.split("_")[1],
        **{name: answer.json()["next_cursor"] for name, answer in cursors.items()},
    }
    masks = {user: "ME", **dict.fromkeys(ids.values(), "OWN")}
    return World(user=user, client=client, ids=ids, secret=secret, masks=masks)


async def _everything(client: httpx.AsyncClient) -> Sequence[str]:
    """Return all that a user can see of their own."""
    return [(await client.get(path)).text for path in ("/v1/me/export", "/v1/mode", "/v1/decisions", "/v1/tasks")]


def _never(name: str, value: str) -> str:
    """Return what looks like this id and was never given out."""
    if name.endswith("_cursor"):
        middle = len(value) // 2
        return f"{value[:middle]}{'A' if value[middle] != 'A' else 'B'}{value[middle + 1 :]}"
    if name == "event_id":
        return f"{uuid.uuid4()}:1"
    return str(uuid.uuid4()) if len(value) == 36 else uuid.uuid4().hex[: len(value)]


def _named(value: Any, ids: Mapping[str, str]) -> Any:
    match value:
        case str():
            for name, told in ids.items():
                value = value.replace(f"{{{name}}}", told)
            return value
        case list():
            return [_named(item, ids) for item in value]
    return value


async def _asked(world: World, position: Position, value: Any, times_s: list[float]) -> tuple[int, str, str, str]:
    """Return status, body and headers without what differs rightly, and all of it as it came."""
    path, options = request_of(position.operation, put(position, position.operation.wire(world.ids), value))
    began = time.perf_counter()
    answer = await world.client.request(position.operation.method, path, **options)
    times_s.append(time.perf_counter() - began)
    kept = sorted((name, told) for name, told in answer.headers.items() if name not in _MUTE)
    body, heads = (_masked(text, world.masks) for text in (answer.text, str(kept)))
    return answer.status_code, body, heads, f"{answer.headers}{answer.text}"


def _masked(text: str, masks: Mapping[str, str]) -> str:
    for told, name in sorted(masks.items(), key=lambda one: -len(one[0])):
        text = text.replace(told, name)
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def _parting(one: str, other: str) -> str:
    """Return where two texts part."""
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return "" if one == other else f"…{one[max(0, at - 80) : at + 80]}…\n…{other[max(0, at - 80) : at + 80]}…"


def _judge(position: Position, value: Any, told: Sequence[Any], victim: World, found: Found) -> None:
    (status, body, headers, raw), (other, same, alike, _) = told
    at = f"{position} = {value!r}: {status}, {other}"
    if max(status, other) >= 500:
        found.breaks("server errors", at)
    if victim.secret in raw:
        found.breaks("leaks", f"{at}: {raw[:300]}")
    varies = position.operation.path in VARY
    if status != other or (not varies and (body, headers) != (same, alike)):
        found.breaks("differences", f"{at}\n{_parting(body, same)}\n{_parting(headers, alike)}")
    if status in (200, 201, 204, 409) and other == status:
        found.reached.add((position.operation.method, position.operation.path))
