"""The corpus that all peers are given: memories, questions and their vectors, on disk for the worker processes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One turn of a conversation, with the vector of its content (float32, unit length)."""

    row: int
    owner: str
    content: str
    speaker: str
    session_id: str
    occurred_at: datetime
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A paraphrase of one memory of `owner`, with its vector (float32, unit length)."""

    owner: str
    text: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """`memories[:size]` are loaded in bulk, grouped by owner; the rest are kept for single adds."""

    size: int
    memories: Sequence[Memory]
    questions: Sequence[Question]
    warmups: Sequence[Question]

    @property
    def owners(self) -> list[str]:
        return list(dict.fromkeys(memory.owner for memory in self.memories[: self.size]))

    @property
    def spare(self) -> Sequence[Memory]:
        return self.memories[self.size :]


def save(corpus: Corpus, folder: Path) -> None:
    """Write `corpus` into `folder` as one JSON and one npz file."""
    rows = [[m.owner, m.content, m.speaker, m.session_id, m.occurred_at.isoformat()] for m in corpus.memories]
    texts = {
        "size": corpus.size,
        "memories": rows,
        "questions": [[question.owner, question.text] for question in corpus.questions],
        "warmups": [[question.owner, question.text] for question in corpus.warmups],
    }
    (folder / "corpus.json").write_text(json.dumps(texts), encoding="utf-8")
    np.savez(
        folder / "vectors.npz",
        memories=np.stack([memory.vector for memory in corpus.memories]),
        questions=np.stack([question.vector for question in corpus.questions]),
        warmups=np.stack([question.vector for question in corpus.warmups]),
    )


def load(folder: Path) -> Corpus:
    """Read what `save` wrote."""
    texts = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    with np.load(folder / "vectors.npz") as arrays:
        vectors = {name: np.ascontiguousarray(arrays[name], dtype=np.float32) for name in arrays.files}
    memories = [
        Memory(
            row=row,
            owner=owner,
            content=content,
            speaker=speaker,
            session_id=session_id,
            occurred_at=datetime.fromisoformat(occurred_at),
            vector=vectors["memories"][row],
        )
        for row, (owner, content, speaker, session_id, occurred_at) in enumerate(texts["memories"])
    ]
    questions, warmups = (
        [
            Question(owner=owner, text=text, vector=vectors[kind][index])
            for index, (owner, text) in enumerate(texts[kind])
        ]
        for kind in ("questions", "warmups")
    )
    return Corpus(size=texts["size"], memories=memories, questions=questions, warmups=warmups)
