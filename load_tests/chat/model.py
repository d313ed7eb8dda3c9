"""The model that everybody talks with: a loopback server in a process of its own, and the official client of it."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from openai import AsyncOpenAI

from chat.times import Took

ROOT = Path(__file__).resolve().parents[2]
MODEL = "stub"
NOTHING_NOTED = '{"memories": []}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the model answers: milliseconds to its first token, tokens, milliseconds between two."""

    first_token_ms: float = 300.0
    tokens: int = 20
    interval_ms: float = 20.0

    @property
    def whole_ms(self) -> float:
        return self.first_token_ms + self.interval_ms * (self.tokens - 1)


@dataclass(frozen=True, slots=True)
class Model:
    """A running server."""

    base_url: str

    def calls(self) -> int:
        """Return how many completions it was asked for so far."""
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/stats", timeout=5) as response:
            calls: int = json.load(response)["calls"]
        return calls


@contextmanager
def model(pace: Pace) -> Iterator[Model]:
    """Run the server until the block ends."""
    command = [
        *(sys.executable, "-m", "tests.loopback_llm"),
        *("--first-token-ms", str(pace.first_token_ms), "--tokens", str(pace.tokens)),
        *("--interval-ms", str(pace.interval_ms), "--json-answer", NOTHING_NOTED),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Model(process.stdout.readline().strip())
        finally:
            process.terminate()


class Official:
    """The floor: the official client as it comes, but for `max_retries=0`, asked directly."""

    def __init__(self, base_url: str) -> None:
        self._client = AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def stream(self, messages: Sequence[Mapping[str, str]]) -> Took:
        """Ask once, streamed."""
        started, first = time.perf_counter(), 0.0
        tokens = 0
        stream = await self._client.chat.completions.create(**_request(messages), stream=True)
        async for event in stream:
            if event.usage is not None:
                tokens = event.usage.prompt_tokens
            if not first and event.choices and event.choices[0].delta.content:
                first = time.perf_counter() - started
        return Took(first_ms=1_000 * first, whole_ms=1_000 * (time.perf_counter() - started), prompt_tokens=tokens)

    async def complete(self, messages: Sequence[Mapping[str, str]]) -> tuple[str, int]:
        """Ask once, for the whole answer; return it and the prompt's tokens."""
        answer = await self._client.chat.completions.create(model=MODEL, messages=list(messages))  # type: ignore[misc]
        return answer.choices[0].message.content or "", answer.usage.prompt_tokens if answer.usage else 0


def _request(messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    return {"model": MODEL, "messages": list(messages), "stream_options": {"include_usage": True}}
