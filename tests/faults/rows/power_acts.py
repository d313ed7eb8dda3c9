"""What was asked of a store and acknowledged, in the log of its disk, and what of that an image of it has lost."""

import itertools
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.rows.recorded_disk import Event, Told

Place = tuple[str, str]
"""Whose it is, and the first word of its content, by which it is known while its content changes."""


def place_of(owner: str, content: str) -> Place:
    return owner, content.partition(" ")[0]


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """A call. after: what stands at each place when it is done. began, told: how many events came before."""

    after: Mapping[Place, str | None]
    began: int
    told: int


@dataclass(slots=True)
class Acts:
    """Acts on one place follow each other; those on others may be done at the same time."""

    log: list[Event]
    done: list[Act] = field(default_factory=list)
    now: dict[Place, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def act(self, work: Awaitable[Any], after: Mapping[Place, str | None]) -> Any:
        began = len(self.log)
        result = await work
        self.done.append(Act(after, began, len(self.log)))
        self.log.append(Told())
        for place, content in after.items():
            self.now.pop(place, None)
            if content is not None:
                self.now[place] = content
        return result

    def places(self, owner: str, kind: str = "") -> list[Place]:
        return [place for place in self.now if place[0] == owner and place[1].startswith(kind)]


@dataclass(frozen=True, slots=True)
class Moment:
    """When the power fails: after `at` events. synced: how many came before the last sync of the log then."""

    acts: Acts
    at: int
    synced: int

    def begun(self) -> dict[Place, list[Act]]:
        """Return what had been begun, by place, in order."""
        begun: dict[Place, list[Act]] = {}
        for act in sorted(self.acts.done, key=lambda act: act.began):
            for place in act.after if act.began < self.at else ():
                begun.setdefault(place, []).append(act)
        return begun

    def is_told(self, act: Act) -> bool:
        return act.told < self.at

    def compared(self, there: Mapping[Place, str]) -> Counter[str]:
        """Count the acts that were acknowledged and are lost, and what was never sent.

        What is absent may not have come yet, or be deleted: then it shows neither that an act is kept nor lost.
        """
        begun, kept, lost = self.begun(), set[Act](), set[Act]()
        counts = Counter({"phantoms": sum(place not in begun for place in there), "came back": 0})
        for place, acts in begun.items():
            states = [None, *(act.after[place] for act in acts)]
            fitting = [number for number, state in enumerate(states) if state == there.get(place)]
            if not fitting:
                counts["phantoms"] += 1
                continue
            missing = [act for act in acts[fitting[-1] :] if self.is_told(act)]
            counts["came back"] += any(act.after[place] is None for act in missing)
            kept.update(acts[: fitting[0]])
            lost.update(missing)
        last = max((act.began for act in kept), default=0)
        counts["lost"] = len(lost)
        counts["lost though synced"] = sum(act.told < self.synced for act in lost)
        counts["lost before what is kept"] = sum(act.told < last for act in lost)
        return counts
