"""Who asks what in the cache study: seeded questions by Zipf's law, and memories that answer them."""

import random
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

QUERIES: Final = 10_000
DISTINCT: Final = 1_000
_WORDS: Final = [f"{first}{second}" for first in ("tea", "sun", "bo", "kal", "mir", "ston", "fer", "lu", "gar", "nim")
                 for second in ("a", "er", "ing", "on", "ly", "ed", "um", "ia", "ox", "el")]  # fmt: skip


def zipf(draw: random.Random, *, distinct: int = DISTINCT, queries: int = QUERIES) -> list[int]:
    """Return ranks from 0; rank r is asked for with a weight of 1 / (r + 1)."""
    return draw.choices(range(distinct), [1 / rank for rank in range(1, distinct + 1)], k=queries)


def questions(draw: random.Random) -> list[str]:
    return [f"what about {' '.join(draw.choices(_WORDS, k=4))} {number}?" for number in range(DISTINCT)]


def memories(draw: random.Random, number: int) -> list[Any]:
    return [
        {
            "content": " ".join(draw.choices(_WORDS, k=14)) + f" {n}",
            "speaker": ("Anna", "Ben")[n % 2],
            "session_id": f"s{n // 20}",
            "metadata": {"turn": n},
        }
        for n in range(number)
    ]


class Remote:
    """Stands for an embeddings API: unit vectors made of the text's words; counts the texts it is asked for."""

    model = "study/64"
    dimension: int | None = 64
    local = False

    def __init__(self) -> None:
        self.texts = 0

    async def embed(self, texts: Sequence[str]) -> Any:
        self.texts += len(texts)
        rows = np.full((len(texts), 64), 0.01, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row[sum(word.encode()) % 64] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    async def aclose(self) -> None:
        """Nothing is open."""
