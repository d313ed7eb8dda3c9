"""What `doctor` asks of servers, and of how they are reached: indexes, topology, clock, caches, brokers, secrets."""

import ipaddress
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from context0.api.tokens import TokenRules
from context0.cli.check import Check
from context0.errors import ConfigurationError, Context0Error
from context0.memory.parts import EngineParts
from context0.settings import Settings
from stores.errors import StoreError

MOST_SKEW_S: Final = 2.0
_ANSWER_S: Final = 3.0
_REDIS: Final = ("redis", "rediss", "unix")
_IN_THE_CLEAR: Final = ("http", "redis", "amqp")


def secrets_check(settings: Settings) -> Check:
    """Check what tokens are signed with, by the rules that the service starts by."""
    rules = TokenRules(
        secret=settings.jwt_secret.get_secret_value(),
        jwks_url=settings.jwt_jwks_url,
        audience=settings.jwt_audience or None,
    )
    try:
        rules.check()
    except ConfigurationError as exc:
        return Check(name="secrets", level="failure", found="the service would not start", advice=str(exc))
    return Check(name="secrets", found="tokens are taken" if rules.secret or rules.jwks_url else "API keys only")


def ways_check(settings: Settings) -> Check:
    """Tell of keys, passwords and texts that would go to another machine unencrypted."""
    urls = {
        "CONTEXT0_CACHE_URL": settings.cache_url,
        "CONTEXT0_TASK_URL": settings.task_url,
        "CONTEXT0_LLM_BASE_URL": settings.llm_base_url,
        "CONTEXT0_EMBEDDING_BASE_URL": settings.embedding_base_url,
    }
    plain = [name for name, url in urls.items() if goes_in_the_clear(url)]
    store = settings.resolved_store_url
    if store.startswith("mongodb://") and "tls=true" not in store.lower() and _is_remote(store):
        plain.append("CONTEXT0_STORE_URL")
    if not plain:
        return Check(name="network", found="nothing leaves this machine unencrypted")
    return Check(
        name="network",
        level="warning",
        found=f"unencrypted to another machine: {', '.join(plain)}",
        advice="use https://, rediss://, amqps://, tls=true, or a network that nobody else can read",
    )


def goes_in_the_clear(url: str) -> bool:
    return url.partition("://")[0] in _IN_THE_CLEAR and _is_remote(url)


def _is_remote(url: str) -> bool:
    place = url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]
    return not all(_is_local(urlsplit(f"//{one}").hostname or "") for one in place.split(","))


def _is_local(host: str) -> bool:
    try:
        return host in ("", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def folder_check(settings: Settings) -> Iterator[Check]:
    """Say who can look into the folder of data; nothing of one that is not there yet."""
    folder = settings.data_dir.expanduser()
    if os.name != "posix" or not folder.is_dir():
        return
    mode = folder.stat().st_mode
    if stat.S_IMODE(mode) & 0o077:
        told = f"{stat.filemode(mode)} {folder}"
        yield Check(name="data folder", level="warning", found=told, advice=f"others can enter it: chmod 700 {folder}")
    else:
        yield Check(name="data folder", found=f"{stat.filemode(mode)} {folder}")


async def store_checks(settings: Settings, parts: EngineParts) -> AsyncIterator[Check]:
    """Ask a store on another machine, which is open, for its clock, and MongoDB for its shape and indexes."""
    began = time.monotonic()
    try:
        told = await parts.documents.time()
        if told is not None:
            yield clock_check(told, datetime.now(UTC), time.monotonic() - began)
        if settings.resolved_store_url.startswith(("mongodb://", "mongodb+srv://")):
            yield topology_check(str((await parts.documents.status()).get("topology", "")))
            yield await _indexes(settings)
    except StoreError as exc:
        yield Check(name="server", level="failure", found=exc.code, advice=str(exc))


def clock_check(theirs: datetime, ours: datetime, took_s: float) -> Check:
    """Compare two clocks; half the way of the answer is taken off."""
    skew_s = (ours - theirs).total_seconds() - took_s / 2
    found = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} the store's"
    if abs(skew_s) <= MOST_SKEW_S:
        return Check(name="clock", found=found)
    advice = "set this machine's clock by NTP: tokens, expiry and cursors go by it"
    return Check(name="clock", level="warning", found=found, advice=advice)


def topology_check(topology: str) -> Check:
    if topology != "standalone":
        return Check(name="topology", found=f"{topology}; writes wait for a majority and its journal")
    return Check(
        name="topology",
        level="warning",
        found="standalone; writes wait for its journal, and are not tried again by the driver",
        advice="run it as a replica set, one member is enough: mongod --replSet rs0, then rs.initiate()",
    )


async def _indexes(settings: Settings) -> Check:
    from stores.mongo.client import MongoDatabase
    from stores.mongo.indexes import compare_indexes

    database, user = MongoDatabase(settings.resolved_store_url), object()
    await database.open(user)
    try:
        compared = await compare_indexes(database)
    finally:
        await database.aclose(user)
    wrong = [f"{one.name} {one.presence}" for one in compared if one.presence in ("missing", "differs")]
    extra = [one.name for one in compared if one.presence == "obsolete"]
    right = sum(one.presence == "present" for one in compared)
    found = f"{right} of {len(compared) - len(extra)} as declared" + f", {len(extra)} others" * bool(extra)
    if not wrong:
        return Check(name="indexes", found=found)
    advice = f"{', '.join(wrong[:5])}: run `python scripts/create_indexes.py`; what differs is to be dropped first"
    return Check(name="indexes", level="warning", found=found, advice=advice)


async def server_checks(settings: Settings) -> AsyncIterator[Check]:
    """Ask the shared cache and the broker whether they are there."""
    if settings.cache_url.partition("://")[0] in _REDIS:
        yield await _redis("cache", settings.cache_url, may_evict=True)
    scheme = settings.task_url.partition("://")[0]
    if scheme in _REDIS:
        yield await _redis("broker", settings.task_url, may_evict=False)
    elif scheme in ("amqp", "amqps"):
        yield await _rabbitmq(settings.task_url)


async def _redis(name: str, url: str, *, may_evict: bool) -> Check:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    client: Any = Redis.from_url(url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S)
    try:
        facts = {**await client.info("server"), **await client.info("memory"), **await client.info("persistence")}
    except (RedisError, OSError, TypeError, ValueError) as exc:  # the last two: options that it does not know
        return _away(name, exc)
    finally:
        await client.aclose()
    return redis_check(name, facts, may_evict=may_evict)


def redis_check(name: str, facts: dict[str, Any], *, may_evict: bool) -> Check:
    """Judge what Redis tells of itself. may_evict: it is a cache, whose oldest entries should go when it is full."""
    policy, limit = str(facts.get("maxmemory_policy", "")), int(facts.get("maxmemory", 0))
    kept = "kept on disk" if facts.get("aof_enabled") or facts.get("rdb_saves", 0) else "in memory only"
    found = f"Redis {facts.get('redis_version', 'unknown')}, {policy}, {kept}"
    if may_evict and policy == "noeviction":
        advice = "set maxmemory and maxmemory-policy allkeys-lru: a full cache takes nothing new"
        return Check(name=name, level="warning", found=found, advice=advice)
    if not may_evict and limit and policy.startswith("allkeys"):
        advice = "set maxmemory-policy noeviction: hints of work may be evicted, and workers find it late"
        return Check(name=name, level="warning", found=found, advice=advice)
    if str(facts.get("rdb_last_bgsave_status", "ok")) != "ok":
        return Check(name=name, level="warning", found=found, advice="its last save failed: look at its log and disk")
    return Check(name=name, found=found)


async def _rabbitmq(url: str) -> Check:
    from aio_pika import connect
    from aio_pika.exceptions import AMQPError

    try:
        connection = await connect(url, timeout=_ANSWER_S)
        await connection.close()
    except (AMQPError, OSError, Context0Error, ValueError) as exc:
        return _away("broker", exc)
    return Check(name="broker", found="RabbitMQ, answers")


def _away(name: str, exc: Exception) -> Check:
    advice = "start it, or set its URL to memory://; until then the service is slower, and nothing is lost"
    return Check(name=name, level="failure", found=f"cannot be reached ({type(exc).__name__})", advice=advice)
