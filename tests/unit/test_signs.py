"""The signs of vectors propose the nearest, and their octets choose of these: whatever the dimension, whatever share
may be found, however alike."""

import numpy as np
import pytest

from stores.local.octets import Octets, octets_of, octets_width
from stores.local.signs import Signs, signs_of, width_of
from stores.records import FloatMatrix

MANY = 40_000


def unit(count: int, dimension: int, seed: int, centres: int = 400) -> FloatMatrix:
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(99).standard_normal((centres, dimension), np.float32)
    rows = middles[random.integers(0, centres, count)] + random.standard_normal((count, dimension), np.float32)
    normed: FloatMatrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return normed


@pytest.mark.parametrize(("dimension", "width"), [(1, 8), (64, 8), (65, 16), (256, 32), (384, 48), (1_536, 192)])
def test_signs_take_a_bit_a_number_in_whole_words(dimension: int, width: int) -> None:
    assert width_of(dimension) == width
    bits = signs_of(unit(3, dimension, 1))
    assert bits.shape == (3, width)
    assert not np.unpackbits(bits, axis=1)[:, dimension:].any()


@pytest.mark.parametrize("dimension", [100, 256, 384])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.005])
def test_the_nearest_of_those_allowed_are_among_what_is_proposed(dimension: int, share: float) -> None:
    rows = unit(MANY, dimension, 1)
    signs, octets = Signs(signs_of(rows)), Octets(*octets_of(rows))
    allowed = np.random.default_rng(3).random(MANY) < share
    found = 0
    for question in unit(20, dimension, 2):
        proposed = signs.near(question, 2_500, allowed, int(allowed.sum()))
        assert allowed[proposed].all()
        assert len(set(proposed.tolist())) == len(proposed) <= 5_000
        chosen = octets.nearest(proposed, question, 40)
        assert len(chosen) == min(40, len(proposed))
        scores = np.where(allowed, rows @ question, -2.0)
        found += len(set(np.argsort(-scores)[:10].tolist()) & set(chosen.tolist()))
    assert found >= 0.99 * 200


def test_a_row_is_found_by_its_own_vector_and_not_by_the_opposite() -> None:
    rows = unit(MANY, 256, 1)
    signs, allowed = Signs(signs_of(rows)), np.ones(MANY, np.bool_)
    for number in range(0, MANY, 4_000):
        assert number in signs.near(rows[number], 10, allowed, MANY)
        assert number not in signs.near(-rows[number], 10, allowed, MANY)


def test_so_many_that_are_all_alike_are_no_harm() -> None:
    rows = np.repeat(unit(2, 256, 1), MANY // 2, axis=0)
    signs, allowed = Signs(signs_of(rows)), np.ones(MANY, np.bool_)
    near = signs.near(rows[0], 500, allowed, MANY)
    assert 250 <= len(near) <= 1_000
    assert (near < MANY // 2).all()


def test_all_that_may_be_found_are_proposed_where_there_are_few() -> None:
    signs, allowed = Signs(signs_of(unit(1_000, 64, 1))), np.zeros(1_000, np.bool_)
    assert signs.near(unit(1, 64, 2)[0], 10, allowed, 0).tolist() == []
    allowed[[3, 700]] = True
    assert signs.near(unit(1, 64, 2)[0], 10, allowed, 2).tolist() == [3, 700]


@pytest.mark.parametrize(("dimension", "width"), [(1, 4), (64, 64), (65, 68), (384, 384)])
def test_octets_are_within_half_a_step_of_the_numbers(dimension: int, width: int) -> None:
    rows = unit(30, dimension, 1)
    rows[3] = 0
    octets, scales = octets_of(rows)
    assert (octets.shape, octets_width(dimension)) == ((30, width), width)
    assert (np.abs(octets[:, :dimension] * scales[:, None] - rows) <= scales[:, None] * 0.5001).all()
    assert not octets[:, dimension:].any()
