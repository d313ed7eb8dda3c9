"""The vectors of all peers: wordllama's static 256-d table, computed once before anything is timed."""

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.corpus import Corpus, Memory, Question
from harness.dataset import Ask, Turn

DIMENSION = 256
SINGLE_TEXTS_TIMED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedTime:
    """What embedding costs by itself: loading the model (imported before), one text at a time, a text in one batch."""

    load_ms: float
    single_ms: float
    batched_ms: float


class StaticModel(Protocol):
    def embed(self, texts: list[str], *, norm: bool) -> NDArray[np.float32]: ...


class PrecomputedEmbedder:
    """An embedding function for peers that insist on one: looks the vector up, computes nothing."""

    def __init__(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        self._vectors = vectors

    @classmethod
    def of(cls, texts: Iterable[Memory | Question]) -> "PrecomputedEmbedder":
        return cls({t.content if isinstance(t, Memory) else t.text: t.vector for t in texts})

    def vector(self, text: str) -> NDArray[np.float32]:
        """Return the vector of `text`; KeyError when it is not of the corpus."""
        return self._vectors[text]

    def __call__(self, text: str) -> list[float]:
        return self.vector(text).tolist()


def embedded(*, turns: list[Turn], size: int, questions: list[Ask], warmups: list[Ask]) -> tuple[Corpus, EmbedTime]:
    """Embed every text; return the corpus, and what embedding took."""
    package = import_module("wordllama")
    started = time.perf_counter()
    model = _loaded(package)
    load_ms = (time.perf_counter() - started) * 1e3
    texts = [turn.content for turn in turns]
    started = time.perf_counter()
    vectors = _embed(model, texts)
    batched_ms = (time.perf_counter() - started) * 1e3 / len(texts)
    memories = [
        Memory(
            row=row,
            owner=turn.owner,
            content=turn.content,
            speaker=turn.speaker,
            session_id=turn.session_id,
            occurred_at=turn.occurred_at,
            vector=vectors[row],
        )
        for row, turn in enumerate(turns)
    ]
    asked, warmed = (
        [
            Question(owner=ask.owner, text=ask.text, vector=vector)
            for ask, vector in zip(asks, _embed(model, [ask.text for ask in asks]), strict=True)
        ]
        for asks in (questions, warmups)
    )
    single_ms = _single_ms(model, [question.text for question in asked])
    return (
        Corpus(size=size, memories=memories, questions=asked, warmups=warmed),
        EmbedTime(load_ms=load_ms, single_ms=single_ms, batched_ms=batched_ms),
    )


def _loaded(package: ModuleType) -> StaticModel:
    folder = Path(package.__file__ or "").parent  # 0.4.0 looks for its tokenizer in the wrong place otherwise
    model: StaticModel = package.WordLlama.load(dim=DIMENSION, cache_dir=folder, disable_download=True)
    return model


def _embed(model: StaticModel, texts: list[str]) -> NDArray[np.float32]:
    return np.ascontiguousarray(model.embed(texts, norm=True), dtype=np.float32)


def _single_ms(model: StaticModel, texts: list[str]) -> float:
    times = []
    for text in texts[:SINGLE_TEXTS_TIMED]:
        started = time.perf_counter()
        model.embed([text], norm=True)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)
