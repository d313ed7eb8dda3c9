"""The times of one layout, and the tables made of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

THRESHOLDS_MS = ((1_000, 3.0), (10_000, 5.0), (100_000, 12.0))
"""The median of a cold search, by the size of the owner up to which it counts."""
CONTESTANTS = ("cold", "warm", "dot product", "ten nearest", "FTS5", "bare hybrid")
STAGES = ("index", "read", "prepare", "arm.semantic", "arm.keyword", "arm.entity", "arm.temporal", "fuse", "fetch")


@dataclass(slots=True, kw_only=True)
class Figures:
    """took: seconds, by contestant or stage ("cold.fetch"). owner_size: memories of the largest owner."""

    layout: str
    size: int
    owner_size: int
    add_s: float
    open_s: float
    took: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.took.setdefault(name, []).append(seconds)

    def time(self, name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        self.add(name, time.perf_counter() - started)

    def p50_ms(self, name: str) -> float:
        return 1000 * median(self.took[name]) if name in self.took else 0.0

    def p95_ms(self, name: str) -> float:
        return 1000 * quantiles(self.took[name], n=20, method="inclusive")[-1]

    @property
    def threshold_ms(self) -> float:
        return next((limit for size, limit in THRESHOLDS_MS if self.owner_size <= size), THRESHOLDS_MS[-1][1])


def as_json(figures: Figures) -> dict[str, Any]:
    times = {
        name: {
            "p50_ms": round(figures.p50_ms(name), 4),
            "p95_ms": round(figures.p95_ms(name), 4),
            "searches": len(took),
        }
        for name, took in figures.took.items()
    }
    return {
        "layout": figures.layout,
        "memories": figures.size,
        "add_s": round(figures.add_s, 2),
        "open_s": round(figures.open_s, 3),
        "threshold_p50_ms": figures.threshold_ms,
        "times": times,
    }


def missed(layouts: Sequence[Figures]) -> list[str]:
    """Return a sentence for each layout whose cold median is above its threshold."""
    return [
        f"MISS {one.layout}: {one.p50_ms('cold'):.2f} ms, above {one.threshold_ms:g}"
        for one in layouts
        if one.p50_ms("cold") > one.threshold_ms
    ]


def tables(layouts: Sequence[Figures], *, markdown: bool) -> list[str]:
    """Return the lines of two tables: contestants, and stages of a cold and a warm search."""
    contests = [["ms, p50 (p95)", "memories", *CONTESTANTS, "cold / bare hybrid"]]
    contests += [
        [
            one.layout,
            f"{one.size:,}",
            *(f"{one.p50_ms(name):.3f} ({one.p95_ms(name):.3f})" for name in CONTESTANTS),
            f"{one.p50_ms('cold') / one.p50_ms('bare hybrid'):.2f}",
        ]
        for one in layouts
    ]
    stages = [["ms, p50 of the stage", "", *STAGES]]
    stages += [
        [one.layout, kind, *(f"{one.p50_ms(f'{kind}.{stage}'):.3f}" for stage in STAGES)]
        for one in layouts
        for kind in ("cold", "warm")
    ]
    return [*_lines(contests, markdown=markdown), "", *_lines(stages, markdown=markdown)]


def _lines(rows: list[list[str]], *, markdown: bool) -> list[str]:
    if markdown:
        return [f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
