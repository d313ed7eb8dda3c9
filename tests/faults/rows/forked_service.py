"""`context0 serve` forked from this process, which has imported it: a start costs half a second. For many kills."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import jwt

_SECRET: Final = "a secret of this row that is long enough"
SETTINGS: Final = {
    "jwt_secret": _SECRET,
    "jwt_audience": "context0",
    "llm_provider": "openai",
    "llm_model": "stub",
    "llm_api_key": "x",
    "chat_extraction": "rules",
    "chat_analysis": "rules",
    "chat_flush_changes": 1_000,
    "log_level": "ERROR",
}
_MOST_MESSAGES: Final = 200


_IMPORTED: Final = (
    "context0.cli",
    "context0.api.opening",
    "context0.api.measuring",
    "context0.chat.service",
    "context0.runtime",
    "context0.tasks.brokers",
)
"""What the service would import at its start, most of it."""


WORDS: Final = 10
"""Of an answer of the model."""


class Child(NamedTuple):
    process_id: int
    url: str


@contextlib.contextmanager
def model() -> Iterator[str]:
    """Run a model that speaks a word every 30 ms, and yield its base URL."""
    command = [sys.executable, "-m", "tests.loopback_llm", "--first-token-ms", "20", "--tokens", str(WORDS)]
    process = subprocess.Popen([*command, "--interval-ms", "30"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def import_service() -> None:
    """Import most of what the service imports at its start; before the first fork."""
    for name in _IMPORTED:
        import_module(name)


def start(environment: dict[str, str], log: Path) -> Child:
    """Fork a process that is `context0 serve --port 0`; return when it tells its address."""
    reading, writing = os.pipe()
    process_id = os.fork()
    if not process_id:
        try:
            os._exit(_serve(environment, log, writing))
        finally:
            os._exit(70)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        line = told.readline().decode()
    if not line.startswith("context0 serves http://"):
        os.waitpid(process_id, 0)
        raise AssertionError(log.read_text())
    return Child(process_id, line.split()[-1])


def _serve(environment: dict[str, str], log: Path, output: int) -> int:
    from context0.cli import main

    os.environ.clear()
    os.environ.update(environment)
    sys.stdout, sys.stderr = os.fdopen(output, "w"), log.open("a")
    return main(["serve", "--port", "0"])


def client_of(url: str, user: str, *, patience_s: float = 30.0) -> httpx.AsyncClient:
    token = jwt.encode({"sub": user, "aud": "context0", "exp": 4_000_000_000}, _SECRET, algorithm="HS256")
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(
        base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=patience_s, limits=limits
    )


async def thread_of(client: httpx.AsyncClient, session: str) -> list[Any]:
    """Return all messages of a session, ascending; none where the kill came before its first turn."""
    answer = await client.get(f"/v1/sessions/{session}/messages", params={"limit": _MOST_MESSAGES})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    page: dict[str, Any] = answer.raise_for_status().json()
    if page["next_cursor"] is not None:
        raise AssertionError(f"{session} has more than {_MOST_MESSAGES} messages")
    items: list[Any] = page["items"]
    return items
