"""The floors: one numpy dot product, and one ranked FTS5 query of the standard library's sqlite3; nothing else."""

import re
import sqlite3
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from context0.embeddings.static import StaticEmbedder
from context0.memory.rules.stop_words import STOP_WORDS

TOP = 10
_WORD = re.compile(r"\w+")


class Floors:
    """Every owner's vectors in a matrix of its own, and its texts in one range of rowids of one FTS5 table."""

    def __init__(self) -> None:
        self.embedder = StaticEmbedder()
        self._matrices: dict[str, NDArray[np.float32]] = {}
        self._ranges: dict[str, tuple[int, int]] = {}
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.execute("CREATE VIRTUAL TABLE texts USING fts5(content, tokenize = 'porter unicode61')")

    def add(self, owner: str, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """texts: what our own keyword index reads. vectors: float32, shape (texts, dimension), unit length."""
        (first,) = self._db.execute("SELECT coalesce(max(rowid), 0) + 1 FROM texts").fetchone()
        self._db.execute("BEGIN")
        rows = ((first + at, text) for at, text in enumerate(texts))
        self._db.executemany("INSERT INTO texts (rowid, content) VALUES (?, ?)", rows)
        self._db.execute("COMMIT")
        self._db.execute("INSERT INTO texts (texts) VALUES ('optimize')")
        self._ranges[owner] = first, first + len(texts) - 1
        self._matrices[owner] = np.ascontiguousarray(vectors)

    def dot(self, owner: str, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._matrices[owner] @ vector
        return scores

    def nearest(self, owner: str, vector: NDArray[np.float32]) -> list[int]:
        """Return the rows of the ten nearest, best first."""
        scores = self.dot(owner, vector)
        if len(scores) <= TOP:
            return np.argsort(-scores).tolist()
        rows = np.argpartition(scores, -TOP)[-TOP:]
        return rows[np.argsort(-scores[rows])].tolist()

    def matching(self, owner: str, words: Sequence[str]) -> list[int]:
        """Return the rowids of the ten best matches of any of `words`, best first."""
        sql = "SELECT rowid FROM texts WHERE texts MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rank LIMIT ?"
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        found = self._db.execute(sql, (match, *self._ranges[owner], TOP)).fetchall()
        return [row for (row,) in found]

    def hybrid(self, owner: str, vector: NDArray[np.float32], words: Sequence[str]) -> list[str]:
        """Return the texts of ten: the nearest and the best matching, found and fetched."""
        first = self._ranges[owner][0]
        near = [first + row for row in self.nearest(owner, vector)]
        mixed = [
            rowid for pair in zip_longest(near, self.matching(owner, words)) for rowid in pair if rowid is not None
        ]
        return self.texts(list(dict.fromkeys(mixed))[:TOP])

    def texts(self, rowids: Sequence[int]) -> list[str]:
        marks = ",".join("?" * len(rowids))
        return [text for (text,) in self._db.execute(f"SELECT content FROM texts WHERE rowid IN ({marks})", rowids)]

    def close(self) -> None:
        self._db.close()


def words_of(question: str) -> list[str]:
    """Return the question's words without stop words, for FTS5 to stem."""
    words = _WORD.findall(question.lower())
    return [word for word in words if word not in STOP_WORDS["en"]] or words
