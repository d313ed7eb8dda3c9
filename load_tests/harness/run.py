"""A whole run: makes the corpus of each layout, measures, and judges."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness import corpus as corpora
from harness import dataset
from harness.embedding import EmbedTime, embedded
from harness.fleet import Scene
from harness.machine import worker_environment
from harness.probe import SYNCED_ADDS
from harness.report import LayoutReport
from harness.schedule import Contest, Plan
from harness.thresholds import verdicts

LayoutName = Literal["100x100", "1x10000", "both"]
OWNER_SIZE = 100
FEWEST_WARMUPS = 64
SEED = 20_240_229


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the memories are spread over owners."""

    owners: int
    each: int

    @property
    def title(self) -> str:
        return f"{self.owners} × {self.each:,}"


def shapes(size: int, layout: LayoutName) -> list[Shape]:
    """Return the shapes to measure; `100x100` with another size keeps 100 memories per owner."""
    many = Shape(owners=max(1, size // OWNER_SIZE), each=min(OWNER_SIZE, size))
    one = Shape(owners=1, each=size)
    return {"100x100": [many], "1x10000": [one], "both": [many, one]}[layout]


async def measured(
    shape: Shape,
    peers: Sequence[str],
    plan: Plan,
    step: Callable[[str], None],
) -> LayoutReport:
    """Measure one shape in a temporary folder, which is gone afterwards."""
    step(f"{shape.title}: making and embedding the corpus")
    with tempfile.TemporaryDirectory(prefix="context0-peers-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        corpus, embed = prepared(shape, plan)
        corpora.save(corpus, scratch)
        scene = Scene(
            corpus=scratch, scratch=scratch, environment=worker_environment(scratch), budget_s=plan.measure_budget_s
        )
        contest = Contest(scene=scene, corpus=corpus, plan=plan, step=lambda text: step(f"{shape.title}: {text}"))
        results = await contest.run(peers)
    return LayoutReport(
        layout=shape.title,
        results=results,
        verdicts=verdicts(results, one_owner=shape.owners == 1),
        embed=embed,
    )


def prepared(shape: Shape, plan: Plan) -> tuple[corpora.Corpus, EmbedTime]:
    """Make the corpus of a shape: its memories, questions and spare memories for one caller and for 16."""
    spare_each = math.ceil((2 * plan.adds + SYNCED_ADDS) / shape.owners)
    per_owner = shape.each + spare_each
    turns = dataset.conversations(owners=shape.owners, turns_each=per_owner, seed=SEED)
    kept = [turn for index, turn in enumerate(turns) if index % per_owner < shape.each]
    spare = [turn for place in range(shape.each, per_owner) for turn in turns[place::per_owner]]
    warmups = [
        ask
        for first in range(0, len(kept), shape.each)
        for ask in dataset.asks(
            kept[first : first + shape.each],
            count=math.ceil(FEWEST_WARMUPS / shape.owners),
            seed=SEED + 1 + first,
        )
    ]
    known = {(ask.owner, ask.text) for ask in warmups}
    asked = dataset.asks(kept, count=2 * plan.queries + len(warmups), seed=SEED)
    questions = [ask for ask in asked if (ask.owner, ask.text) not in known][: 2 * plan.queries]
    return embedded(turns=[*kept, *spare], size=len(kept), questions=questions, warmups=warmups)
