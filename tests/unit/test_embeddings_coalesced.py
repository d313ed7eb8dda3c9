"""Concurrent callers share one provider request."""

import asyncio

import numpy as np
import pytest

from context0.embeddings.coalesced import Coalesced
from context0.embeddings.validated import Validated
from context0.errors import EmbeddingInvalid, EmbeddingUnavailable
from tests.scripted_embedder import ScriptedEmbedder, rows_of

AN_HOUR_MS = 3_600_000


def refusing(*poison):
    """Refuse a request that holds one of these texts."""

    def answer(texts):
        if set(poison) & set(texts):
            raise EmbeddingInvalid("refused")
        return rows_of(texts)

    return answer


async def ask_all(embedder, *texts):
    return await asyncio.gather(*(embedder.embed(each) for each in texts), return_exceptions=True)


async def test_concurrent_callers_join_into_one_request_and_each_gets_its_rows():
    provider = ScriptedEmbedder()
    embedder = Coalesced(provider, window_ms=AN_HOUR_MS, max_batch_items=6)
    answers = await ask_all(embedder, ["a"], ["b", "c"], ["d", "e", "f"])
    assert provider.calls == [["a", "b", "c", "d", "e", "f"]]
    for answer, texts in zip(answers, (["a"], ["b", "c"], ["d", "e", "f"]), strict=True):
        np.testing.assert_array_equal(answer, rows_of(texts))


async def test_the_window_closes_by_itself():
    provider = ScriptedEmbedder()
    embedder = Coalesced(provider, window_ms=1)
    await ask_all(embedder, ["a"], ["b"])
    await ask_all(embedder, ["c"])
    assert provider.calls == [["a", "b"], ["c"]]


async def test_a_request_never_exceeds_the_batch_size():
    provider = ScriptedEmbedder()
    embedder = Coalesced(provider, window_ms=0, max_batch_items=4)
    await ask_all(embedder, ["a", "b"], ["c"], ["d", "e"], ["f"], ["g"])
    assert [len(call) for call in provider.calls] == [3, 4]


async def test_a_call_that_fills_a_batch_is_passed_on_at_once_by_itself():
    provider = ScriptedEmbedder()
    embedder = Coalesced(provider, window_ms=AN_HOUR_MS, max_batch_items=2)
    assert (await embedder.embed(["a", "b", "c"])).shape == (3, 4)
    assert (await embedder.embed([])).shape == (0, 4)
    assert provider.calls == [["a", "b", "c"], []]


async def test_a_thousand_callers_cost_few_requests():
    provider = ScriptedEmbedder()
    embedder = Coalesced(provider, window_ms=0, max_batch_items=256)
    answers = await ask_all(embedder, *([f"text {number}"] for number in range(1000)))
    assert len(provider.calls) == 4
    np.testing.assert_array_equal(np.concatenate(answers), rows_of([f"text {number}" for number in range(1000)]))


async def test_a_caller_that_leaves_before_the_request_is_left_out_of_it():
    provider = ScriptedEmbedder()
    embedder = Coalesced(provider, window_ms=0)
    stays, leaves = (asyncio.create_task(embedder.embed([text])) for text in ("stays", "leaves"))
    await asyncio.sleep(0)
    leaves.cancel()
    assert (await stays).shape == (1, 4)
    assert provider.calls == [["stays"]]
    assert leaves.cancelled()


@pytest.mark.parametrize("who", ["first", "last"])
async def test_a_caller_that_leaves_during_the_request_does_not_fail_the_others(who):
    provider = ScriptedEmbedder()
    provider.gate.clear()
    embedder = Coalesced(provider, window_ms=AN_HOUR_MS, max_batch_items=3)
    callers = {name: asyncio.create_task(embedder.embed([name])) for name in ("first", "middle", "last")}
    await provider.called(1)
    callers[who].cancel()
    await asyncio.sleep(0)
    provider.gate.set()
    for name, caller in callers.items():
        if name != who:
            np.testing.assert_array_equal(await caller, rows_of([name]))
    assert len(provider.calls) == 1


async def test_when_every_caller_has_left_no_request_is_made():
    provider = ScriptedEmbedder()
    embedder = Coalesced(provider, window_ms=0)
    caller = asyncio.create_task(embedder.embed(["a"]))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    await embedder.embed(["b"])
    assert provider.calls == [["b"]]


async def test_an_error_goes_to_the_callers_of_that_request_only():
    def answer(texts):
        if "down" in texts:
            raise EmbeddingUnavailable("no answer")
        return rows_of(texts)

    provider = ScriptedEmbedder(answer)
    embedder = Coalesced(provider, window_ms=AN_HOUR_MS, max_batch_items=2)
    one, two, three, four = await ask_all(embedder, ["down"], ["a"], ["b"], ["c"])
    assert isinstance(one, EmbeddingUnavailable)
    assert isinstance(two, EmbeddingUnavailable)
    np.testing.assert_array_equal([three[0], four[0]], rows_of(["b", "c"]))
    assert len(provider.calls) == 2  # an outage is not split: every half would fail as well


async def test_a_refused_request_is_split_until_only_the_caller_with_the_bad_text_fails():
    provider = ScriptedEmbedder(refusing("bad"))
    embedder = Coalesced(provider, window_ms=AN_HOUR_MS, max_batch_items=8)
    answers = await ask_all(embedder, *([text] for text in ("a", "b", "c", "bad", "d", "e", "f", "g")))
    failed = [index for index, answer in enumerate(answers) if isinstance(answer, EmbeddingInvalid)]
    assert failed == [3]
    for text, answer in zip(["a", "b", "c"], answers, strict=False):
        np.testing.assert_array_equal(answer, rows_of([text]))
    assert len(provider.calls) == 7  # 8, 4+4, 2+2, 1+1


async def test_a_vector_that_fails_validation_is_isolated_in_the_same_way():
    def answer(texts):
        rows = rows_of(texts)
        rows[[text == "bad" for text in texts]] = np.nan
        return rows

    embedder = Coalesced(Validated(ScriptedEmbedder(answer)), window_ms=AN_HOUR_MS, max_batch_items=4)
    good, bad, *others = await ask_all(embedder, ["a"], ["bad"], ["b"], ["c"])
    assert isinstance(bad, EmbeddingInvalid)
    np.testing.assert_array_equal(np.concatenate([good, *others]), rows_of(["a", "b", "c"]))


async def test_a_single_caller_with_a_bad_text_costs_one_request():
    provider = ScriptedEmbedder(refusing("bad"))
    with pytest.raises(EmbeddingInvalid):
        await Coalesced(provider, window_ms=0).embed(["a", "bad", "b"])
    assert len(provider.calls) == 1


@pytest.mark.parametrize("under_way", [True, False])
async def test_closing_fails_the_calls_under_way_and_all_later_ones(under_way):
    provider = ScriptedEmbedder()
    provider.gate.clear()
    embedder = Coalesced(provider, window_ms=AN_HOUR_MS, max_batch_items=2 if under_way else 9)
    callers = [asyncio.create_task(embedder.embed([text])) for text in "ab"]
    await (provider.called(1) if under_way else asyncio.sleep(0))
    await embedder.aclose()
    for answer in await asyncio.gather(*callers, return_exceptions=True):
        assert isinstance(answer, EmbeddingUnavailable)
    with pytest.raises(EmbeddingUnavailable):
        await embedder.embed(["c"])
    await embedder.aclose()


async def test_passes_on_what_it_wraps():
    embedder = Coalesced(ScriptedEmbedder())
    assert (embedder.model, embedder.dimension, embedder.local) == ("scripted/4", None, False)
