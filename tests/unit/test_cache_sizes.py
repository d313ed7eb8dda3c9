"""E2: the size of a value is what the process really takes for it."""

import json
import os
import subprocess
import sys
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pytest

from context0.cache.sizes import deep_bytes
from tests.architecture.source import ROOT
from tests.cache_growth import KINDS, Plain

TOLERANCE: Final = 0.15


class Colour(Enum):
    RED = "red" * 1_000


@pytest.fixture(scope="module")
def grown() -> dict[str, list[int]]:
    """What a process of its own took for each kind: memory that was freed before would be used again in this one."""
    probe = [sys.executable, "-m", "tests.cache_growth"]
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # it forks
    told = subprocess.run(probe, cwd=ROOT, env=alone, capture_output=True, text=True, check=True, timeout=120).stdout
    return dict(json.loads(told))


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_what_the_process_grows_by(grown: dict[str, list[int]], kind: str) -> None:
    told, real = grown[kind]
    assert told == pytest.approx(real, rel=TOLERANCE)


def test_shared_objects_count_once_and_circles_end() -> None:
    text = "x" * 10_000
    many: list[Any] = [text] * 100
    assert deep_bytes(many) < 10_000 + 2_000
    many.append(many)
    assert deep_bytes(many) < 10_000 + 3_000
    assert deep_bytes({"a": text}, [text]) < 10_000 + 1_000


def test_a_small_view_holds_the_whole_array() -> None:
    whole = np.zeros(1_000_000, np.uint8)
    assert deep_bytes(whole[:10]) > 1_000_000
    assert deep_bytes(memoryview(b"x" * 5_000)) > 5_000


def test_what_belongs_to_the_program_counts_nothing() -> None:
    assert deep_bytes(Colour.RED, Plain, deep_bytes, np, None, True, 7, "") == 0


def test_very_deep_and_odd_values_are_measured() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert deep_bytes(deep) > 10_000 * 64
    assert deep_bytes(MappingProxyType({"a": "x" * 1_000})) > 1_000
