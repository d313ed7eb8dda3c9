"""D8: a call of the driver that is cancelled while it waits takes no lock with it."""

import asyncio

import pytest
from pymongo.asynchronous import pool, topology
from pymongo.lock import _async_create_condition, _async_create_lock

from stores.mongo.waits import mend_waits


@pytest.mark.parametrize("module", [pool, topology])
async def test_who_is_cancelled_as_the_wait_ends_leaves_the_lock_to_others(module: object) -> None:
    mend_waits()
    lock = _async_create_lock()
    condition = _async_create_condition(lock)
    is_over = asyncio.Event()

    async def waiter() -> None:
        async with lock:
            asyncio.get_running_loop().call_later(0.02, is_over.set)
            await module._async_cond_wait(condition, 0.01)  # type: ignore[attr-defined]

    waiting = asyncio.create_task(waiter())
    await asyncio.sleep(0)
    async with lock:
        await is_over.wait()
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()  # it may not go before it has the lock again
    async with asyncio.timeout(5):
        await asyncio.wait({waiting})
        async with lock:
            assert waiting.cancelled()


async def test_a_wait_tells_whether_it_was_notified() -> None:
    mend_waits()
    lock = _async_create_lock()
    condition = _async_create_condition(lock)
    async with lock:
        assert await topology._async_cond_wait(condition, 0.001) is False

    async def notify() -> None:
        async with lock:
            condition.notify_all()

    async with lock:
        notifying = asyncio.create_task(notify())
        assert await topology._async_cond_wait(condition, 5) is True
    await notifying
