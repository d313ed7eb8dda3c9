"""What a request must not be: an error that says what to do, never a 500, nothing written. S4, S6, S7."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context0.api.body import decode
from context0.api.errors import Refused
from tests.engine_bench import open_bench
from tests.service_bench import ServiceBench, code_of, open_service

MAY = "2026-05-01T00:00:00Z"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with open_bench("sqlite", tmp_path) as bench, open_service(bench.engine()) as opened:
        yield opened


@pytest.fixture
async def anna(service: ServiceBench) -> httpx.AsyncClient:
    return await service.client("anna")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"3",
        b'{"content": NaN}',
        b'{"content": "x", "importance": Infinity}',
        b'{"content": "x", "importance": 1e999}',
        b'{"content": "x", "metadata": {"n": 1e999}}',
        b'{"content": "x", "metadata": {"n": ' + b"9" * 5_000 + b"}}",
        b'{"content": "x", "metadata": {"n": 99999999999999999999}}',
        b'{"content": "\\ud800"}',
        b'{"content": "x", "metadata": {"\\udfff": 1}}',
        b'{"content": "\xed\xa0\x80"}',
        b'{"content": "\xff"}',
        b'{"content": "a\\u0000b"}',
        b'{"content": "x", "content": "y"}',
        b'{"content": "x", "metadata": {"a": 1, "a": 2}}',
        b'\xef\xbb\xbf{"content": "x"}',
        b'{"content": "x"} trailing',
        b'{"content": "x", "metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"content": ["x"]}',
        b'{"content": 3}',
        b'{"content": null}',
        b'{"content": ""}',
        b'{"content": "  "}',
        b'{"content": "x", "importance": "0.5"}',
        b'{"content": "x", "importance": true}',
        b'{"content": "x", "importance": 1.5}',
        b'{"content": "x", "tags": "a"}',
        b'{"content": "x", "tags": [""]}',
        b'{"content": "x", "memory_type": "gossip"}',
        b'{"content": "x", "occurred_at": 5}',
        b'{"content": "x", "occurred_at": "5"}',
        b'{"content": "x", "occurred_at": "2026-05-01T00:00:00"}',
        b'{"content": "x", "occurred_at": "0001-01-01T00:00:00+23:59"}',
        b'{"content": "x", "metadata": {"$where": 1}}',
        b'{"content": "x", "metadata": {"a.b": 1}}',
        b'{"content": "x", "metadata": []}',
        b'{"content": "x", "unknown": 1}',
        b'{"content": "x", "user_id": {"$ne": 1}}',
        b'{"__proto__": {"content": "x"}}',
    ],
)
async def test_a_memory_that_is_off_is_refused_and_not_kept(anna: httpx.AsyncClient, body: bytes) -> None:
    refused = await anna.post("/v1/memories", content=body, headers=JSON)
    assert refused.status_code in (400, 422), refused.text
    assert code_of(refused) in ("invalid_json", "invalid_input")
    assert len(refused.text) < 1_000
    assert (await anna.get("/v1/memories")).json()["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/memories/batch", {"memories": []}),
        ("POST", "/v1/memories/batch", {"memories": [{"content": "x"}, {"content": ""}]}),
        ("POST", "/v1/memories/search", {"query": ""}),
        ("POST", "/v1/memories/search", {"query": "x", "limit": 0}),
        ("POST", "/v1/memories/search", {"query": "x", "limit": "5"}),
        ("POST", "/v1/memories/search", {"query": "x", "limit": 2.5}),
        ("POST", "/v1/memories/search", {"query": "x", "filters": {"$or": []}}),
        ("POST", "/v1/memories/search", {"query": "x", "filters": {"speaker": {"$regex": "(a+)+$"}}}),
        ("POST", "/v1/memories/search", {"query": "x", "filters": "speaker"}),
        ("POST", "/v1/memories/search", {"query": "x", "strategies": ["magic"]}),
        (
            "POST",
            "/v1/memories/search",
            {"query": "x", "since": MAY, "until": MAY},
        ),
        ("POST", "/v1/memories/search", {"query": "x" * 9_000}),
        ("PATCH", "/v1/memories/x", {"content": ""}),
        ("PATCH", "/v1/memories/x", {"id": "y"}),
        ("POST", "/v1/chat", {"message": ""}),
        ("POST", "/v1/chat", {"message": "x", "mode": "secret"}),
        ("POST", "/v1/chat", {"message": "x", "session_id": ["a"]}),
        ("POST", "/v1/chat", {"message": "x", "session_id": {"$ne": ""}}),
        ("POST", "/v1/chat", {"message": "x", "session_id": "*" * 300}),
        ("POST", "/v1/chat", {"message": "x", "stream": "yes"}),
        ("PUT", "/v1/mode", {}),
        ("PUT", "/v1/mode", {"mode": "secret"}),
        ("POST", "/v1/decisions/x", {"ruling": "burn"}),
        ("PATCH", "/v1/sessions/x", {"title": ""}),
    ],
)
async def test_a_value_that_is_off_is_named(anna: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    refused = await anna.request(method, path, json=body)
    assert refused.status_code == 422, refused.text
    assert code_of(refused) in ("invalid_input", "invalid_filter")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=many",
        "limit=1e3",
        "cursor=forged",
        "cursor=" + "x" * 3_000,
        "filters={",
        "filters=[]",
        "filters={%22speaker%22:%20{%22$ne%22:%201}}",
        "memory_type=gossip",
        "user_id[$ne]=x",
        "offset=3",
        "limit=%ED%A0%80",
        "cursor=%00",
    ],
)
async def test_a_parameter_that_is_off_is_named(anna: httpx.AsyncClient, query: str) -> None:
    refused = await anna.get(f"/v1/memories?{query}")
    assert refused.status_code in (400, 422), refused.text
    assert code_of(refused) in ("invalid_input", "invalid_filter", "invalid_cursor")


@pytest.mark.parametrize("memory_id", ["x", "%00", "%ED%A0%80", "x" * 5_000, "..%2f..%2fetc", "$ne", "*", "🧀", "'--"])
async def test_an_id_that_cannot_be_is_not_found(anna: httpx.AsyncClient, memory_id: str) -> None:
    for path in (f"/v1/memories/{memory_id}", f"/v1/sessions/{memory_id}", f"/v1/chat/turns/{memory_id}"):
        answer = await anna.get(path)
        assert answer.status_code in (404, 422), answer.text
        assert code_of(answer) in ("not_found", "invalid_input", "unknown_route")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json; charset=utf-16"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "Application/JSON; charset=UTF-8"}, 201),
    ],
)
async def test_only_plain_json_is_taken(anna: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    body = b'{"content": "x"}'
    sent = gzip.compress(body) if "content-encoding" in headers else body
    assert (await anna.post("/v1/memories", content=sent, headers=headers)).status_code == status


async def test_text_of_any_kind_comes_back_as_it_was_sent(anna: httpx.AsyncClient) -> None:
    for text in ("🧀 Käse", "שלום\u202e", "👩‍👩‍👧‍👦", "a\r\nb\tc", "e\u0301", "\u2028\ufeff", "%00 $ne {'a': 1} --"):
        told = await anna.post("/v1/memories", json={"content": text, "metadata": {"k": text}})
        assert (told.json()["content"], told.json()["metadata"]["k"]) == (text, text)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    try:
        decode(body)
    except Refused as refused:
        assert (refused.status_code, refused.code) == (400, "invalid_json")
