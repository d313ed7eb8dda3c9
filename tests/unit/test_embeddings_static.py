"""The offline default embedder."""

import asyncio
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context0.embeddings import static as static_module
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.static import StaticEmbedder
from context0.embeddings.word_vectors import WordVectors, load_word_vectors
from context0.errors import ConfigurationError

TEXTS = [
    "Where did Anna move to in May?",
    "x",
    " leading and  double spaces ",
    "line\nbreak\tand\x00nul",
    "Straße, naïve café, Ελληνικά, кириллица, 日本語",
    "🦜🏽 a parrot <s> and a token </s>",
    "​",
    "the same words again and again " * 900,
]


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    return load_word_vectors()


def test_vectors_are_those_of_wordllama_itself(vectors, tmp_path):
    program = f"""
from pathlib import Path
import numpy, wordllama
folder = Path(wordllama.__file__).parent
model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
numpy.save({str(tmp_path / "theirs.npy")!r}, model.embed({TEXTS!r}, norm=True))
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)  # it configures the root logger
    theirs = np.load(tmp_path / "theirs.npy")
    ours = vectors.embed(TEXTS)
    np.testing.assert_allclose(ours[:-1], theirs[:-1], atol=1e-6)
    np.testing.assert_allclose(ours[-1], theirs[-1], atol=1e-5)  # they add 5,000 rows up in one go, which rounds more


def test_embeds_the_whole_of_a_long_text(vectors):
    beginning = "the cat sat on the mat. " * 2000
    assert not np.allclose(vectors.embed([beginning]), vectors.embed([beginning + "quantum chromodynamics " * 2000]))


def test_a_text_gets_the_same_vector_alone_and_among_many(vectors):
    many = [f"text number {number}" for number in range(1500)]
    together = vectors.embed(many)
    np.testing.assert_array_equal(together[777], vectors.embed(many[777:778])[0])


@given(st.text(st.characters(codec=None), max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_gets_a_unit_vector(text):
    vectors = _shared()
    vector = vectors.embed([text])
    assert vector.shape == (1, 256)
    assert vector.dtype == np.float32
    assert abs(np.linalg.norm(vector[0]) - 1) < 1e-5
    np.testing.assert_array_equal(vector, vectors.embed([text]))


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "a\udfffb", "\U000e0001", "\ufeff"])
def test_texts_without_words_get_valid_vectors_too(vectors, text):
    [alone] = vectors.embed([text])
    [_, among] = vectors.embed(["hello", text])
    assert np.isfinite(alone).all()
    assert abs(np.linalg.norm(alone) - 1) < 1e-6
    np.testing.assert_array_equal(alone, among)


async def test_says_what_it_is_before_it_is_loaded():
    embedder = StaticEmbedder()
    assert (embedder.model, embedder.dimension, embedder.local) == ("static/wordllama-256", 256, True)


async def test_concurrent_first_uses_load_once_and_off_the_event_loop(monkeypatch):
    threads = []

    def load():
        threads.append(threading.current_thread())
        return _shared()

    monkeypatch.setattr(static_module, "load_word_vectors", load)
    embedder = StaticEmbedder()
    answers = await asyncio.gather(*(embedder.embed([f"text {number}"]) for number in range(20)))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    assert {answer.shape for answer in answers} == {(1, 256)}


async def test_a_first_caller_that_gives_up_does_not_waste_its_load(monkeypatch):
    loads = 0
    release = threading.Event()

    def load():
        nonlocal loads
        loads += 1
        release.wait(5)
        return _shared()

    monkeypatch.setattr(static_module, "load_word_vectors", load)
    embedder = StaticEmbedder()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await embedder.embed(["first"])
    second = asyncio.create_task(embedder.embed(["second"]))
    await asyncio.sleep(0)
    release.set()
    assert (await second).shape == (1, 256)
    assert loads == 1


async def test_a_failed_load_is_tried_again(monkeypatch):
    outcomes = [ConfigurationError("no weights"), _shared()]

    def load():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(static_module, "load_word_vectors", load)
    embedder = StaticEmbedder()
    with pytest.raises(ConfigurationError):
        await embedder.embed(["text"])
    assert (await embedder.embed(["text"])).shape == (1, 256)


async def test_no_texts_load_the_model_and_answer_an_empty_matrix():
    embedder = StaticEmbedder()
    empty = await embedder.embed([])
    assert empty.shape == (0, 256)
    assert embedder._vectors is not None
    await embedder.aclose()
    await embedder.aclose()


@pytest.mark.parametrize(
    ("texts", "inline"),
    [(["a query"], True), (["short"] * 64, True), (["short"] * 65, False), (["x" * 5000], False)],
)
async def test_only_work_of_about_a_millisecond_stays_on_the_event_loop(monkeypatch, texts, inline):
    seen = []

    class Spy:
        def embed(self, texts):
            seen.append(threading.current_thread() is threading.main_thread())
            return np.zeros((len(texts), 256), dtype=np.float32)

    monkeypatch.setattr(static_module, "load_word_vectors", Spy)
    await StaticEmbedder().embed(texts)
    assert seen == [inline]


async def test_needs_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert (await StaticEmbedder().embed(["text"])).shape == (1, 256)


def test_refuses_a_model_that_is_not_in_the_wheel():
    with pytest.raises(ConfigurationError, match="wordllama-256"):
        StaticEmbedder(EmbedderOptions(model="wordllama-1024"))


_LOADED: list[WordVectors] = []


def _shared() -> WordVectors:
    if not _LOADED:
        _LOADED.append(load_word_vectors())
    return _LOADED[0]
