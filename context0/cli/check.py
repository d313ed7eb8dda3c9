"""One thing that `doctor` looks at."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """warning: it works, but something is to be done.  failure: it cannot be reached or used."""

    name: str
    level: Level = "ok"
    found: str
    advice: str = ""
