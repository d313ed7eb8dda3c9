"""POST /v1/me/import: lines are taken as they arrive, once however often they are sent. A11, B4, S6, S12."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from context0 import AsyncContext0Client
from context0.api.body import BodyLimits
from context0.llm.extractive import ExtractiveLLM
from context0.memory.ingest import BATCH
from context0.memory.transfer import MEMORY, line
from tests.engine_bench import open_bench
from tests.service_bench import ServiceBench, code_of, open_service

LINES: Final = {"content-type": "application/x-ndjson"}
PATH: Final = "/v1/me/import"


@asynccontextmanager
async def opened(tmp_path: Path, **changes: Any) -> AsyncIterator[ServiceBench]:
    async with (
        open_bench("sqlite", tmp_path) as bench,
        open_service(bench.engine(), llm=ExtractiveLLM(), **changes) as service,
    ):
        yield service


def notes(first: int, last: int) -> bytes:
    """Return lines of an export: each has an id of its own, and says the same however often it is made."""
    return b"".join(line(MEMORY, {"id": f"old-{n}", "content": f"note {n}"}) for n in range(first, last))


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b" \n" * 500


async def too_large(client: httpx.AsyncClient, content: Any) -> None:
    try:
        told = await client.post(PATH, content=content, headers=LINES)
    except httpx.TransportError:
        return  # the service closed while we were still sending
    assert (told.status_code, code_of(told)) == (413, "too_large")


async def contents(client: httpx.AsyncClient) -> set[str]:
    return {one["content"] for one in (await client.get("/v1/memories", params={"limit": 1_000})).json()["items"]}


async def test_what_was_exported_is_read_back_by_another_user_and_is_known_the_second_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:
        anna, ben = await service.client("anna"), await service.client("ben")
        for number in range(3):
            await anna.post("/v1/memories", json={"content": f"note {number}", "tags": ["x"], "speaker": "Anna"})
        await anna.post("/v1/chat", json={"message": "What did I note?", "mode": "read_only"})
        exported = (await anna.get("/v1/me/export")).content
        told = (await ben.post(PATH, content=exported, headers=LINES)).json()
        assert (told["read"], told["added"], told["refused"], told["whole"], told["errors"]) == (3, 3, 0, True, [])
        assert told["passed_over"] == len(exported.splitlines()) - 4
        again = (await ben.post(PATH, content=exported, headers=LINES)).json()
        assert (again["added"], again["known"]) == (0, 3)
        same = (await anna.post(PATH, content=exported, headers=LINES)).json()
        assert (same["added"], same["known"]) == (0, 3), "they are there under their own ids"
        cut = (await ben.post(PATH, content=exported.splitlines(keepends=True)[0], headers=LINES)).json()
        assert cut["whole"] is False
        assert await contents(ben) == await contents(anna)


async def test_bad_lines_are_told_with_their_numbers_up_to_a_hundred_and_the_others_are_taken(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:
        anna = await service.client("anna")
        bad = [b"no json", b'{"content": ""}', b'{"content": "x", "nope": 1}', b'{"kind": "secret", "record": {}}']
        body = b"\n".join([b'{"content": "tea"}', b"", *bad, b'{"content": "bread"}'])
        told = (await anna.post(PATH, content=body, headers=LINES)).json()
        assert (told["read"], told["added"], told["refused"], told["whole"]) == (4, 2, 4, None)
        assert [(one["line"], one["code"]) for one in told["errors"]] == [(n, "invalid_input") for n in (3, 4, 5, 6)]
        told = (await anna.post(PATH, content=b"[\n" * 200, headers=LINES)).json()
        assert (told["refused"], len(told["errors"])) == (200, 100)
        assert await contents(anna) == {"tea", "bread"}


async def test_an_import_that_was_cut_goes_on_when_it_is_sent_again(tmp_path: Path) -> None:
    """What had arrived is stored; nothing of it comes twice."""
    count = 2 * BATCH + 100
    async with opened(tmp_path) as service:
        anna, engine, written = await service.client("anna"), service.services.engine, asyncio.Event()
        engine.attach(engine.flush, lambda *_: written.set())

        async def breaking() -> AsyncIterator[bytes]:
            yield notes(0, BATCH + 10)
            await written.wait()
            raise httpx.WriteError("cut")

        with pytest.raises(httpx.WriteError):
            await anna.post(PATH, content=breaking(), headers=LINES)
        told = (await anna.post(PATH, content=notes(0, count), headers=LINES)).json()
        assert (told["read"], told["added"] + told["known"]) == (count, count)
        assert told["known"] >= BATCH
        stored = [memory.content async for memory, _ in engine.export(user_id="anna")]
        assert len(stored) == len(set(stored)) == count


async def test_lines_and_imports_have_their_limits_and_what_stands_before_is_stored(tmp_path: Path) -> None:
    """S6"""
    limits = BodyLimits(max_bytes=1_000, max_import_bytes=100_000, deadline_s=0.5)
    async with opened(tmp_path, bodies=limits) as service:
        anna = await service.client("anna")
        long = notes(0, 2) + b'{"content": "' + b"x" * 2_000 + b'"}\n'
        refused = await anna.post(PATH, content=long, headers=LINES)
        assert (refused.status_code, code_of(refused)) == (422, "invalid_input")
        assert "line 3: has more than 1000 bytes" in refused.json()["error"]["message"]
        assert await contents(anna) == {"note 0", "note 1"}
        await too_large(anna, b"x" * 200_000)
        await too_large(anna, endless())
        for headers in ({"content-type": "application/json"}, {**LINES, "content-encoding": "gzip"}):
            assert (await anna.post(PATH, content=b"{}", headers=headers)).status_code == 415

        assert (await anna.post(PATH, content=b"", headers=LINES)).json()["read"] == 0


async def test_a_line_that_dawdles_ends_the_import_and_what_stands_before_is_stored(tmp_path: Path) -> None:
    """S12"""
    async with opened(tmp_path, bodies=BodyLimits(deadline_s=0.3)) as service:
        url = httpx.URL(service.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-api-key: {await service.key('anna')}\r\n"
        writer.write(f"{head}content-type: application/x-ndjson\r\ncontent-length: 9999\r\n\r\n".encode())
        writer.write(notes(0, 1) + b'{"content": "')
        async with asyncio.timeout(10):
            told = await reader.read()
        writer.close()
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b"the first 1 memories are stored" in told
        assert await contents(await service.client("anna")) == {"note 0"}


async def test_a_service_that_stops_says_so_in_the_middle(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:
        anna = await service.client("anna")

        async def stopping() -> AsyncIterator[bytes]:
            yield notes(0, 1)
            await asyncio.sleep(0)
            service.services.turns.stop()
            yield notes(1, 2)
            yield notes(2, 3)

        told = await anna.post(PATH, content=stopping(), headers=LINES)
        assert (told.status_code, code_of(told), told.headers["retry-after"]) == (503, "stopping", "1")


async def test_the_client_takes_in_what_another_hands_out(tmp_path: Path) -> None:
    async with (
        opened(tmp_path) as service,
        AsyncContext0Client(service.url, await service.key("anna")) as anna,
        AsyncContext0Client(service.url, await service.key("ben")) as ben,
    ):
        await anna.memories.add_many([{"content": f"note {n}"} for n in range(20)])
        told = await ben.me.import_records(anna.me.export())
        assert (told.read, told.added, told.whole) == (20, 20, False)
        file = (await (await service.client("anna")).get("/v1/me/export")).content.splitlines()
        told = await ben.me.import_records(file)
        assert (told.read, told.known, told.whole) == (20, 20, True)
        told = await ben.me.import_records([file[0], file[-1], json.dumps({"content": "tea"}), {"nope": 1}])
        assert (told.read, told.added, told.refused, told.whole) == (3, 1, 1, False)
        assert [one.line for one in told.errors] == [3]


async def test_a_large_import_of_the_client_is_several_requests_and_their_lines_are_numbered_through(
    tmp_path: Path,
) -> None:
    async with (
        opened(tmp_path) as service,
        AsyncContext0Client(service.url, await service.key("anna")) as anna,
    ):
        records = [{"content": f"{n} " + "x" * 10_000} for n in range(300)]
        told = await anna.me.import_records([*records, "no json"])
        assert (told.read, told.added, told.refused) == (300, 300, 1)
        assert [one.line for one in told.errors] == [301]
        assert sum(outcome.route == PATH for outcome in service.outcomes) == 3
