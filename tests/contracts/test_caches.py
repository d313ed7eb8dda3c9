"""What every shared cache does (A4): the suite is the definition of `CacheStore`."""

from collections.abc import AsyncIterator, Iterator

import pytest

from stores.protocols import CacheStore
from stores.redis.cache import RedisCache
from stores.redis.options import RedisOptions
from stores.reference.cache import ReferenceCache
from tests.redis_server import redis_server

PATIENT = RedisOptions(deadline_s=10.0)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(params=["reference", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[CacheStore]:
    is_redis = request.param == "redis"
    opened: CacheStore = RedisCache(request.getfixturevalue("redis_url"), PATIENT) if is_redis else ReferenceCache()
    await opened.delete_many([f"key-{n}" for n in range(1_000)])
    yield opened
    await opened.aclose()


async def test_what_was_put_is_got_in_the_order_asked(store: CacheStore) -> None:
    await store.put_many([("key-1", b"one"), ("key-2", b"\x00\xff")], ttl_s=60)
    assert await store.get_many(["key-2", "key-9", "key-1", "key-2"]) == [b"\x00\xff", None, b"one", b"\x00\xff"]


async def test_nothing_asked_is_nothing_answered(store: CacheStore) -> None:
    assert await store.get_many([]) == []
    await store.put_many([], ttl_s=60)
    await store.delete_many([])


async def test_a_value_takes_the_place_of_the_former(store: CacheStore) -> None:
    await store.put_many([("key-1", b"one")], ttl_s=60)
    await store.put_many([("key-1", b"")], ttl_s=60)
    assert await store.get_many(["key-1"]) == [b""]


async def test_a_value_is_gone_after_its_time(store: CacheStore) -> None:
    await store.put_many([("key-1", b"one")], ttl_s=0.001)
    while await store.get_many(["key-1"]) != [None]:
        pass


async def test_the_first_of_several_who_put_what_is_missing_wins(store: CacheStore) -> None:
    assert await store.put_missing("key-1", b"first", ttl_s=60) == b"first"
    assert await store.put_missing("key-1", b"second", ttl_s=60) == b"first"
    assert await store.get_many(["key-1"]) == [b"first"]


async def test_what_is_deleted_is_gone_and_the_rest_is_not(store: CacheStore) -> None:
    await store.put_many([("key-1", b"one"), ("key-2", b"two")], ttl_s=60)
    await store.delete_many(["key-1", "key-7"])
    assert await store.get_many(["key-1", "key-2"]) == [None, b"two"]


async def test_a_thousand_go_at_once(store: CacheStore) -> None:
    entries = [(f"key-{n}", str(n).encode()) for n in range(1_000)]
    await store.put_many(entries, ttl_s=60)
    assert await store.get_many([key for key, _ in entries]) == [value for _, value in entries]


async def test_closing_twice_is_harmless(store: CacheStore) -> None:
    await store.aclose()
    await store.aclose()
