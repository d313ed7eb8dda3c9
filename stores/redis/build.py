"""Builds the shared cache of a redis:// URL."""

from stores.redis.cache import RedisCache
from stores.redis.options import RedisOptions
from stores.registry import StoreOptions


def build(url: str, options: StoreOptions) -> RedisCache:
    return RedisCache(url, RedisOptions(deadline_s=options.cache_deadline_ms / 1000))
