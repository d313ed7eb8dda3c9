"""Loads the sample conversation that ships with the package."""

import json
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final, Literal, TypeAlias, get_args

QuestionKind: TypeAlias = Literal["meaning", "word", "person", "date", "updated fact"]
KINDS: Final[tuple[QuestionKind, ...]] = get_args(QuestionKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTurn:
    """What one person said at once; `at` carries its UTC offset."""

    id: str
    session: str
    speaker: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoQuestion:
    """kind: the way that leads to the answer.  turns: ids of the turns that answer it; any one of them is a success."""

    kind: QuestionKind
    text: str
    answer: str
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Two people over several months, in the order of what they said. Questions are asked as of `asked_at`."""

    people: tuple[str, ...]
    asked_at: datetime
    turns: tuple[DemoTurn, ...]
    questions: tuple[DemoQuestion, ...]


def load_demo() -> Demo:
    """Read the resource anew; a few milliseconds."""
    raw = json.loads(files("context0.demo").joinpath("conversation.json").read_text(encoding="utf-8"))
    return Demo(
        people=tuple(raw["people"]),
        asked_at=datetime.fromisoformat(raw["asked_at"]),
        turns=tuple(DemoTurn(**{**turn, "at": datetime.fromisoformat(turn["at"])}) for turn in raw["turns"]),
        questions=tuple(DemoQuestion(**{**one, "turns": tuple(one["turns"])}) for one in raw["questions"]),
    )
