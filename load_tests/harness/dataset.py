"""Synthetic conversations: seeded, the same on every machine; two speakers, sessions of 20 turns, 8-25 words a turn."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harness import topics
from harness.topics import TOPICS, Topic

SESSION_TURNS = 20
WORDS = range(8, 26)
FIRST_SESSION = datetime(2023, 1, 9, 18, 30, tzinfo=UTC)
ATTEMPTS_PER_TURN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    owner: str
    content: str
    speaker: str
    session_id: str
    occurred_at: datetime
    topic: Topic
    slots: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    owner: str
    text: str


def conversations(*, owners: int, turns_each: int, seed: int) -> list[Turn]:
    """Return `owners * turns_each` turns grouped by owner, oldest first; no content occurs twice."""
    rng = random.Random(seed)
    seen: set[str] = set()
    return [turn for number in range(owners) for turn in _dialogue(rng, number, turns_each, seen)]


def asks(turns: list[Turn], *, count: int, seed: int) -> list[Ask]:
    """Return `count` different questions about turns picked at random."""
    rng = random.Random(seed)
    found: dict[tuple[str, str], Ask] = {}
    for _ in range(count * ATTEMPTS_PER_TURN):
        turn = rng.choice(turns)
        text = rng.choice(turn.topic.questions).format(**turn.slots)
        found.setdefault((turn.owner, text), Ask(owner=turn.owner, text=text))
        if len(found) == count:
            return list(found.values())
    message = f"only {len(found)} different questions for {len(turns)} turns; ask for fewer"
    raise ValueError(message)


def _dialogue(rng: random.Random, number: int, turns: int, seen: set[str]) -> list[Turn]:
    speakers = rng.sample(topics.SPEAKERS, 2)
    made = []
    for index in range(turns):
        session, place = divmod(index, SESSION_TURNS)
        began = FIRST_SESSION + timedelta(days=3 * session, minutes=number)
        topic, slots, content = _unseen(rng, began, seen)
        made.append(
            Turn(
                owner=f"user{number:04d}",
                content=content,
                speaker=speakers[place % 2],
                session_id=f"user{number:04d}-s{session:04d}",
                occurred_at=began + timedelta(seconds=40 * place),
                topic=topic,
                slots=slots,
            )
        )
    return made


def _unseen(rng: random.Random, when: datetime, seen: set[str]) -> tuple[Topic, dict[str, str], str]:
    for _ in range(ATTEMPTS_PER_TURN):
        topic, slots = rng.choice(TOPICS), _slots(rng, when)
        content = rng.choice(topic.statements).format(**slots)
        content = content[0].upper() + content[1:]
        if content not in seen and len(content.split()) in WORDS:
            seen.add(content)
            return topic, slots, content
    message = "the topics do not yield so many different sentences"
    raise ValueError(message)


def _slots(rng: random.Random, when: datetime) -> dict[str, str]:
    day = when + timedelta(days=rng.randint(-60, 60))
    return {
        "lead": rng.choice(topics.LEADS),
        "tail": rng.choice(topics.TAILS),
        "person": rng.choice(topics.PEOPLE),
        "city": rng.choice(topics.CITIES),
        "thing": rng.choice(topics.THINGS),
        "food": rng.choice(topics.FOODS),
        "hobby": rng.choice(topics.HOBBIES),
        "book": rng.choice(topics.BOOKS),
        "job": rng.choice(topics.JOBS),
        "pet": rng.choice(topics.PETS),
        "day": f"{day:%B} {day.day}",
        "number": str(rng.randint(3, 180)),
    }
