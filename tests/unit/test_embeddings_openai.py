"""The provider for OpenAI-compatible servers, against a server on loopback that misbehaves on demand."""

import asyncio
import traceback
from datetime import UTC, datetime

import numpy as np
import pytest
import stamina
from openai import AsyncOpenAI

from context0.embeddings.openai import OpenAIEmbedder
from context0.embeddings.openai_faults import TransientFailure, backoff, retry_after_s
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import build_embedder
from context0.errors import ConfigurationError, EmbeddingInvalid, EmbeddingUnavailable
from tests.loopback_openai import (
    CUT,
    HANG,
    Answer,
    answer_with,
    good,
    items_for,
    loopback_openai,
    one_short,
    poisoned_by,
    refusal,
    swapped,
    vector_of,
    with_vector,
)

KEY = "sk-canary-0123456789"


def rows_of(texts):
    return np.stack([vector_of(text) for text in texts])


@pytest.fixture
async def server():
    async with loopback_openai() as running:
        yield running


@pytest.fixture(autouse=True)
def no_pauses():
    with stamina.set_testing(True, attempts=6, cap=True):
        yield


@pytest.fixture
async def connect(server):
    """Return an embedder of that server; closed at the end."""
    opened = []

    def build(**options) -> OpenAIEmbedder:
        chosen = {"base_url": server.base_url, "model": "stub", "api_key": KEY, **options}
        opened.append(OpenAIEmbedder(EmbedderOptions(**chosen)))
        return opened[-1]

    yield build
    for embedder in opened:
        await embedder.aclose()


async def test_embeds_in_the_order_of_the_texts_over_one_connection(server, connect):
    embedder = connect()
    for texts in (["a", "b", "c"], ["d"], ["c", "a"]):
        np.testing.assert_array_equal(await embedder.embed(texts), rows_of(texts))
    assert server.texts == [["a", "b", "c"], ["d"], ["c", "a"]]
    assert server.connections == 1
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].path == "/v1/embeddings"


@pytest.mark.parametrize("encoding_format", ["base64", "float"])
async def test_vectors_travel_as_base64_or_as_numbers(server, connect, encoding_format):
    embedder = connect(encoding_format=encoding_format)
    np.testing.assert_allclose(await embedder.embed(["a"]), rows_of(["a"]), atol=1e-7)
    assert server.requests[0].body["encoding_format"] == encoding_format


async def test_an_answer_in_another_order_is_put_in_order_by_its_index(server, connect):
    server.script(swapped)
    np.testing.assert_array_equal(await connect().embed(["a", "b", "c"]), rows_of(["a", "b", "c"]))


async def test_many_texts_go_in_batches_at_most_four_at_a_time(server, connect):
    server.gate.clear()
    texts = [f"text {number}" for number in range(25)]
    call = asyncio.create_task(connect(max_batch_items=3).embed(texts))
    await server.arrived(4)
    server.gate.set()
    np.testing.assert_array_equal(await call, rows_of(texts))
    assert sorted(len(batch) for batch in server.texts) == [1] + [3] * 8
    assert server.peak == 4


async def test_dimensions_are_asked_for_only_when_configured(server, connect):
    plain, short = connect(), connect(dimensions=5)
    assert (plain.dimension, short.dimension) == (None, 5)
    assert (await plain.embed(["a"])).shape == (1, 8)
    assert (await short.embed(["a"])).shape == (1, 5)
    assert plain.dimension == 8
    assert "dimensions" not in server.requests[0].body
    assert server.requests[1].body["dimensions"] == 5


async def test_no_texts_cost_no_request(server, connect):
    assert (await connect().embed([])).shape == (0, 0)
    assert (await connect(dimensions=5).embed([])).shape == (0, 5)
    assert server.requests == []


async def test_a_lone_surrogate_is_sent_as_the_replacement_character(server, connect):
    await connect().embed(["a\ud800b"])
    assert server.texts == [["a\ufffdb"]]


@pytest.mark.parametrize(
    "fault",
    [refusal(500), refusal(503), refusal(429), refusal(429, retry_after="0"), refusal(408), CUT],
    ids=["500", "503", "429", "429 with Retry-After", "408", "cut"],
)
async def test_a_passing_fault_is_tried_again(server, connect, fault):
    server.script(fault, fault)
    np.testing.assert_array_equal(await connect().embed(["a"]), rows_of(["a"]))
    assert server.texts == [["a"]] * 3


async def test_a_hanging_attempt_is_given_up_and_tried_again(server, connect):
    server.script(HANG)
    np.testing.assert_array_equal(await connect(attempt_timeout_s=0.2).embed(["a"]), rows_of(["a"]))
    assert len(server.requests) > 1


async def test_a_hang_ends_at_the_deadline(server, connect):
    server.otherwise = HANG
    with pytest.raises(EmbeddingUnavailable, match=r"no answer within 0\.1 s"):
        await connect(deadline_s=0.1).embed(["a"])


async def test_the_deadline_names_what_happened_before_it(server, connect):
    server.script(refusal(500))
    server.otherwise = HANG
    with pytest.raises(EmbeddingUnavailable, match=r"last: .*500"):
        await connect(deadline_s=1).embed(["a"])


async def test_a_fault_that_stays_is_told_after_six_attempts(server, connect):
    server.otherwise = refusal(500)
    with pytest.raises(EmbeddingUnavailable, match="the server answered 500"):
        await connect().embed(["a"])
    assert len(server.requests) == 6


async def test_an_outage_gets_a_tenth_more_requests_by_retries_and_a_few(server, connect):
    server.otherwise = refusal(503)
    embedder = connect()
    for number in range(50):
        with pytest.raises(EmbeddingUnavailable):
            await embedder.embed([f"text {number}"])
    assert len(server.requests) == 50 + 10 + 5
    server.otherwise = good
    await embedder.embed(["after it"])


async def test_waiting_beyond_the_deadline_is_not_begun(server, connect):
    server.script(refusal(429, retry_after="3600"))
    with pytest.raises(EmbeddingUnavailable, match="429 and asks to wait 3600 s"):
        await connect().embed(["a"])
    assert len(server.requests) == 1


async def test_an_address_where_nobody_listens_is_unavailable(server, connect):
    with pytest.raises(EmbeddingUnavailable, match="cannot be reached"):
        await connect(base_url="http://127.0.0.1:9/v1").embed(["a"])


@pytest.mark.parametrize(
    ("status", "code", "error", "hint"),
    [
        (401, "invalid_api_key", EmbeddingUnavailable, r"401 \(invalid_api_key\).*embedding_api_key"),
        (403, None, EmbeddingUnavailable, "403.*embedding_api_key"),
        (404, "model_not_found", EmbeddingUnavailable, "404.*embedding_model"),
        (429, "insufficient_quota", EmbeddingUnavailable, "insufficient_quota"),
        (400, None, EmbeddingInvalid, "empty or too long"),
        (413, None, EmbeddingInvalid, "413"),
        (422, None, EmbeddingInvalid, "422"),
    ],
)
async def test_a_lasting_refusal_is_told_at_once(server, connect, status, code, error, hint):
    server.script(refusal(status, code=code))
    with pytest.raises(error, match=hint):
        await connect().embed(["a"])
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_the_servers_words_never_show_in_message_or_traceback(server, connect, status, caplog, capfd):
    server.otherwise = refusal(status, message=f"key {KEY} with input 'my diary'", code=KEY)
    with pytest.raises((EmbeddingInvalid, EmbeddingUnavailable)) as raised:
        await connect().embed(["my diary"])
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value.__cause__)
    told += caplog.text + "".join(capfd.readouterr())
    assert KEY not in told
    assert "with input" not in told
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (one_short, "2 vectors for 3 texts"),
        (with_vector([1.0, 2.0]), "wrong dimension"),
        (with_vector("not base64!"), "vector 0 .* not a list of numbers"),
        (with_vector({"a": 1}), "vector 0 .* not a list of numbers"),
        (with_vector([[1.0], [2.0]], at=1), "vector 1 .* not a list of numbers"),
        (Answer(b"[]"), "no list of vectors"),
        (Answer(b"{}"), "no list of vectors"),
        (Answer(b"<html>", headers={"content-type": "text/html"}), "no list of vectors"),
        (Answer(b"{broken"), "cannot be read"),
    ],
)
async def test_an_unusable_answer_is_refused(server, connect, reply, named):
    server.script(reply)
    with pytest.raises(EmbeddingInvalid, match=named):
        await connect().embed(["a", "b", "c"])
    assert len(server.requests) == 1


@pytest.mark.parametrize("indexes", [[0, 0], [0, 2], [-1, 0], [None, 1], ["0", 1]])
async def test_an_answer_that_numbers_its_vectors_wrongly_is_refused(server, connect, indexes):
    def misnumbered(request):
        numbered = zip(items_for(request), indexes, strict=True)
        return answer_with([{**item, "index": index} for item, index in numbered])

    server.script(misnumbered)
    with pytest.raises(EmbeddingInvalid, match="each index must occur once"):
        await connect().embed(["a", "b"])


async def test_a_failed_batch_fails_the_call_and_stops_the_rest(server, connect):
    server.script(refusal(400))
    with pytest.raises(EmbeddingInvalid):
        await connect(max_batch_items=1).embed([f"text {number}" for number in range(50)])
    assert len(server.requests) < 50


async def test_batches_of_different_dimensions_are_refused(server, connect):
    server.script(with_vector([1.0, 2.0]))
    with pytest.raises(EmbeddingInvalid, match=r"wrong dimension: \[2, 8\]"):
        await connect(max_batch_items=1).embed(["a", "b"])


async def test_a_cancelled_caller_frees_its_slot(server, connect):
    embedder = connect()
    server.gate.clear()
    callers = [asyncio.create_task(embedder.embed([f"text {number}"])) for number in range(4)]
    await server.arrived(4)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    server.gate.set()
    np.testing.assert_array_equal(await embedder.embed(["a"]), rows_of(["a"]))


async def test_closing_fails_calls_under_way_and_later_ones(server, connect):
    embedder = connect()
    server.gate.clear()
    call = asyncio.create_task(embedder.embed(["a"]))
    await server.arrived(1)
    await embedder.aclose()
    await embedder.aclose()
    for attempt in (call, embedder.embed(["b"])):
        with pytest.raises(EmbeddingUnavailable, match="closed"):
            await attempt


async def test_a_client_that_was_handed_in_stays_open(server):
    async with AsyncOpenAI(api_key="k", base_url=server.base_url, max_retries=0) as client:
        for _ in range(2):
            embedder = OpenAIEmbedder(EmbedderOptions(model="stub"), client=client)
            await embedder.embed(["a"])
            await embedder.aclose()
        assert not client.is_closed()


async def test_a_server_without_a_key_gets_none_of_ours(server, connect, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    await connect(api_key=None).embed(["a"])
    assert KEY not in server.requests[0].headers["authorization"]


def test_openai_itself_needs_a_key():
    with pytest.raises(ConfigurationError, match="embedding_api_key"):
        OpenAIEmbedder(EmbedderOptions())


async def test_the_whole_stack_keeps_bad_vectors_out_and_serves_the_others(server):
    options = EmbedderOptions(base_url=server.base_url, model="stub", window_ms=1)
    embedder = build_embedder("openai", options)
    await embedder.embed(["first"])
    for vector in ([0.0] * 8, [float("nan")] * 8, [float("inf")] + [0.0] * 7, [1.0, 2.0]):
        server.requests.clear()
        server.otherwise = poisoned_by("bad", vector)
        asked = [[f"good {vector}"], ["bad"], [f"fine {vector}"]]
        good, bad, fine = await asyncio.gather(*(embedder.embed(texts) for texts in asked), return_exceptions=True)
        assert isinstance(bad, EmbeddingInvalid)
        np.testing.assert_allclose(np.concatenate([good, fine]), rows_of([asked[0][0], asked[2][0]]), atol=1e-6)
        assert server.texts[0] == [asked[0][0], "bad", asked[2][0]]
        with pytest.raises(EmbeddingInvalid):
            await embedder.embed(["bad"])
    await embedder.aclose()


async def test_a_thousand_concurrent_queries_cost_one_request_for_one_text_and_few_for_many(server):
    embedder = build_embedder("openai", EmbedderOptions(base_url=server.base_url, model="stub", window_ms=20))
    await asyncio.gather(*(embedder.embed(["the same"]) for _ in range(1000)))
    assert server.texts == [["the same"]]
    await asyncio.gather(*(embedder.embed([f"text {number}"]) for number in range(1000)))
    assert sorted(len(texts) for texts in server.texts[1:]) == [232, 256, 256, 256]
    await embedder.aclose()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Mon, 01 Jun 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon, 01 Jun 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_reads_retry_after_in_all_its_forms(headers, seconds):
    assert retry_after_s(headers, now=datetime(2026, 6, 1, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        (TransientFailure("x"), True),
        (TransientFailure("x", retry_after_s=4.0), 4.0),
        (TransientFailure("x", retry_after_s=5.0), False),
        (EmbeddingUnavailable("x"), False),
        (EmbeddingInvalid("x"), False),
        (ValueError("x"), False),
    ],
)
def test_decides_whether_and_when_to_try_again(error, decision):
    decided = backoff(error, remaining_s=5.0)
    assert (type(decided), decided) == (type(decision), decision)
