"""What lies between a message and its prompt, by tier and by the size of the user's memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Final

from harness.topics import CITIES, PEOPLE

from chat.times import Took
from chat.users import SAID, Talk, Users, progress, settings, talks, turn, users
from context0 import ChatService, MemoryEngine
from context0.context.operations import classify
from context0.context.tiers import FULL, LIGHT, STANDARD, Tier, tier_of
from context0.llm.scripted import ScriptedLLM

TIERS: Final = (LIGHT, STANDARD, FULL)
SIZES: Final = (100, 1_000, 10_000)
BETWEEN: Final = ("privacy", "classify", "prepare", "prompt")
"""The stages between the message and the prompt: all of a turn but the model, and the keeping of its answer."""
_SMALL_TALK: Final = (
    "Thanks!",
    "Good morning!",
    "Ok, great.",
    "Hello!",
    "Thank you so much.",
    "Bye!",
    "Perfect, thanks.",
)
_ANALYTICAL: Final = (
    "Compare everything that {person} and I did in {city} with the year before, and explain what changed and why.",
    "Summarise all that you know about {person}, step by step, and analyse how it depends on {city}.",
    "Analyse the pros and cons of moving to {city} with {person}, and plan the next three months in detail.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFigures:
    """took_ms: of each turn. first_ms: of the first turn after opening, which reads the user's index."""

    memories: int
    tier: str
    budget_ms: int
    took_ms: Sequence[float]
    first_ms: float
    prompt_tokens: float


async def tier_figures(folder: Path, turns: int, sizes: Sequence[int] = SIZES) -> list[TierFigures]:
    """Take so many turns in each tier, one at a time, with a model that answers at once."""
    figures = []
    for size in sizes:
        some = await users(1, size, folder)
        async with MemoryEngine(settings(some.store)) as engine:
            (talk,), _ = await talks(engine, some, some.names)
        for tier in TIERS:
            progress(f"{tier.name} turns with {size:,} memories")
            figures.append(await _of_tier(some, talk, tier, turns))
    progress("")
    return figures


async def _of_tier(some: Users, talk: Talk, tier: Tier, turns: int) -> TierFigures:
    messages = _messages(some, tier)
    async with (
        MemoryEngine(settings(some.store)) as engine,
        ChatService(engine, llm=ScriptedLLM(lambda _: SAID)) as chat,
    ):
        taken = [await turn(chat, talk, next(messages)) for _ in range(turns + 1)]
    odd = {one.tier for one in taken} - {tier.name}
    if odd:
        raise RuntimeError(f"a message for {tier.name} got {', '.join(odd)}")
    return TierFigures(
        memories=some.each,
        tier=tier.name,
        budget_ms=tier.budget_ms,
        took_ms=[between_ms(one) for one in taken[1:]],
        first_ms=between_ms(taken[0]),
        prompt_tokens=sum(one.prompt_tokens for one in taken) / len(taken),
    )


def between_ms(took: Took) -> float:
    return sum(took.stages[stage] for stage in BETWEEN)


def _messages(some: Users, tier: Tier) -> Iterator[str]:
    """Yield messages that the rules give this tier, over and over."""
    (questions,) = some.questions.values()
    analytical = (text.format(person=person, city=city) for text, person, city in product(_ANALYTICAL, PEOPLE, CITIES))
    asked = [next(questions) for _ in range(max(4, some.each // 10))]
    of_tier = {LIGHT.name: _SMALL_TALK, STANDARD.name: asked, FULL.name: list(analytical)[::37]}
    return cycle([text for text in of_tier[tier.name] if tier_of(classify(text)).name == tier.name])
