"""The wrapper that keeps unusable vectors out of the stores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from context0.embeddings.validated import Validated
from context0.errors import EmbeddingInvalid
from tests.scripted_embedder import ScriptedEmbedder, rows_of

TEXTS = ["a", "b", "c"]


def answering(rows) -> Validated:
    return Validated(ScriptedEmbedder(lambda texts: rows))


def spoiled(value: float) -> np.ndarray:
    rows = rows_of(TEXTS)
    rows[1, 2] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (spoiled(np.nan), "vector 1 of 3 contains NaN"),
        (spoiled(np.inf), "vector 1 of 3 contains an infinity"),
        (spoiled(-np.inf), "vector 1 of 3 contains an infinity"),
        (np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32), "vector 2 of 3 is zero"),
        (np.array([[1, 0], [0, 1e300], [1, 0]]), "vector 1 of 3 contains an infinity"),
        (rows_of(TEXTS)[:2], "2 vectors for 3 texts"),
        (rows_of([*TEXTS, "d"]), "4 vectors for 3 texts"),
        (np.empty((3, 0), dtype=np.float32), "wrong dimension 0"),
        (np.ones(3, dtype=np.float32), "1 axes"),
    ],
)
async def test_refuses_unusable_vectors_and_names_what_is_wrong(rows, named):
    with pytest.raises(EmbeddingInvalid, match=named):
        await answering(rows).embed(TEXTS)


async def test_the_dimension_is_constant_from_the_first_valid_answer_on():
    provider = ScriptedEmbedder()
    embedder = Validated(provider)
    provider.answer = lambda texts: np.zeros((len(texts), 9), dtype=np.float32)
    with pytest.raises(EmbeddingInvalid):
        await embedder.embed(["a"])
    assert embedder.dimension is None
    provider.answer = rows_of
    await embedder.embed(["a"])
    assert embedder.dimension == 4
    provider.answer = lambda texts: np.ones((len(texts), 5), dtype=np.float32)
    with pytest.raises(EmbeddingInvalid, match=r"wrong dimension 5 where 4.*reindex"):
        await embedder.embed(["a"])


async def test_a_configured_dimension_holds_for_the_first_answer_too():
    provider = ScriptedEmbedder()
    provider.dimension = 3
    with pytest.raises(EmbeddingInvalid, match="wrong dimension 4 where 3"):
        await Validated(provider).embed(["a"])


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 6)),
        elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False),
    )
)
@settings(deadline=None)
async def test_every_finite_vector_that_is_not_zero_comes_to_unit_length(rows):
    rows[:, 0] += rows[:, 0] == 0
    unit = await answering(rows).embed(["t"] * len(rows))
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, exact, atol=1e-5)
    assert unit.dtype == np.float32
    assert unit.flags.c_contiguous


async def test_other_types_and_layouts_come_out_as_contiguous_float32():
    for rows in (rows_of(TEXTS).astype(np.float64), np.asfortranarray(rows_of(TEXTS)), np.eye(3, dtype=np.int64)):
        unit = await answering(rows).embed(TEXTS)
        assert unit.dtype == np.float32
        assert unit.flags.c_contiguous


async def test_extreme_but_finite_vectors_keep_their_direction():
    unit = await answering(np.array([[3e30, 4e30], [3e-30, 4e-30]], dtype=np.float32)).embed(["a", "b"])
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.6, 0.8]], rtol=1e-5)


async def test_passes_on_what_it_wraps():
    provider = ScriptedEmbedder(local=True)
    embedder = Validated(provider)
    assert (embedder.model, embedder.dimension, embedder.local) == ("scripted/4", None, True)
    assert (await embedder.embed([])).shape == (0, 4)
    await embedder.aclose()
    assert provider.closed == 1
