"""The owners that are searched: recorded conversations one by one, all in one, and as many turns as wanted."""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any

from context0.evaluation.datasets import Conversation, Turn, read_conversations

LONGEST_TURN = 15_000
SHARE_OF_WORDS_CHANGED = 0.3
DAYS_BETWEEN_COPIES = 30

_ALL = "everyone"
_WORD = re.compile(r"[A-Za-z]{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """memories: by owner, as `add_many` takes them. asked: (owner, question), each once. key: names it in a file."""

    key: str
    name: str
    memories: dict[str, list[Any]]
    asked: Sequence[tuple[str, str]]

    @property
    def size(self) -> int:
        return sum(map(len, self.memories.values()))

    @property
    def owner_size(self) -> int:
        """Memories of the largest owner."""
        return max(map(len, self.memories.values()))


def read_all(paths: Iterable[Path]) -> dict[str, list[Conversation]]:
    """Return the conversations of each file, by its name."""
    return {path.name: list(read_conversations(path)) for path in paths}


def one_by_one(conversations: Sequence[Conversation]) -> Layout:
    """Each conversation is an owner."""
    return Layout(
        key="each",
        name="one conversation an owner",
        memories={one.id: [_memory(one, turn) for turn in one.turns if turn.content.strip()] for one in conversations},
        asked=_unique((one.id, question.text) for one in conversations for question in one.questions),
    )


def all_in_one(conversations: Sequence[Conversation]) -> Layout:
    """All conversations are one owner."""
    memories = [_memory(one, turn) for one in conversations for turn in one.turns if turn.content.strip()]
    return Layout(
        key="all", name="all conversations, one owner", memories={_ALL: memories}, asked=_asked_of(conversations)
    )


def repeated(conversations: Sequence[Conversation], turns: int, *, seed: int = 0) -> Layout:
    """One owner with so many turns: the conversations over and over, later, in new sessions, words exchanged.

    In a copy three words in ten, of four letters and more, are other words of the same conversations, as often as they
    occur there; so the lengths of the postings grow with the turns, as they do in life. The same on every machine.
    """
    memories = list(islice(copies(conversations, seed=seed), turns))
    return Layout(
        key="many", name=f"{turns:,} turns, one owner", memories={_ALL: memories}, asked=_asked_of(conversations)
    )


def copies(conversations: Sequence[Conversation], *, seed: int = 0) -> Iterator[Any]:
    """Yield the turns over and over, without end, see `repeated`."""
    vocabulary = [word for one in conversations for turn in one.turns for word in _WORD.findall(turn.content)]
    for copy in count():
        yield from _copy(conversations, copy, vocabulary, random.Random(seed + copy))


def _copy(
    conversations: Sequence[Conversation], copy: int, vocabulary: Sequence[str], draw: random.Random
) -> Iterator[Any]:
    def exchanged(match: re.Match[str]) -> str:
        return draw.choice(vocabulary) if draw.random() < SHARE_OF_WORDS_CHANGED else match.group()

    for one in conversations:
        for turn in one.turns:
            if turn.content.strip():
                memory = _memory(one, turn)
                if copy:
                    memory["content"] = _WORD.sub(exchanged, memory["content"])
                    memory["session_id"] += f"-{copy}"
                    memory["occurred_at"] += timedelta(days=DAYS_BETWEEN_COPIES * copy)
                yield memory


def _memory(conversation: Conversation, turn: Turn) -> dict[str, Any]:
    return {
        "content": turn.content[:LONGEST_TURN],
        "speaker": turn.speaker,
        "session_id": f"{conversation.id}-{turn.session}",
        "occurred_at": turn.occurred_at,
        "metadata": {"turn_id": turn.id},
    }


def _asked_of(conversations: Sequence[Conversation]) -> list[tuple[str, str]]:
    return _unique((_ALL, question.text) for one in conversations for question in one.questions)


def _unique(asked: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(asked))
