"""A4, B10: which caches an engine gets by its settings: each has a size, a time and a switch."""

from pathlib import Path
from typing import Any

import pytest

from context0.embeddings.cached import Cached
from context0.errors import ConfigurationError
from context0.memory.engine import MemoryEngine
from context0.runtime import build_parts
from context0.settings import Settings
from stores.redis.cache import RedisCache
from stores.registry import StoreOptions, build_cache


def settings(folder: Path, **named: Any) -> Settings:
    return Settings(data_dir=folder, store_url=f"sqlite:///{folder}/x.db", **named)


async def test_a_url_names_the_shared_cache_and_memory_is_none() -> None:
    assert build_cache("memory://", StoreOptions()) is None
    store = build_cache("redis://127.0.0.1:1/0", StoreOptions(cache_deadline_ms=70))
    assert isinstance(store, RedisCache)
    assert store._options.deadline_s == 0.07
    await store.aclose()


def test_another_url_is_told_with_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"memcached.*redis://"):
        build_parts(settings(tmp_path, cache_url="memcached://host"))


async def test_the_caches_are_on_by_default_and_off_with_no_size(tmp_path: Path) -> None:
    async with MemoryEngine(settings(tmp_path)) as engine:
        assert (engine._answers.searches.on, engine._answers.lists.on) == (True, True)
        assert engine._parts.shared is None
    off = {"search_cache_bytes": 0, "list_cache_bytes": 0, "embedding_cache_bytes": 0, "context_cache_bytes": 0}
    remote = {"embedding_provider": "openai", "embedding_api_key": "k"}
    async with MemoryEngine(settings(tmp_path, **off, **remote)) as engine:
        assert (engine._answers.searches.on, engine._answers.lists.on) == (False, False)
        assert not isinstance(engine._parts.embedder, Cached)


async def test_an_engine_works_where_its_shared_cache_cannot_be_reached(tmp_path: Path) -> None:
    async with MemoryEngine(settings(tmp_path, cache_url="redis://127.0.0.1:1/0")) as engine:
        await engine.add("anna likes tea", user_id="anna")
        for _ in range(3):
            found = await engine.search("tea", user_id="anna")
            assert [item.memory.content for item in found.items] == ["anna likes tea"]
        shared = engine._parts.shared
        assert shared is not None
        assert shared.statistics().failures > 0
        assert engine.recorder.caches()["searches"].hits == 2  # type: ignore[attr-defined]  # measurements are on
