"""How much context a turn gets: three tiers, each with its time, its parts and their tokens."""

from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from context0.context.operations import Classified
from context0.errors import ConfigurationError

TierName = Literal["light", "standard", "full"]
Part = Literal["history", "session", "preferences", "project"]
"""What is read from the stores for a built context: "session" brings the title and the summary."""

_LEAST_TOKENS: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBudget:
    """Tokens of a prompt, counted by `count_tokens`. total: the whole of it; the rest: at most so many for one part.

    What a part leaves free goes to the history. Raises ConfigurationError below 512 in total: the instructions and a
    message would not fit.
    """

    total: int
    memories: int = 0
    summary: int = 0
    preferences: int = 0
    project: int = 0

    def __post_init__(self) -> None:
        if self.total < _LEAST_TOKENS:
            raise ConfigurationError(f"a prompt of {self.total} tokens holds no message; allow {_LEAST_TOKENS} or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What a turn may use. budget_ms: for everything between the message and the prompt.

    history_messages: the latest ones of the session. memories: 0 is no search.
    recalls: the memories that the answer before was made of are read again, by their ids, in place of a search.
    """

    name: TierName
    budget_ms: int
    history_messages: int
    memories: int
    parts: frozenset[Part]
    tokens: TokenBudget
    recalls: bool = False

    def evolve(self, **changes: object) -> Self:
        return replace(self, **changes)  # type: ignore[arg-type]  # the names are checked by dataclasses.replace


LIGHT: Final = Tier(
    name="light",
    budget_ms=50,
    history_messages=6,
    memories=0,
    parts=frozenset({"history"}),
    tokens=TokenBudget(total=2_000),
)
FIX_UP: Final = LIGHT.evolve(recalls=True, tokens=TokenBudget(total=3_000, memories=1_000))
STANDARD: Final = Tier(
    name="standard",
    budget_ms=200,
    history_messages=10,
    memories=8,
    parts=frozenset({"history", "session"}),
    tokens=TokenBudget(total=4_000, memories=1_200, summary=400),
)
FULL: Final = Tier(
    name="full",
    budget_ms=500,
    history_messages=20,
    memories=25,
    parts=frozenset({"history", "session", "preferences", "project"}),
    tokens=TokenBudget(total=10_000, memories=3_600, summary=500, preferences=500, project=1_000),
)
MOST_HISTORY: Final = max(tier.history_messages for tier in (LIGHT, STANDARD, FULL))


def tier_of(classified: Classified) -> Tier:
    """Return the tier that a message needs; a fix-up gets the light one, with the memories of the answer before."""
    if classified.is_fix_up:
        return FIX_UP
    match classified.operation:
        case "trivial":
            return LIGHT
        case "moderate":
            return STANDARD
        case "complex" | "analytical":
            return FULL
