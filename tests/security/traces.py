"""Looks for a text that must not be there: in bytes and files, in whatever writing, in Redis, in a process's caches."""

import base64
import gc
import re
import types
import zlib
from collections.abc import Iterator
from functools import _lru_cache_wrapper, cache
from pathlib import Path
from typing import Any, Final

from cachetools import Cache

from tests.redis_server import RedisServer

_DEFLATED: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_MOST_INFLATED: Final = 1 << 20


@cache
def forms(text: str) -> tuple[bytes, ...]:
    """Return how a text can stand in bytes: in several encodings, and inside a longer text in base64."""
    found: list[bytes] = []
    for spelt in (text, text.upper(), text.title()):
        octets = spelt.encode()
        found += (octets, spelt.encode("utf-16-le"), spelt.encode("utf-16-be"), octets.hex().encode())
        for lead in range(3):
            whole = base64.b64encode(bytes(lead) + octets)
            found.append(whole[4 : len(whole) // 4 * 4 - 4])
    return tuple(found)


def residues(octets: bytes, text: str) -> list[bytes]:
    """Return the forms of the text that stand in the bytes, or in what was compressed by zlib there."""
    return standing(with_inflated(octets), text)


def standing(octets: bytes, text: str) -> list[bytes]:
    return [form for form in forms(text) if form in octets]


def with_inflated(octets: bytes) -> bytes:
    return b"\n".join((octets, *_inflated(octets)))


def _inflated(octets: bytes) -> Iterator[bytes]:
    for found in _DEFLATED.finditer(octets):
        inflating = zlib.decompressobj()
        try:
            yield inflating.decompress(octets[found.start() : found.start() + _MOST_INFLATED], _MOST_INFLATED)
        except zlib.error:
            continue


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in files_in(folder) if residues(path.read_bytes(), text)]


async def redis_with(server: RedisServer, folder: Path, text: str) -> list[str]:
    """Return which keys, dumps of values and database files of the server hold it."""
    from redis.asyncio import Redis

    client: Any = Redis.from_url(server.url)
    try:
        found = []
        async for key in client.scan_iter():
            dump = await client.dump(key) or b""
            kind = await client.type(key)
            value = await client.get(key) if kind == b"string" else b""
            if residues(key + dump + (value or b""), text):
                found.append(key.decode())
        assert await client.save()
        return found + files_with(folder, text)
    finally:
        await client.aclose()


def held_in_caches(text: str) -> Iterator[str]:
    """Yield where a cache of ours, or something made of it, refers to a text that holds this one."""
    for held in [found for found in gc.get_objects() if isinstance(found, Cache)]:
        for one in texts_below(list(held.items())):
            if text in one.lower():
                yield type(held).__name__


def texts_below(root: object, depth: int = 6) -> Iterator[str]:
    if isinstance(root, str):
        yield root
    elif depth and not isinstance(root, type | types.ModuleType | types.FunctionType):
        for child in gc.get_referents(root):
            yield from texts_below(child, depth - 1)


def held_in_word_caches(text: str) -> Iterator[str]:
    """Yield the memoised functions that refer to a text that holds this one."""
    for cached in [found for found in gc.get_objects() if isinstance(found, _lru_cache_wrapper)]:
        module = getattr(cached, "__module__", "") or ""
        if module.startswith(("context0", "stores")):
            for one in texts_below([one for one in gc.get_referents(cached) if one is not cached.__wrapped__], 4):
                if text in one.lower():
                    yield f"{module}.{cached.__name__}"
