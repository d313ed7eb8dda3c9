"""An open Pinecone index: its driver, and requests to it that are repeated within a deadline."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

import stamina

from stores.blocking import in_thread
from stores.errors import Incompatible, Unavailable
from stores.monitoring import CommandObserver, observed
from stores.pinecone.errors import is_transient, retry_after_s, translated
from stores.pinecone.options import PineconeOptions

if TYPE_CHECKING:
    from pinecone import AsyncIndex, AsyncPinecone
    from pinecone.models.indexes.index import IndexModel
    from pinecone.models.vectors.responses import DescribeIndexStatsResponse

T = TypeVar("T")
Request = Callable[["AsyncIndex"], Awaitable[T]]

_FIRST_PAUSE_S: Final = 0.1
_MAX_PAUSE_S: Final = 2.0
_JITTER: Final = 0.5
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Requests of one kind: how long a call may take, and how many go at once."""

    timeout_s: float
    slots: asyncio.Semaphore


@dataclass(frozen=True, slots=True, kw_only=True)
class PineconeConnection:
    """A dense cosine index that answered. Close it with `aclose`; twice is harmless."""

    index: "AsyncIndex"
    dimension: int
    reads: Lane
    writes: Lane
    closing: AsyncExitStack
    observer: CommandObserver | None = None

    async def aclose(self) -> None:
        await self.closing.aclose()

    async def send(self, request: Request[T], *, lane: Lane, doing: str) -> T:
        """Return the answer to one request. Raises Unavailable, Timeout, or StoreError for a refusal."""
        (answer,) = await self.send_all([request], lane=lane, doing=doing)
        return answer

    async def send_all(self, requests: Sequence[Request[T]], *, lane: Lane, doing: str) -> list[T]:
        """Return the answers to all of `requests`, in their order; the first failure stops the others."""
        sent = self._sent(requests, lane, doing)
        if self.observer is None:
            return await sent
        return await observed(sent, self.observer, "pinecone", doing.partition(" ")[0])

    async def _sent(self, requests: Sequence[Request[T]], lane: Lane, doing: str) -> list[T]:
        async with _within(lane.timeout_s, doing) as ends_at, asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._in_lane(request, lane, ends_at)) for request in requests]
        return [task.result() for task in tasks]

    async def _in_lane(self, request: Request[T], lane: Lane, ends_at: float) -> T:
        async with lane.slots:
            return await _persist(lambda: request(self.index), ends_at)


class Patience:
    """How long to wait before the next attempt: the only place that decides it.

    What the server asks for, else doubling from 0.1 s to 2 s; and at random up to half of the latter more. No wait at
    all when it would end after `ends_at` (monotonic): then the last error is the answer, and it comes at once.
    """

    def __init__(self, ends_at: float) -> None:
        self._ends_at = ends_at
        self._pause_s = _FIRST_PAUSE_S

    def __call__(self, error: Exception) -> bool | float:
        """Return the seconds to wait, or False to give up."""
        if not is_transient(error):
            return False
        asked_s = retry_after_s(error)
        jitter_s = random.uniform(0, self._pause_s * _JITTER)  # noqa: S311 - no secret
        pause_s = (self._pause_s if asked_s is None else asked_s) + jitter_s
        self._pause_s = min(_MAX_PAUSE_S, self._pause_s * 2)
        return pause_s if time.monotonic() + pause_s < self._ends_at else False


async def connect(name: str, options: PineconeOptions) -> PineconeConnection:
    """Open the index `name`: one round trip. Raises Unavailable, and Incompatible for one that is not dense cosine."""
    if not options.api_key:
        raise Unavailable("there is no API key for Pinecone; set one")
    async with AsyncExitStack() as stack:
        client = await in_thread(_build_client, options)
        stack.push_async_callback(client.close)
        async with _within(options.open_timeout_s, f"opening the index {name!r}") as ends_at:
            model = None if options.host else await _persist(lambda: client.indexes.describe(name), ends_at)
            host = options.host if model is None else model.host
            if host is None:
                raise Unavailable(f"the Pinecone index {name!r} is still being made; try again in a minute")
            index = await client.index(host=host)
            stack.push_async_callback(index.close)
            _switch_off_driver_retries(index)
            described = model if model is not None else await _persist(index.describe_index_stats, ends_at)
            dimension = _dimension_of(described, name)
        return PineconeConnection(
            index=index,
            dimension=dimension,
            reads=Lane(timeout_s=options.query_timeout_s, slots=asyncio.Semaphore(options.max_concurrent_queries)),
            writes=Lane(timeout_s=options.write_timeout_s, slots=asyncio.Semaphore(options.max_concurrent_batches)),
            closing=stack.pop_all(),
            observer=options.observer,
        )


def _build_client(options: PineconeOptions) -> "AsyncPinecone":
    """Import the driver, 0.25 s the first time, and build its client: for a thread."""
    import pinecone.async_client.async_index  # noqa: F401 - would be imported on the event loop later
    from pinecone import AsyncPinecone, RetryConfig

    with translated("reading the options"):
        return AsyncPinecone(
            api_key=options.api_key,
            host=options.control_host,
            timeout=max(options.open_timeout_s, options.query_timeout_s, options.write_timeout_s),
            connection_pool_maxsize=options.max_concurrent_batches + options.max_concurrent_queries,
            retry_config=RetryConfig(max_retries=0),
        )


def _switch_off_driver_retries(index: "AsyncIndex") -> None:
    """Make the data plane try once, so that one layer retries.

    Pinecone 10 gives `retry_config` to the control plane only; its data plane always tries four times and waits up
    to 60 s. Where a later version keeps it elsewhere, both layers retry, still within the deadline of the call.
    """
    from pinecone import PineconeConfig, RetryConfig

    http = getattr(index, "_http", None)
    config = getattr(http, "_config", None)
    if http is None or not isinstance(config, PineconeConfig):
        _log.warning("pinecone.driver_retries_stay_on")
        return
    http._config = replace(config, retry_config=RetryConfig(max_retries=0))  # noqa: SLF001 - no public way in 10.2


def _dimension_of(described: "IndexModel | DescribeIndexStatsResponse", name: str) -> int:
    """Return the dimension. Raises Incompatible for a sparse index or another metric; stats may not tell the metric."""
    dimension: int | None = getattr(described, "dimension", None)
    metric: str | None = getattr(described, "metric", None)
    if dimension is None or metric not in {"cosine", None}:
        raise Incompatible(
            f"the Pinecone index {name!r} has dimension {dimension} and metric {metric}; "
            "make a dense one with metric='cosine', and leave this one as it is"
        )
    return dimension


@asynccontextmanager
async def _within(timeout_s: float, doing: str) -> AsyncIterator[float]:
    """Bound what happens inside, yield when it ends on the monotonic clock, and raise our errors for the driver's."""
    with translated(doing):
        async with asyncio.timeout(timeout_s):
            yield time.monotonic() + timeout_s


async def _persist(request: Callable[[], Awaitable[T]], ends_at: float) -> T:
    """Return the answer of the first attempt that succeeds, or raise the error of the last one."""
    async for attempt in stamina.retry_context(on=Patience(ends_at), attempts=None, timeout=None):
        with attempt:
            return await request()
    raise AssertionError("stamina ends with an answer or an error")
