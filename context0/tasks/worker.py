"""A worker: takes index work from the broker, and finds in the store what the broker never told. See `Worker`."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from context0.errors import Context0Error, InvalidInput
from context0.tasks.announcing import shut_down
from context0.tasks.hints import INDEX, pieces_of
from stores.errors import StoreError

if TYPE_CHECKING:
    from taskiq import AsyncBroker

    from context0.memory.engine import MemoryEngine

log = logging.getLogger(__name__)

_OPEN_S: Final = 5.0
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 10.0
_CLOSING_S: Final = 5.0


@dataclass(slots=True)
class Tally:
    """What a worker has done. messages: taken from the broker; memories: indexed because of them; refused: not ours."""

    messages: int = 0
    memories: int = 0
    refused: int = 0
    reconnects: int = 0


class Worker:
    """Does the index work of other processes until it is stopped.

    The engine, made with `is_worker`, looks into the store by itself (`index_interval_s`), whatever the broker says:
    so a message that is lost, late, foreign or delivered twice changes nothing but the time.
    make_broker: None is a worker without a broker. concurrency: messages that are worked on at the same time.
    grace_s: how long messages under way may take when it is stopped.
    """

    def __init__(
        self,
        engine: "MemoryEngine",
        make_broker: Callable[[], "AsyncBroker"] | None,
        *,
        concurrency: int = 4,
        grace_s: float = 10.0,
    ) -> None:
        self._engine = engine
        self._make_broker = make_broker
        self._concurrency = concurrency
        self._grace_s = grace_s
        self.tally = Tally()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is under way. Raises StoreError if the store cannot be opened."""
        await self._engine.flush()
        wait_s = _FIRST_WAIT_S
        while not stop.is_set():
            if self._make_broker is None:
                await stop.wait()
                return
            taken = self.tally.messages
            try:
                await self._listen(self._make_broker(), stop)
            except Exception as exc:  # noqa: BLE001 - the edge of the task: brokers raise what they like
                log.warning("worker.broker_lost", extra={"error": type(exc).__name__})
            if stop.is_set():
                return
            self.tally.reconnects += 1
            wait_s = _FIRST_WAIT_S if self.tally.messages > taken else min(2 * wait_s, _LONGEST_WAIT_S)
            await _either(stop, wait_s)

    async def _listen(self, broker: "AsyncBroker", stop: asyncio.Event) -> None:
        from taskiq.acks import AcknowledgeType
        from taskiq.receiver import Receiver

        async def index(owner: object, pieces: object) -> None:  # taskiq names functions, and no bound methods
            await self.index(owner, pieces)

        broker.is_worker_process = True
        broker.register_task(index, task_name=INDEX)
        try:
            async with asyncio.timeout(_OPEN_S):
                await broker.startup()
            receiver = Receiver(
                broker,
                max_async_tasks=self._concurrency,
                run_startup=False,
                validate_params=False,
                ack_type=AcknowledgeType.WHEN_EXECUTED,
                wait_tasks_timeout=self._grace_s,
            )
            log.info("worker.listening")
            await self._until_stopped(receiver.listen(stop), stop)
        finally:
            await shut_down(broker)

    async def _until_stopped(self, listening: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
        """Listen; when it is to stop, it may take the grace, and is cancelled then.

        The broker's client was seen to swallow the one cancellation by which it is told to stop reading.
        """
        listener, stopping = asyncio.create_task(listening), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((listener, stopping), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((listener,), timeout=self._grace_s + _CLOSING_S)
            if listener.done():
                listener.result()
            else:
                log.warning("worker.listener_stuck")
        finally:
            stopping.cancel()
            listener.cancel()
            await asyncio.wait((listener,), timeout=_CLOSING_S)

    async def index(self, owner: object, pieces: object) -> None:
        """Index what a message names, as far as it is due and nobody else has it. A failure leaves it due."""
        self.tally.messages += 1
        try:
            name, named = pieces_of(owner, pieces)
            self.tally.memories += await self._engine.work_on([memory_id for memory_id, _ in named], user_id=name)
        except InvalidInput as exc:
            self.tally.refused += 1
            log.warning("worker.refused", extra={"field": exc.field})
        except (StoreError, Context0Error, TimeoutError) as exc:
            log.warning("worker.put_off", extra={"error": type(exc).__name__})


async def _either(stop: asyncio.Event, seconds: float) -> None:
    """Return when `stop` is set or the time is over."""
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait((waiting,), timeout=seconds)
    waiting.cancel()
