"""What a streamed call costs beside the model's own time: the official client, and ours as a chat uses it.

    python load_tests/llm_client_benchmark.py [--rounds 3] [--json FILE|-]

A loopback server in a process of its own needs 300 ms to its first token and sends 20 tokens, one each 20 ms. Each
client asks it 15 times in a row, then 50 times at once, in turns, round after round. "added" is the time to the first
token beyond those 300 ms; CPU is that of this process, per stream. The official client runs as it comes but for
max_retries=0; ours is `build_llm("openai")` with all wrappers: deadlines, breaker, retries, fallback answer.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from openai import AsyncOpenAI, DefaultAioHttpClient

from context0.llm.options import LlmOptions
from context0.llm.protocol import Prompt, PromptMessage
from context0.llm.registry import build_llm

ROOT = Path(__file__).resolve().parents[1]
FIRST_TOKEN_MS = 300.0
SEQUENTIAL = 15
CONCURRENT = 50
MESSAGES = (
    PromptMessage(role="system", content="You answer with what memory holds. " * 40),
    PromptMessage(role="user", content="Which city am I in?"),
)
Ask = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Cost:
    """Of one client in one way of asking; milliseconds, medians over all calls. slowest: the slowest call's."""

    client: str
    at_once: int
    added_ms: float
    slowest_added_ms: float
    whole_ms: float
    cpu_ms: float


@contextmanager
def model_server():
    """Run the loopback model in its own process; yields its base URL."""
    command = [sys.executable, "-m", "tests.loopback_llm", "--first-token-ms", str(FIRST_TOKEN_MS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def official(client: AsyncOpenAI) -> Ask:
    messages = [{"role": message.role, "content": message.content} for message in MESSAGES]

    async def ask() -> float:
        started, first = time.perf_counter(), 0.0
        stream = await client.chat.completions.create(
            model="stub", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        async for event in stream:
            if not first and event.choices and event.choices[0].delta.content:
                first = time.perf_counter() - started
        return first

    return ask


def ours(llm) -> Ask:
    async def ask() -> float:
        started, first = time.perf_counter(), 0.0
        async for piece in llm.stream(Prompt(messages=MESSAGES)):
            if not first and piece.text:
                first = time.perf_counter() - started
        return first

    return ask


async def measure(ask: Ask, at_once: int, rounds: int) -> tuple[list[float], list[float], float]:
    """Return the times to the first token and of the whole, in ms, and the CPU ms per stream."""
    firsts, wholes = [], []

    async def one() -> None:
        started = time.perf_counter()
        firsts.append(await ask() * 1_000)
        wholes.append((time.perf_counter() - started) * 1_000)

    cpu = time.process_time()
    for _ in range(rounds):
        await asyncio.gather(*(one() for _ in range(at_once)))
    return firsts, wholes, (time.process_time() - cpu) * 1_000 / len(firsts)


async def compare(rounds: int) -> list[Cost]:
    with model_server() as url:
        llm = build_llm("openai", LlmOptions(base_url=url, model="stub"))
        async with (
            AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as plain,
            AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=DefaultAioHttpClient()) as aio,
        ):
            await llm.warm()
            clients = {"official": official(plain), "official, aiohttp": official(aio), "ours": ours(llm)}
            found: dict[tuple[str, int], list[tuple[list[float], list[float], float]]] = {}
            for ask in clients.values():
                await measure(ask, CONCURRENT, 1)
            for _ in range(rounds):
                for at_once, repeats in ((1, SEQUENTIAL), (CONCURRENT, 2)):
                    for name, ask in clients.items():
                        found.setdefault((name, at_once), []).append(await measure(ask, at_once, repeats))
        await llm.aclose()
    return [_cost(name, at_once, parts) for (name, at_once), parts in found.items()]


def _cost(client: str, at_once: int, parts: list[tuple[list[float], list[float], float]]) -> Cost:
    firsts = [first for part in parts for first in part[0]]
    return Cost(
        client=client,
        at_once=at_once,
        added_ms=round(statistics.median(firsts) - FIRST_TOKEN_MS, 2),
        slowest_added_ms=round(max(firsts) - FIRST_TOKEN_MS, 2),
        whole_ms=round(statistics.median(whole for part in parts for whole in part[1]), 1),
        cpu_ms=round(statistics.median(part[2] for part in parts), 2),
    )


def main() -> int:
    """Print a table to stderr, and JSON where it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="a file, or - for stdout")
    options = parser.parse_args()
    costs = asyncio.run(compare(options.rounds))
    print("client            at once  added ms  slowest  whole ms  CPU ms", file=sys.stderr)
    for cost in costs:
        print(
            f"{cost.client:18}{cost.at_once:7}{cost.added_ms:10.2f}{cost.slowest_added_ms:9.1f}"
            f"{cost.whole_ms:10.1f}{cost.cpu_ms:8.2f}",
            file=sys.stderr,
        )
    text = json.dumps([asdict(cost) for cost in costs])
    if options.json == "-":
        print(text)
    elif options.json:
        Path(options.json).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
