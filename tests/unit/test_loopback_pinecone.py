"""The stand-in refuses what the service refuses, so that tests against it prove something."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.loopback_pinecone import API_KEY, API_VERSION, LoopbackPinecone

HEADERS = {"api-key": API_KEY, "x-pinecone-api-version": API_VERSION}
EAST = [1.0, 0.0]
NORTH = [0.0, 1.0]


@pytest.fixture
async def wire() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        LoopbackPinecone(dimension=2) as server,
        httpx.AsyncClient(base_url=server.url, headers=HEADERS) as client,
    ):
        yield client


def records(number: int, **changes: Any) -> dict[str, Any]:
    return {"namespace": "n", "vectors": [{"id": f"r{place}", "values": EAST, **changes} for place in range(number)]}


def query(**changes: Any) -> dict[str, Any]:
    return {"namespace": "n", "topK": 10, "vector": EAST, **changes}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/vectors/upsert", records(1_000), 200),
        ("/vectors/upsert", records(1_001), 400),
        ("/vectors/upsert", records(0), 400),
        ("/vectors/upsert", records(60, metadata={"text": "x" * 40_000}), 413),
        ("/vectors/upsert", records(1, metadata={"text": "x" * 40_960}), 400),
        ("/vectors/upsert", records(1, metadata={"nested": {"no": 1}}), 400),
        ("/vectors/upsert", records(1, values=[1.0, 0.0, 0.0]), 400),
        ("/vectors/upsert", records(1, values=[0.0, 0.0]), 400),
        ("/vectors/upsert", records(1, id="é"), 400),
        ("/vectors/upsert", records(1, id="x" * 513), 400),
        ("/query", query(), 200),
        ("/query", query(topK=10_001), 400),
        ("/query", query(topK=0), 400),
        ("/query", query(vector=[1.0]), 400),
        ("/query", query(filter={"memory_id": {"$in": ["x"] * 10_001}}), 400),
        ("/query", query(filter={"memory_id": {"$like": "x"}}), 400),
        ("/vectors/delete", {"namespace": "unknown", "ids": ["a"]}, 404),
        ("/vectors/delete", {"namespace": "n", "ids": ["a"] * 1_001}, 400),
        ("/vectors/delete", {"namespace": "n", "ids": ["a"], "deleteAll": True}, 400),
        ("/describe_index_stats", {"filter": {"a": 1}}, 400),
        ("/vectors/unheard-of", {}, 404),
    ],
)
async def test_limits(wire: httpx.AsyncClient, path: str, body: dict[str, Any], status: int) -> None:
    answer = await wire.post(path, json=body)
    assert answer.status_code == status
    assert status == 200 or answer.json().keys() == {"code", "message", "details"}


async def test_a_wrong_key_and_a_wrong_version_are_refused(wire: httpx.AsyncClient) -> None:
    assert (await wire.post("/query", json=query(), headers={"api-key": "wrong"})).status_code == 401
    assert (await wire.post("/query", json=query(), headers={"x-pinecone-api-version": "2020-01"})).status_code == 400


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"kind": "a"}, {"r1"}),
        ({"kind": {"$eq": "b"}}, {"r2"}),
        ({"kind": {"$ne": "a"}}, {"r2", "r3"}),
        ({"kind": {"$in": ["a", "b", "z"]}}, {"r1", "r2"}),
        ({"kind": {"$nin": ["a"]}}, {"r2", "r3"}),
        ({"kind": {"$exists": False}}, {"r3"}),
        ({"size": {"$gte": 2, "$lt": 3}}, {"r2"}),
        ({"tags": {"$in": ["x"]}}, {"r1", "r3"}),
        ({"$or": [{"kind": "a"}, {"size": {"$gt": 2}}]}, {"r1", "r3"}),
        ({"$and": [{"tags": "x"}, {"size": {"$lte": 1}}]}, {"r1"}),
    ],
)
async def test_filters(wire: httpx.AsyncClient, where: dict[str, Any], found: set[str]) -> None:
    held: list[dict[str, Any]] = [
        {"kind": "a", "size": 1, "tags": ["x", "y"]},
        {"kind": "b", "size": 2, "tags": ["y"]},
        {"size": 3, "tags": ["x"]},
    ]
    vectors = [{"id": f"r{place}", "values": EAST, "metadata": each} for place, each in enumerate(held, start=1)]
    await wire.post("/vectors/upsert", json={"namespace": "n", "vectors": vectors})
    answer = (await wire.post("/query", json=query(filter=where))).json()
    assert {match["id"] for match in answer["matches"]} == found


async def test_deletes_by_id_by_filter_and_of_everything(wire: httpx.AsyncClient) -> None:
    async def left() -> int:
        answer = await wire.post("/describe_index_stats", json={})
        return int(answer.json()["totalVectorCount"])

    vectors = [{"id": f"r{place}", "values": NORTH, "metadata": {"place": place}} for place in range(5)]
    await wire.post("/vectors/upsert", json={"namespace": "n", "vectors": vectors})
    await wire.post("/vectors/delete", json={"namespace": "n", "ids": ["r0", "unknown"]})
    assert await left() == 4
    await wire.post("/vectors/delete", json={"namespace": "n", "filter": {"place": {"$gt": 2}}})
    assert await left() == 2
    await wire.post("/vectors/delete", json={"namespace": "n", "deleteAll": True})
    assert await left() == 0
    assert (await wire.get("/namespaces/n")).json() == {"name": "n", "record_count": "0"}
    assert (await wire.delete("/namespaces/n")).status_code == 200
    assert (await wire.get("/namespaces/n")).status_code == 404
