"""Users of the service, for locust: streamed chats, searches, additions, lists; each user has an owner of its own.

    locust -f load_tests/chat_load_test.py --host http://127.0.0.1:8000 --headless -u 50 -r 25 -t 60s

Credentials: CONTEXT0_LOAD_SECRET is the service's JWT secret, of which each user makes a token of its own, or
CONTEXT0_LOAD_KEY is one API key for all. `python -m load_tests.service.run --users 500` starts a service, a language
model that answers after 300 ms, and this, and prints a table.

A chat counts two rows: "chat first token" until the first piece of the answer, "chat" until it is done. What the
service sheds with 503 and Retry-After, or 429, is no failure: it counts as "shed".
"""

import json
import os
import random
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from geventhttpclient.connectionpool import ConnectionPool
from locust import FastHttpUser, between, events, task

from load_tests.service.judging import judge
from load_tests.service.texts import question, statement

SECRET: Final = os.environ.get("CONTEXT0_LOAD_SECRET", "")
KEY: Final = os.environ.get("CONTEXT0_LOAD_KEY", "")
SHED: Final = (429, 503)
_MEMORIES: Final = 20
"""What each user has remembered before it begins."""


def _send_at_once(_: ConnectionPool, sock: Any) -> None:
    """Send small packets without waiting: head and body of a request are two, and the second would wait for the delayed
    acknowledgement of the first, 40 ms that are not the service's."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


ConnectionPool.after_connect = _send_at_once


class Talker(FastHttpUser):
    """One person with an assistant: mostly talks and searches, now and then adds or looks through memories."""

    wait_time = between(1.0, 3.0)
    connection_timeout = 30.0
    network_timeout = 60.0

    def on_start(self) -> None:
        self.random = random.Random()
        self.owner = f"load-{os.getpid()}-{id(self):x}"
        self.session_id: str | None = None
        self.headers = {"Authorization": f"Bearer {KEY or _token(self.owner)}"}
        memories = [{"content": statement(self.random), "speaker": "user"} for _ in range(_MEMORIES)]
        self._post("/v1/memories/batch", {"memories": memories}, "fill")

    @task(5)
    def chat(self) -> None:
        """Stream one turn."""
        said = question(self.random) if self.random.random() < 0.7 else statement(self.random)
        body: dict[str, Any] = {"message": said}
        if self.session_id is not None:
            body["session_id"] = self.session_id
        started = time.perf_counter()
        with self.client.post(
            "/v1/chat",
            json=body,
            headers={**self.headers, "Accept": "text/event-stream"},
            name="chat",
            stream=True,
            catch_response=True,
        ) as response:
            if response.status_code in SHED:
                self._shed(response)
                return
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return
            done = self._read(response, started)
            if done is None:
                response.failure("the stream ended without done")
            else:
                self.session_id = done.get("session_id") or self.session_id
                response.success()

    @task(3)
    def search(self) -> None:
        self._post("/v1/memories/search", {"query": question(self.random), "limit": 5}, "search")

    @task(1)
    def add(self) -> None:
        self._post("/v1/memories", {"content": statement(self.random), "speaker": "user"}, "add")

    @task(1)
    def list_memories(self) -> None:
        with self.client.get(
            "/v1/memories?limit=20", headers=self.headers, name="list", catch_response=True
        ) as response:
            self._judged(response)

    def _post(self, path: str, body: dict[str, Any], name: str) -> None:
        with self.client.post(path, json=body, headers=self.headers, name=name, catch_response=True) as response:
            self._judged(response)

    def _judged(self, response: Any) -> None:
        if response.status_code in SHED:
            self._shed(response)
        elif response.status_code >= 400 or response.status_code == 0:
            response.failure(f"status {response.status_code}")

    def _shed(self, response: Any) -> None:
        """Count a request that the service refused in order, and wait as it asks."""
        if not response.headers.get("Retry-After"):
            response.failure(f"status {response.status_code} without Retry-After")
            return
        response.success()
        events.request.fire(
            request_type="", name="shed", response_time=0, response_length=0, exception=None, context={}
        )

    def _read(self, response: Any, started: float) -> dict[str, Any] | None:
        """Read a stream to its done event; None when it ends before."""
        kind, is_first = "", True
        raw = response._response  # noqa: SLF001 - the client has no other way to read as it comes
        lines = iter(lambda: raw.readline(b"\n"), b"")
        for line in lines:
            text = line.decode()
            if text.startswith("event:"):
                kind = text[6:].strip()
            elif text.startswith("data:") and kind == "token" and is_first:
                is_first = False
                took = (time.perf_counter() - started) * 1000
                events.request.fire(
                    request_type="SSE", name="chat first token", response_time=took, response_length=0,
                    exception=None, context={},
                )  # fmt: skip
            elif text.startswith("data:") and kind == "done":
                done: dict[str, Any] = json.loads(text[5:])
                return done
        return None


def _token(owner: str) -> str:
    if not SECRET:
        raise SystemExit("set CONTEXT0_LOAD_SECRET to the service's JWT secret, or CONTEXT0_LOAD_KEY to an API key")
    claims = {"sub": owner, "exp": datetime.now(UTC) + timedelta(hours=2)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


@events.quitting.add_listener
def _end(environment: Any, **_: Any) -> None:
    """Exit with 1 when a threshold is missed: see `load_tests.service.judging`."""
    misses = judge(environment.stats)
    for miss in misses:
        print(f"miss: {miss}")
    environment.process_exit_code = 1 if misses else 0
