"""Texts that break encoders, stores and counters, over HTTP on both stores: refused alike, or back as they were. S7.

Half of them are bytes that JSON cannot be, or may not: lone surrogates, NUL, NaN, long numbers, keys twice.

python -m tests.faults.rows S7 --count 500
"""

import asyncio
import itertools
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from context0.llm.extractive import ExtractiveLLM
from tests.engine_bench import open_bench
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.service_bench import open_service

BACKENDS: Final = ("sqlite", "mongodb")
PIECES: Final = (
    *(
        "🧀",
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "שלום",
        "\u202eabc",
        "\u2066x\u2069",
        "\u200d",
        "\u200b",
        "\ufeff",
        "\u2028",
        "\ufffe",
        "\U0010ffff",
    ),
    *(
        "e\u0301",
        "\u0301\u0301\u0301",
        "ǅ",
        "İ",
        "ß",
        "ﬁ",
        "Å",
        "\x01",
        "\x1b[31m",
        "\x7f",
        "\x85",
        "\r\n",
        "\t",
        "'",
        '"',
        "\\",
    ),
    *("%00", "\\u0000", "\\ud800", "NaN", "null", "-0"),
    *("1e999", "٣", "寿司", "𝕏", "\U000e0041", "a\u0300\u0316", "z͑ͫ̓ͪ̂ͫ̽"),
)
RAW: Final = (
    *(
        '"\\ud800"',
        '"a\\udfff"',
        '"\\udc00\\ud800"',
        '"\\u0000"',
        '"a\\u0000b"',
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
    ),
    *(
        "9" * 5_000,
        "-" + "9" * 5_000,
        "0." + "1" * 5_000,
        "1e-999",
        "-0",
        "-0.0",
        "9223372036854775807",
        "9223372036854775808",
    ),
    *(
        '{"a": 1, "a": 2}',
        '{"": 1}',
        '{"\\ud800": 1}',
        '{"a\\u0000": 1}',
        '{"a": {"a": 1, "a": 1}}',
        "01",
        "+1",
        ".5",
        "1.",
        "tru",
    ),
    *(
        '"\\x41"',
        "'x'",
        '"\n"',
        '"\xff"',
        "[1,]",
        "[NaN]",
        '["\\ud800"]',
        '"\\ud83e\\uddc0"',
        "1e5",
        "1E400",
        "0e999",
        "[[]]",
    ),
)
"""As they stand in the body, in place of a value."""


def run(options: RowOptions) -> Outcome:
    return asyncio.run(_run(options))


async def _run(options: RowOptions) -> Outcome:
    counts: Counter[str] = Counter(dict.fromkeys(("server errors", "altered", "differences"), 0))
    met: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            clients = []
            for backend in BACKENDS:
                bench = await stack.enter_async_context(open_bench(backend, Path(folder)))
                service = await stack.enter_async_context(open_service(bench.engine(), llm=ExtractiveLLM()))
                clients.append(await service.client("anna"))
            for value in itertools.islice(_values(random.Random(options.seed)), options.count):
                counts["texts"] += 1
                for field in ("content", "metadata", "tags", "speaker"):
                    told = [await _stored(client, field, value, counts, met) for client in clients]
                    counts["taken" if told[0][0] < 400 else "refused"] += 1
                    if told[0] != told[1]:
                        counts["differences"] += 1
                        met.append(f"{field} = {value[:80]!r}: {told[0]!r:.200} or {told[1]!r:.200}")
    return Outcome.of(dict(counts), "server errors", "altered", "differences", broken=tuple(met[:5]))


def _values(source: random.Random) -> Iterator[str]:
    """Yield values as they stand in JSON: each once, then by chance, several together, and as escapes."""
    yield from (one for pair in itertools.zip_longest(RAW, map(_quoted, PIECES)) for one in pair if one is not None)
    while True:
        text = "".join(source.choices((*PIECES, "a", " "), k=source.randint(2, 12)))
        yield source.choice((_quoted(text), json.dumps(text), f"[{_quoted(text)}, {source.choice(RAW)}]"))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


async def _stored(
    client: httpx.AsyncClient, field: str, value: str, counts: Counter[str], met: list[str]
) -> tuple[int, Any]:
    """Store the value, read it back in every way, and return what was told of it, without ids and times."""
    inside = {"metadata": f'{{"key": {value}}}', "tags": f"[{value}]"}.get(field, value)
    body = (
        f'{{"{field}": {inside}{"" if field == "content" else ", " + _quoted("content") + ": " + _quoted(value[:99])}}}'
    )
    answer = await _asked(client, "POST", "/v1/memories", body, counts, met)
    if answer.is_error:
        return answer.status_code, {**answer.json()["error"], "request_id": ""}
    memory_id = answer.json()["id"]
    sent = orjson.loads(body)[field]
    listed = await _asked(client, "GET", "/v1/memories?limit=1", None, counts, met)
    read = await _asked(client, "GET", f"/v1/memories/{memory_id}", None, counts, met)
    is_listed = not answer.json()["quarantine"]  # what hides its direction or itself is kept back
    for held in (answer.json(), read.json(), *listed.json()["items"][:is_listed]):
        if not _is_same(held.get(field), sent):
            counts["altered"] += 1
            met.append(f"{field} = {value[:80]!r} came back as {held.get(field)!r:.80}")
    if field == "content":
        query = orjson.dumps({"query": sent}).decode()
        await _asked(client, "POST", "/v1/memories/search", query, counts, met)
    await _asked(client, "DELETE", f"/v1/memories/{memory_id}", None, counts, met)
    return answer.status_code, read.json()[field]


def _is_same(held: Any, sent: Any) -> bool:
    return bool(held == sent) and json.dumps(held, sort_keys=True) == json.dumps(sent, sort_keys=True)


async def _asked(
    client: httpx.AsyncClient, method: str, path: str, body: str | None, counts: Counter[str], met: list[str]
) -> httpx.Response:
    content = None if body is None else body.encode().replace("\xff".encode(), b"\xff")
    headers = {} if content is None else {"content-type": "application/json"}
    answer = await client.request(method, path, content=content, headers=headers)
    counts["requests"] += 1
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        counts["server errors"] += 1
        met.append(f"{method} {path} {body or '':.100}: {answer.status_code}")
    return answer
