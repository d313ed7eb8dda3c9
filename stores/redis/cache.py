"""A cache store on Redis: short deadlines, one round trip a call, and nothing that anybody has to rely on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from stores.errors import Timeout, Unavailable
from stores.redis.options import RedisOptions

T = TypeVar("T")

_LEAST_TTL_MS: Final = 1


class RedisCache:
    """See `CacheStore`. A connection whose call was given up is closed: its late answer is nobody's.

    Safe for many tasks of one event loop; calls beyond `max_connections` wait, within their deadline.
    """

    name = "redis"

    def __init__(self, url: str, options: RedisOptions | None = None) -> None:
        """Connect to nothing yet. url: redis://[user:password@]host[:port][/database], or rediss:// with TLS."""
        self._options = options or RedisOptions()
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=self._options.max_connections,
            timeout=self._options.deadline_s,
            socket_timeout=self._options.deadline_s,
            socket_connect_timeout=self._options.deadline_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._client: Redis = Redis(connection_pool=pool)
        self._pool = pool

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        if not keys:
            return []
        found = await self._within(lambda: self._client.mget(self._named(keys)))
        return [None if value is None else bytes(value) for value in found]  # type: ignore[arg-type]  # decodes nothing

    async def put_many(self, entries: Sequence[tuple[str, bytes]], *, ttl_s: float) -> None:
        if not entries:
            return

        async def put() -> None:
            async with self._client.pipeline(transaction=False) as pipe:
                for (_, value), name in zip(entries, self._named([key for key, _ in entries]), strict=True):
                    pipe.set(name, value, px=_ms(ttl_s))
                await pipe.execute()

        await self._within(put)

    async def put_missing(self, key: str, value: bytes, *, ttl_s: float) -> bytes:
        (name,) = self._named([key])

        async def put() -> list[Any]:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.set(name, value, px=_ms(ttl_s), nx=True)
                pipe.get(name)
                return list(await pipe.execute())

        _, stored = await self._within(put)
        return value if stored is None else bytes(stored)

    async def delete_many(self, keys: Sequence[str]) -> None:
        if keys:
            await self._within(lambda: self._client.unlink(*self._named(keys)))

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._pool.aclose()

    def _named(self, keys: Sequence[str]) -> list[str]:
        return [self._options.prefix + key for key in keys]

    async def _within(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to `call`. Raises Timeout, Unavailable."""
        try:
            async with asyncio.timeout(self._options.deadline_s):
                return await call()
        except (TimeoutError, RedisTimeout) as exc:
            raise Timeout(f"Redis did not answer within {self._options.deadline_s:g} s; look at its load") from exc
        except (RedisError, OSError) as exc:
            raise Unavailable(f"Redis cannot be used ({type(exc).__name__}); see CONTEXT0_CACHE_URL") from exc


def _ms(ttl_s: float) -> int:
    return max(_LEAST_TTL_MS, round(1000 * ttl_s))
