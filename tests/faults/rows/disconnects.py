"""D19: clients that close the connection in the middle of an answer.

The model's call is closed at once, what it said is kept once and marked as partial, and the service holds nothing of it
any more: no task, no descriptor. The conversation goes on afterwards.
"""

import asyncio
import json
import re
import socket
import struct
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx

from load_tests.service.pipelines import request_of
from tests.faults.rows.outcome import Outcome, RowOptions, quantile
from tests.faults.rows.service import client_of, level_usage
from tests.loopback_llm import LoopbackLLM, Reply, loopback_llm
from tests.served_process import served_beside

AT_ONCE: Final = 25
SPOKEN: Final = tuple(f"word{number} " for number in range(2_000))
CLOSED_S: Final = 1.0
_WHOLE: Final = "".join(SPOKEN)
_MOST_HEARD: Final = 12
_PATIENCE_S: Final = 20.0
_AGAIN_EVERY: Final = 10
_TOKEN: Final = re.compile(rb"event: token\ndata: (\{.*\})\n")
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A connection that was closed: what had been heard of which session by then, and when it was."""

    session: str
    heard: str
    closed_at_s: float


@dataclass(slots=True)
class Findings:
    """closed_s: how long after a connection's end the model's calls of all who left with it were closed."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    closed_s: list[float] = field(default_factory=list)


def disconnects(options: RowOptions) -> Outcome:
    """count: connections."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_disconnects(options, Path(folder)))


async def _disconnects(options: RowOptions, folder: Path) -> Outcome:
    found, random = Findings(), Random(options.seed)
    async with loopback_llm() as model, served_beside(folder, **settings_for(model)) as service:
        model.keep_requests = False
        model.otherwise = Reply(tokens=SPOKEN, first_token_s=0.02, interval_s=0.002)
        anna = await asyncio.to_thread(service.key, "anna")
        operator = await asyncio.to_thread(service.key, "operator", "--operator")
        async with client_of(service.url, anna) as client:
            await _leave_all(service.port, anna, model, ["warm"], random, Findings())
            before = await level_usage(service, operator)
            cuts: list[Cut] = []
            while len(cuts) < options.count:
                names = [f"talk {n}" for n in range(len(cuts), min(len(cuts) + AT_ONCE, options.count))]
                cuts += await _leave_all(service.port, anna, model, names, random, found)
            after = await level_usage(service, operator, before)
            for cut in cuts:
                await _check(client, cut, found)
            model.otherwise = Reply(tokens=("Yes", "."))
            for cut in cuts[::_AGAIN_EVERY]:
                await _go_on(client, cut, found)
    p99 = quantile(found.closed_s, 0.99)
    if p99 >= CLOSED_S:
        found.broken.append(f"the model's call closed after {p99:.2f} s")
    counts = {
        "disconnects": len(cuts),
        **found.counts,
        "left open": model.under_way,
        "model's call closed p50, s": round(quantile(found.closed_s, 0.5), 3),
        "model's call closed p99, s": round(p99, 3),
        "leaked tasks": max(0.0, after.tasks - before.tasks),
        "leaked descriptors": max(0.0, after.descriptors - before.descriptors),
        "RSS growth, MB": round(after.rss - before.rss, 1),
    }
    zero = ("left open", "leaked tasks", "leaked descriptors")
    return Outcome.of(counts, *zero, broken=tuple(found.broken[:20]))


def settings_for(model: LoopbackLLM, **more: object) -> dict[str, object]:
    """Return settings of a service that asks this model."""
    known: dict[str, object] = {
        "llm_provider": "openai",
        "llm_model": "stub",
        "llm_base_url": model.base_url,
        "llm_api_key": "x",
        "llm_between_tokens_s": 60,
        "llm_deadline_s": 120,
        "chat_extraction": "rules",
        "log_level": "ERROR",
    }
    return {**known, **more}


async def _leave_all(
    port: int, key: str, model: LoopbackLLM, sessions: list[str], random: Random, found: Findings
) -> list[Cut]:
    """Let clients ask together, and leave: each when it has heard enough, and not before the model was asked by all."""
    asked, gone = model.calls + len(sessions), model.cancelled + len(sessions)
    everybody_asked = asyncio.create_task(model.until(lambda: model.calls >= asked, within_s=_PATIENCE_S))
    leaving = [
        _leave(port, key, session, random.randrange(_MOST_HEARD), random.random() < 0.5, everybody_asked)
        for session in sessions
    ]
    cuts = await asyncio.gather(*leaving)
    try:
        await model.until(lambda: model.cancelled >= gone, within_s=_PATIENCE_S)
    except TimeoutError:
        found.broken.append(f"{gone - model.cancelled} calls of the model stay open")
    closed_at_s = time.monotonic()
    found.closed_s += [closed_at_s - cut.closed_at_s for cut in cuts]
    return cuts


async def _leave(port: int, key: str, session: str, tokens: int, resets: bool, asked: "asyncio.Task[None]") -> Cut:
    """Ask, hear so many tokens, and close the connection; by a reset if `resets`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"message": "Where do I live?", "session_id": session}).encode()
    writer.write(request_of("POST", "/v1/chat", key, body, "text/event-stream"))
    received = b""
    async with asyncio.timeout(_PATIENCE_S):
        while b"event: session" not in received or received.count(b"event: token\n") < tokens:
            fresh = await reader.read(1 << 16)
            if not fresh:
                raise ConnectionError(received[-200:].decode())
            received += fresh
    await asyncio.shield(asked)
    if resets:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
    heard = "".join(json.loads(told)["text"] for told in _TOKEN.findall(received))
    return Cut(session=session, heard=heard, closed_at_s=time.monotonic())


async def _check(client: httpx.AsyncClient, cut: Cut, found: Findings) -> None:
    """The question is there; what was heard is there, once and marked, and nothing that the model did not say."""
    messages = await _messages(client, cut)
    roles = [one["role"] for one in messages]
    answers = [one for one in messages if one["role"] == "assistant"]
    found.counts["partial answers kept"] += len(answers)
    is_right = roles in (["user", "assistant"], ["user"] if not cut.heard else ["user", "assistant"]) and all(
        one["state"] == "partial" and one["content"].startswith(cut.heard) and _WHOLE.startswith(one["content"])
        for one in answers
    )
    if not is_right:
        found.broken.append(f"{cut.session}: heard {len(cut.heard)} characters, kept {str(messages)[:300]}")


async def _go_on(client: httpx.AsyncClient, cut: Cut, found: Findings) -> None:
    before = len(await _messages(client, cut))
    answer = await client.post("/v1/chat", json={"message": "And now?", "session_id": cut.session})
    messages = await _messages(client, cut)
    found.counts["turns afterwards"] += 1
    if answer.status_code != httpx.codes.OK or len(messages) != before + 2 or messages[-1]["state"] != "complete":
        found.broken.append(f"{cut.session}: the next turn is {answer.status_code}, with {len(messages)} messages")


async def _messages(client: httpx.AsyncClient, cut: Cut) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"/v1/sessions/{cut.session}/messages")).json().get("items", [])
    return items
