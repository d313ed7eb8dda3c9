"""From `task_url` to a broker of taskiq: what is kept there is bounded, may get lost, and is never the truth."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from context0.errors import ConfigurationError
from stores.registry import check_url

if TYPE_CHECKING:
    from taskiq import AsyncBroker

IN_PROCESS: Final = "memory://"
_REDIS: Final = ("redis", "rediss", "unix")
_RABBITMQ: Final = ("amqp", "amqps")
_MOST_MESSAGES: Final = 10_000
"""So many hints wait at most; older ones are forgotten, and their work is found in the documents."""
_CONNECT_S: Final = 2.0
_SILENT_S: Final = 5.0
_LOOK_MS: Final = 1_000
_LOCK_S: Final = 10.0


def is_in_process(url: str) -> bool:
    """Return whether background work needs no broker."""
    return url.startswith(IN_PROCESS)


def check_task_url(url: str) -> None:
    """Raise ConfigurationError if nothing speaks this scheme, or what does is not installed."""
    scheme = url.partition("://")[0]
    if is_in_process(url):
        return
    try:
        check_url(url, "task_url")
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from None
    if scheme not in (*_REDIS, *_RABBITMQ):
        raise ConfigurationError(f"task_url: no broker for {scheme[:40]!r}; known are memory://, redis:// and amqp://")
    _module("taskiq")
    _module("taskiq_redis" if scheme in _REDIS else "taskiq_aio_pika")


def build_broker(url: str, queue: str, *, at_once: int, redeliver_s: float) -> "AsyncBroker":
    """Return the broker of `url`, not connected. Raises ConfigurationError.

    at_once: how many messages one worker takes before it is done with the first. redeliver_s: after so long, what a
    worker has taken and not confirmed is given to another (Redis; RabbitMQ notices the end of the connection).
    """
    check_task_url(url)
    if url.partition("://")[0] in _REDIS:
        return _redis(url, queue, at_once, redeliver_s)
    return _rabbitmq(url, queue, at_once)


def _redis(url: str, queue: str, at_once: int, redeliver_s: float) -> "AsyncBroker":
    broker: AsyncBroker = _module("taskiq_redis").RedisStreamBroker(
        url,
        queue_name=queue,
        consumer_group_name="workers",
        maxlen=_MOST_MESSAGES,
        xread_block=_LOOK_MS,
        xread_count=at_once,
        idle_timeout=round(redeliver_s * 1000),
        unacknowledged_lock_timeout=_LOCK_S,
        max_connection_pool_size=at_once + 4,
        timeout=_SILENT_S,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=_SILENT_S,
    )
    return broker


def _rabbitmq(url: str, queue: str, at_once: int) -> "AsyncBroker":
    pika = _module("taskiq_aio_pika")
    queues, exchanges = _module("taskiq_aio_pika.queue"), _module("taskiq_aio_pika.exchange")
    bound = {"x-max-length": _MOST_MESSAGES, "x-overflow": "drop-head"}
    classic = queues.QueueType.CLASSIC
    broker: AsyncBroker = pika.AioPikaBroker(
        url,
        qos=at_once,
        exchange=exchanges.Exchange(name=queue),
        task_queues=[queues.Queue(name=queue, type=classic, arguments=bound)],
        # what is dropped from the queue goes there; it is found in the documents, so one message is enough
        dead_letter_queue=queues.Queue(name=f"{queue}.dropped", type=classic, arguments={"x-max-length": 1}),
        timeout=_CONNECT_S,
    )
    return broker


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"task_url needs {exc.name}, which is not installed: pip install 'context0[tasks]'"
        ) from exc
