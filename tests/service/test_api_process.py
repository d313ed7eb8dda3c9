"""`context0 serve` and `context0 keys` as a user runs them, and how the service ends under load. D4, S13."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from httpx_sse import EventSource

from tests.loopback_llm import Reply, loopback_llm
from tests.service_process import ServiceProcess, command, key_for, serving

STREAMS = 50
WITHIN_GRACE_S = 10


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        ((), {}, "nobody could use this service"),
        ((), {"jwt_secret": "short"}, "CONTEXT0_JWT_SECRET has fewer than 32 bytes"),
        ((), {"jwt_jwks_url": "https://example.com/keys.json"}, "CONTEXT0_JWT_AUDIENCE is not set"),
        (("--dev", "--host", "0.0.0.0"), {}, "only on 127.0.0.1, not on 0.0.0.0"),
        (("--dev", "--host", "example.com"), {}, "only on 127.0.0.1, not on example.com"),
        (("--dev", "--port", "-1"), {}, "CONTEXT0_PORT"),
        (("--dev",), {"store_url": "ftp://x"}, "no backend for 'ftp'"),
    ],
)
def test_a_service_that_nobody_could_use_or_everybody_could_does_not_start(
    tmp_path: Path, arguments: tuple[str, ...], settings: dict[str, str], told: str
) -> None:
    ended = command("serve", *arguments, folder=tmp_path, **settings)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    with serving("--dev", folder=tmp_path) as first:
        port = str(httpx.URL(first.url).port)
        second = command("serve", "--dev", "--port", port, folder=tmp_path)
    assert (second.returncode, second.stdout) == (1, "")
    assert "in use" in second.stderr


def test_dev_serves_one_user_on_this_machine_and_says_so(tmp_path: Path) -> None:
    with serving("--dev", folder=tmp_path) as service:
        assert "warning: --dev: no key is asked for" in (tmp_path / "stderr").read_text()
        told = httpx.post(f"{service.url}/v1/memories", json={"content": "hello"})
        assert (told.status_code, told.json()["user_id"]) == (201, "dev")
        foreign = httpx.get(f"{service.url}/v1/memories", headers={"host": "evil.example"})
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "not_local")
        service.signal(signal.SIGINT)
        assert service.ended() == 0


def test_keys_are_made_listed_and_revoked_while_the_service_runs(tmp_path: Path) -> None:
    key, other = key_for("anna", tmp_path), key_for("ben", tmp_path)
    with serving(folder=tmp_path, key_cache_s="0") as service:

        def status(told: str) -> int:
            return httpx.get(f"{service.url}/v1/memories", headers={"x-api-key": told}).status_code

        assert (status(key), status(other), status("c0_a_b")) == (200, 200, 401)
        later = key_for("carla", tmp_path)
        assert status(later) == 200
        listed = orjson.loads(command("keys", "list", "--json", folder=tmp_path).stdout)["items"]
        assert sorted(one["user"] for one in listed) == ["anna", "ben", "carla"]
        assert key.split("_", 2)[2] not in command("keys", "list", folder=tmp_path).stdout
        assert command("keys", "revoke", "--user", "anna", folder=tmp_path).stdout == "1 revoked\n"
        assert command("keys", "revoke", later, folder=tmp_path).stdout == "1 revoked\n"
        assert (status(key), status(other), status(later)) == (401, 200, 401)
    for wrong in (("revoke",), ("revoke", "unknown"), ("revoke", key, "--user", "anna"), ("create", "--user", " ")):
        refused = command("keys", *wrong, folder=tmp_path)
        assert (refused.returncode, refused.stdout) == (2, ""), refused


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_twice_under_open_streams_it_ends_in_time_and_loses_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    key = key_for("anna", tmp_path)
    async with loopback_llm(Reply(tokens=("one ", "two "), then="hang")) as model:
        settings = {"llm_provider": "openai", "llm_base_url": model.base_url, "llm_model": "stub", "llm_api_key": "x"}
        slow = {"llm_between_tokens_s": "600", "llm_deadline_s": "600", "llm_first_token_s": "600"}
        with serving(folder=tmp_path, **settings, **slow) as service:
            headers = {"x-api-key": key}
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=30, limits=limits) as client:
                written = await client.post("/v1/memories", json={"content": "the harp is mauve"})
                streams = [asyncio.create_task(_followed(client, number)) for number in range(STREAMS)]
                await model.until(lambda: model.under_way == STREAMS, within_s=20)
                service.signal(number)
                service.signal(number)
                code = await asyncio.to_thread(service.ended, WITHIN_GRACE_S)
                told = await asyncio.gather(*streams)
    assert code == 0
    assert [events[-1] for events in told] == ["shutdown"] * STREAMS
    assert model.cancelled == STREAMS
    with serving(folder=tmp_path) as service:
        async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
            kept = (await client.get("/v1/memories")).json()["items"]
            assert written.json()["id"] in [one["id"] for one in kept]
            sessions = (await client.get("/v1/sessions", params={"limit": 100})).json()["items"]
            assert len(sessions) == STREAMS
            for session in sessions:
                await _is_partial(client, session["id"])
    assert service.process.returncode is not None


async def _followed(client: httpx.AsyncClient, number: int) -> list[str]:
    """Return the types of all events of a turn, up to the end of its stream."""
    body = {"message": f"Where is stream {number}?", "stream": True}
    async with client.stream("POST", "/v1/chat", json=body) as response:
        return [event.event async for event in EventSource(response).aiter_sse()]


async def _is_partial(client: httpx.AsyncClient, session_id: str) -> None:
    messages: list[Any] = (await client.get(f"/v1/sessions/{session_id}/messages")).json()["items"]
    assert [(one["role"], one["state"]) for one in messages] == [("user", "complete"), ("assistant", "partial")]
    assert messages[1]["content"] == "one two "


def test_two_processes_know_the_same_keys_and_memories(tmp_path: Path) -> None:
    headers = {"x-api-key": key_for("anna", tmp_path)}

    def listed(service: ServiceProcess) -> list[str]:
        items = httpx.get(f"{service.url}/v1/memories", headers=headers).json()["items"]
        return [one["content"] for one in items]

    with serving(folder=tmp_path) as first, serving(folder=tmp_path) as second:
        httpx.post(f"{first.url}/v1/memories", headers=headers, json={"content": "hello"})
        assert (listed(first), listed(second)) == (["hello"], ["hello"])
