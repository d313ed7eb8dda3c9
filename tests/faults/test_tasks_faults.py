"""Workers and brokers that are killed, doubled, late or wrong: all is indexed, and once (A11, D11, D13, D16)."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from context0.memory.due_work import MAX_LOST
from tests.engine_bench import HashingEmbedder, many
from tests.rabbitmq_server import RabbitMqServer, rabbitmq_server
from tests.redis_server import RedisServer, redis_server
from tests.tasks_bench import SETTLE_S, USER, TaskBench, repeated, task_bench, until_indexed

ROOT: Final = Path(__file__).parents[2]
Server = RedisServer | RabbitMqServer


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMqServer]:
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
async def bench(broker: Server, tmp_path: Path) -> AsyncIterator[TaskBench]:
    async with task_bench(tmp_path, broker.url) as opened:
        yield opened


async def start(bench: TaskBench, mode: str) -> asyncio.subprocess.Process:
    """Start a worker process, and return it when it is ready."""
    process = await begin(bench, mode)
    await told(process, b"ready")
    return process


async def begin(bench: TaskBench, mode: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.faults.tasks_worker", bench.settings.store_url.removeprefix("sqlite:///")),
        *(bench.settings.task_url, mode),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


async def told(process: asyncio.subprocess.Process, word: bytes) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(SETTLE_S):
        while line := await process.stdout.readline():
            if line.strip() == word:
                return
    raise AssertionError(f"the worker ended, and did not say {word!r}")


# --- workers


async def test_a_worker_does_the_work_of_a_writer_that_does_none(bench: TaskBench) -> None:
    worker, _ = await bench.worker()
    writer = await bench.writer()
    await writer.add_many(many(300), user_id=USER)
    await writer.add("Ben lives in Munich", user_id="ben", wait=True)
    await until_indexed(writer, 300)
    assert bench.embedders[1].calls in ([], [["Ben lives in Munich"]]), "who waits may do it himself"
    assert repeated(bench.texts) == []
    assert worker.tally.messages > 0
    found = await writer.search("Munich", user_id="ben", strategies=["semantic"])
    assert [item.memory.content for item in found.items] == ["Ben lives in Munich"]


async def test_two_workers_share_the_work_and_do_no_piece_twice(bench: TaskBench) -> None:
    """D11"""
    for _ in range(2):
        await bench.worker()
    writer = await bench.writer()
    for start_at in range(0, 400, 40):
        batch = [{"content": f"note {start_at + n}"} for n in range(40)]
        await writer.add_many(batch, user_id=USER)  # type: ignore[arg-type]
    await until_indexed(writer, 400)
    assert sorted(bench.texts) == sorted(f"note {n}" for n in range(400))


async def test_every_message_delivered_twice_has_the_effect_of_one(bench: TaskBench) -> None:
    """D11"""
    worker, _ = await bench.worker()
    deliver: Any = worker.index

    async def twice(owner: object, pieces: object) -> None:
        await asyncio.gather(deliver(owner, pieces), deliver(owner, pieces))
        await deliver(owner, pieces)

    worker.index = twice  # type: ignore[method-assign]
    writer = await bench.writer()
    await writer.add_many(many(200), user_id=USER)
    await until_indexed(writer, 200)
    assert repeated(bench.texts) == []


async def test_messages_that_nobody_of_us_has_written_are_refused(bench: TaskBench) -> None:
    worker, _ = await bench.worker()
    for owner, pieces in [("", []), ("anna", "x"), ("anna", [["id"]]), (7, []), ("anna", [["\0", 1]]), (None, None)]:
        await worker.index(owner, pieces)
    assert worker.tally.refused == 6
    await worker.index("nobody", [["unknown", 1]])
    writer = await bench.writer()
    await writer.add("note", user_id=USER)
    await until_indexed(writer, 1)


async def test_a_message_of_an_older_generation_brings_nothing_back(bench: TaskBench) -> None:
    """D13: reordered, an update and a deletion win over the message that came before them."""
    worker, _ = await bench.worker()
    writer = await bench.writer()
    first = await writer.add("first", user_id=USER)
    gone = await writer.add("gone", user_id=USER)
    await writer.update(first.id, user_id=USER, content="second")
    await writer.delete(gone.id, user_id=USER)
    await worker.index(USER, [[first.id, 1], [gone.id, 1]])
    await until_indexed(writer, 1)
    found = await writer.search("second", user_id=USER, strategies=["semantic"])
    assert [item.memory.content for item in found.items] == ["second"]
    assert (await writer.list(user_id=USER)).items[0].content == "second"


async def test_what_a_killed_worker_had_taken_is_done_by_another(bench: TaskBench) -> None:
    """A11: kill -9 in the middle of a task; the lease ends, and the next worker finds it."""
    stuck = await start(bench, "stuck")
    writer = await bench.writer()
    await writer.add_many(many(50), user_id=USER)
    await told(stuck, b"taken")
    stuck.kill()
    await stuck.wait()
    await bench.worker()
    await until_indexed(writer, 50)
    assert repeated(bench.texts) == []


async def test_a_text_that_kills_every_worker_is_given_up_and_the_others_are_indexed(bench: TaskBench) -> None:
    """D16: out of memory and the like, on one store for all brokers."""
    writer = await bench.writer(index_interval_s=3600)
    items = [{"content": f"note {n}"} for n in range(40)]
    items.insert(20, {"content": "poison"})
    deaths = 0
    worker = await start(bench, "dies")
    await writer.add_many(items, user_id=USER)  # type: ignore[arg-type]
    async with asyncio.timeout(2 * SETTLE_S):
        while not (failed := (await writer.failed_work(user_id=USER)).items):
            if worker.returncode is not None:
                deaths += 1
                worker = await begin(bench, "dies")
            await asyncio.sleep(0.02)
    worker.kill()
    await worker.wait()
    assert deaths == MAX_LOST
    assert [work.reason for work in failed] == ["worker_lost"]
    states = {memory.content: memory.index.state async for memory, _ in writer.export(user_id=USER)}
    assert {content for content, state in states.items() if state != "done"} == {"poison"}
    found = await writer.search("poison", user_id=USER, strategies=["keyword"])
    assert len(found.items) == 1, "it is found by its words"


async def test_a_worker_that_is_stopped_finishes_what_it_has_taken(bench: TaskBench) -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()

    class Slow(HashingEmbedder):
        async def embed(self, texts: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await super().embed(texts)

    _, stop = await bench.worker(Slow(local=False))
    writer = await bench.writer()
    await writer.add_many(many(10), user_id=USER)
    await begun.wait()
    stop.set()
    await asyncio.sleep(0)
    go_on.set()
    await until_indexed(writer, 10)
    assert repeated(bench.texts) == []


# --- brokers


async def test_without_a_broker_work_is_found_in_the_store(tmp_path: Path) -> None:
    async with task_bench(tmp_path, "redis://127.0.0.1:1/0") as bench:
        await bench.worker()
        writer = await bench.writer()
        await writer.add_many(many(20), user_id=USER)
        await until_indexed(writer, 20)
        assert bench.embedders[1].calls == []


async def test_without_workers_the_writer_does_the_work_itself(bench: TaskBench) -> None:
    writer = await bench.writer()
    await writer.add("note", user_id=USER)
    await until_indexed(writer, 1)
    worker, stop = await bench.worker()
    await asyncio.sleep(2 * bench.settings.index_interval_s)
    await writer.add_many(many(20), user_id=USER)
    await until_indexed(writer, 21)
    assert bench.texts.count("note") == 1
    assert len(bench.embedders[0].calls) == 1, "now it leaves the work to the worker"
    del worker, stop


async def test_a_broker_that_is_killed_and_started_again_under_load_costs_nothing_but_time(
    bench: TaskBench, broker: Server
) -> None:
    """No error for who writes, nothing lost, nothing twice."""
    worker, _ = await bench.worker()
    writer = await bench.writer()
    added = 0

    async def add_for(rounds: int) -> None:
        nonlocal added
        for _ in range(rounds):
            batch = [{"content": f"note {added + n}"} for n in range(5)]
            await writer.add_many(batch, user_id=USER)  # type: ignore[arg-type]
            added += 5
            await asyncio.sleep(0.005)

    await add_for(10)
    await asyncio.to_thread(broker.kill)
    await add_for(40)
    await asyncio.to_thread(broker.start)
    await add_for(40)
    await until_indexed(writer, added)
    assert repeated(bench.texts) == []
    announcer: Any = writer._parts.announcer
    assert announcer.untold > 0
    before = worker.tally.messages
    async with asyncio.timeout(SETTLE_S):
        while worker.tally.messages == before:  # it listens again
            await writer.add(f"late {added}", user_id=USER)
            added += 1
            await asyncio.sleep(0.1)


async def test_a_redis_that_hangs_or_forgets_everything_costs_nothing_but_time(
    redis: RedisServer, tmp_path: Path
) -> None:
    """D9"""
    async with task_bench(tmp_path, redis.url) as bench:
        await bench.worker()
        writer = await bench.writer()
        await writer.add_many(many(20), user_id=USER)
        redis.command("FLUSHALL")
        await writer.add_many(many(20, "second {n}"), user_id=USER)
        redis.hang()
        try:
            await writer.add_many(many(20, "third {n}"), user_id=USER)
            await until_indexed(writer, 60)
        finally:
            redis.go_on()
        assert repeated(bench.texts) == []
