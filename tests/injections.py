"""The labelled texts: tests/data/attacks.jsonl, which want to steer an assistant, and tests/data/benign.jsonl.

Both were written before the rules, by their author. What the rules got wrong in each third text was not looked at while
they were improved: `held`. So the counts tell which forms are covered, not how attackers write.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from context0.memory.inputs import MemoryInput

DATA: Final = Path(__file__).parent / "data"
Goal = Literal["tool", "egress", "foreign", "text", "persistence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """goal: what obeying would bring about. text: as a document or an agent would have it remembered."""

    id: str
    family: str
    goal: Goal
    language: str
    text: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Benign:
    """source: user, agent, assistant, or a person's name."""

    id: str
    family: str
    source: str
    text: str
    held: bool

    @property
    def fields(self) -> MemoryInput:
        """What `add_many` takes."""
        if self.source == "agent":
            return {"content": self.text, "agent_id": "notes"}
        return {"content": self.text, "speaker": self.source}


def attacks() -> Sequence[Attack]:
    return [Attack(**json.loads(line)) for line in _lines("attacks.jsonl")]


def benign() -> Sequence[Benign]:
    return [Benign(**json.loads(line)) for line in _lines("benign.jsonl")]


def _lines(name: str) -> Sequence[str]:
    return (DATA / name).read_text("utf-8").splitlines()
