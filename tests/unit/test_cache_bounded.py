"""The cache in memory (A3): bytes, time, what stays when there is no room, and its figures."""

import random
from collections import OrderedDict
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.cache.bounded import ENTRY_BYTES, BoundedCache
from context0.cache.eviction import Segments
from context0.cache.frequency import FrequencySketch
from context0.cache.generations import Generations

SIZE: Final = 1_000 - ENTRY_BYTES


class Timer:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def cache_of(entries: int, timer: Timer | None = None, ttl_s: float = 60) -> BoundedCache[str, object]:
    return BoundedCache(max_bytes=1_000 * entries, ttl_s=ttl_s, size_of=lambda *_: SIZE, timer=timer or Timer())


def test_a_value_is_there_until_its_time_is_over() -> None:
    timer = Timer()
    cache = cache_of(10, timer)
    cache.put("a", 1)
    cache.put("b", 2, ttl_s=5)
    cache.put("c", 3, ttl_s=500)
    timer.now += 5
    assert [cache.get(key, None) for key in "abc"] == [1, None, 3]
    timer.now += 55
    assert [cache.get(key, None) for key in "abc"] == [None, None, None]
    told = cache.statistics()
    assert (told.entries, told.bytes, told.expirations, told.evictions) == (0, 0, 3, 0)


def test_that_there_is_nothing_can_be_remembered() -> None:
    cache = cache_of(10)
    cache.put("a", None)
    assert cache.get("a", "absent") is None
    assert cache.get("b", "absent") == "absent"


def test_figures_are_true() -> None:
    timer = Timer()
    cache = cache_of(10, timer)
    for key in "abc":
        cache.put(key, key)
    timer.now += 7
    cache.put("a", "again")
    assert [cache.get(key, None) for key in "abx"] == ["again", "b", None]
    told = cache.statistics()
    assert (told.hits, told.misses, told.entries, told.bytes, told.oldest_s) == (2, 1, 3, 3_000, 7)
    assert told.reading().hit_rate == pytest.approx(2 / 3)
    assert cache.discard_where(lambda value: value == "b") == 1
    cache.clear()
    assert cache.statistics().bytes == 0


def test_what_is_larger_than_the_cache_is_not_kept_nor_what_stood_in_its_place() -> None:
    cache: BoundedCache[str, str] = BoundedCache(max_bytes=5_000, ttl_s=60)
    cache.put("a", "small")
    cache.put("b", "small")
    cache.put("a", "x" * 6_000)
    assert (cache.get("a", None), cache.get("b", None)) == (None, "small")


def test_keys_that_are_replaced_for_ever_leave_no_trail() -> None:
    cache = cache_of(10)
    for number in range(10_000):
        cache.put("a", number)
    assert len(cache._ages) < 100


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3_000), st.sampled_from(["put", "get", "drop"]))))
def test_it_never_holds_more_than_its_bytes_and_its_parts_agree(steps: list[tuple[int, int, str]]) -> None:
    cache: BoundedCache[int, int] = BoundedCache(
        max_bytes=20_000, ttl_s=60, size_of=lambda _, value: value, timer=Timer()
    )
    for key, size, step in steps:
        if step == "put":
            cache.put(key, size)
        elif step == "get":
            held = cache.get(key, None)
            assert held is None or held > 0
        else:
            cache.discard(key)
        entries, segments = cache._entries, cache._segments
        parts = [segments._window, segments._probation, segments._protected]
        assert sum(entry.size for entry in entries.values()) == segments.bytes <= 20_000
        assert sorted(key for part in parts for key in part) == sorted(entries)
        assert [sum(part.values()) for part in parts] == [
            segments._window_bytes,
            segments._probation_bytes,
            segments._protected_bytes,
        ]


def test_a_scan_pushes_out_nothing_that_is_asked_for_again_and_again() -> None:
    cache = cache_of(100)
    for _ in range(5):
        for number in range(50):
            if cache.get(f"hot {number}", None) is None:
                cache.put(f"hot {number}", number)
    for number in range(10_000):
        cache.put(f"once {number}", number)
    assert sum(cache.get(f"hot {number}", None) is not None for number in range(50)) == 50


def hits_of_lru(keys: list[int], entries: int) -> int:
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in keys:
        if key in held:
            hits += 1
            held.move_to_end(key)
        else:
            held[key] = None
            if len(held) > entries:
                held.popitem(last=False)
    return hits


def hits_of_ours(keys: list[int], entries: int) -> int:
    cache = cache_of(entries)
    for key in keys:
        if cache.get(str(key), None) is None:
            cache.put(str(key), key)
    return cache.statistics().hits


def test_it_hits_more_often_than_least_recently_used_where_some_keys_are_famous() -> None:
    draw = random.Random(1)
    keys = draw.choices(range(10_000), [1 / rank for rank in range(1, 10_001)], k=50_000)
    assert hits_of_ours(keys, 500) > hits_of_lru(keys, 500) * 1.05


def test_old_fame_fades() -> None:
    draw = random.Random(1)
    weights = [1 / rank for rank in range(1, 1_001)]
    keys = [key + 1_000 * phase for phase in range(5) for key in draw.choices(range(1_000), weights, k=20_000)]
    assert hits_of_ours(keys, 100) > hits_of_lru(keys, 100)


def test_the_sketch_never_tells_too_little_and_halving_fades() -> None:
    sketch = FrequencySketch(64)
    for number in range(12):
        for _ in range(number):
            sketch.add(number)
    assert all(sketch.estimate(number) >= number for number in range(12))
    before = sketch.estimate(11)
    sketch.halve()
    assert sketch.estimate(11) == before // 2


def test_a_large_newcomer_has_to_be_worth_all_that_goes_for_it() -> None:
    segments: Segments[str] = Segments(1_000)
    for number in range(9):
        segments.add(f"small {number}", 100)
        segments.missed(f"small {number}")
    segments.missed("large")
    assert segments.add("large", 900)[-1] == "large"
    for _ in range(14):
        segments.missed("large")
    assert "large" not in segments.add("large", 900)


def test_a_generation_is_never_used_twice_also_after_an_owner_was_forgotten() -> None:
    generations = Generations(max_owners=2)
    seen = [generations.of("anna"), generations.move("anna"), generations.of("ben"), generations.of("carl")]
    seen.append(generations.of("anna"))
    assert len(set(seen)) == 5
    assert generations.of("anna") == seen[-1]
    assert len(generations) == 2
