"""The garbage collector of a serving process looks seldom, and not at what was there from the start."""

import gc

from context0.api.collector import seldom_collected


def test_it_is_seldom_collected_until_the_block_ends() -> None:
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold() > before
        assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_circles_are_collected_all_the_same() -> None:
    with seldom_collected():
        started = sum(generation["collections"] for generation in gc.get_stats())
        for _ in range(50_000):
            circle: list[object] = []
            circle.append(circle)
        assert sum(generation["collections"] for generation in gc.get_stats()) > started
        assert gc.get_count()[0] <= gc.get_threshold()[0]
