"""What an analysis of a finished turn tells."""

from dataclasses import dataclass, field
from typing import Literal

from context0.context.mood import Sentiment
from context0.llm.protocol import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a turn was about.

    summary: the session's new summary and the number of the last message in it; None while nothing is due.
    by: who read it. failures: what did not work, and why, by stable names: "model" (the rules stepped in), "history"
    (the messages for the summary could not be read: it is made in a later turn).
    """

    topics: tuple[str, ...] = ()
    sentiment: Sentiment = "neutral"
    open_questions: tuple[str, ...] = ()
    summary: tuple[str, int] | None = None
    by: Literal["rules", "model"] = "rules"
    usage: Usage = field(default_factory=Usage)
    failures: tuple[tuple[str, str], ...] = ()
