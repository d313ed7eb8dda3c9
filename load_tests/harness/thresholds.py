"""The thresholds of issue 2, beside what was measured. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from peers import FLOOR, OURS

from harness.figures import ROWS, Row, figure, ratio
from harness.schedule import Result

RECALL = 0.99
TIMES_FLOOR = {True: 2.0, False: 3.0}  # one owner with 10,000; 100 owners with 100
ALL_ARMS_MS = {True: 3.0, False: 1.0}
BULK_PER_S = 5_000.0
DEEP_PAGE_TIMES = 1.2
REOPEN_MS = 250.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One threshold: what was measured, what is asked, and whether it holds."""

    name: str
    measured: str
    asked: str
    passed: bool


def verdicts(results: Mapping[str, Result], *, one_owner: bool) -> list[Verdict]:
    """Judge our result; without one there is a single miss that says so."""
    ours = results.get(OURS)
    if ours is None or not ours.samples:
        return [Verdict(name=f"{OURS} was measured", measured="no", asked="yes", passed=False)]
    return [*_absolute(ours, one_owner=one_owner), *_beside_floor(results, ours, one_owner=one_owner)] + [
        verdict for row in ROWS if row.compared for verdict in _fastest(results, ours, row)
    ]


def _absolute(ours: Result, *, one_owner: bool) -> Iterator[Verdict]:
    yield _at_least("recall@10 of the vector arm", figure(ours, "recall"), RECALL, "")
    yield _at_most("all arms with hydration", figure(ours, "all_arms"), ALL_ARMS_MS[one_owner], " ms")
    yield _at_least("bulk add, everything indexed", figure(ours, "bulk"), BULK_PER_S, "/s")
    first, deep = figure(ours, "page_first"), figure(ours, "page_deep")
    times = deep / first if first and deep else None
    number = int(ours.figures.get("deep_page", 0))
    yield _at_most(f"page {number} / page 1", times, DEEP_PAGE_TIMES, " ×")
    if one_owner:
        yield _at_most("first search after reopening", figure(ours, "reopen"), REOPEN_MS, " ms")


def _beside_floor(results: Mapping[str, Result], ours: Result, *, one_owner: bool) -> Iterator[Verdict]:
    floor = results.get(FLOOR)
    base, searching = figure(floor, "vector") if floor else None, figure(ours, "vector_again")
    times = searching / base if searching and base else None
    cold = ratio(ours, floor, "vector") if floor else None
    beside = f" ({cold:.3g} × when it embeds the question, which the floor never does)" if cold else ""
    yield _at_most("vector-only search / floor, question embedded before", times, TIMES_FLOOR[one_owner], " ×", beside)


def _fastest(results: Mapping[str, Result], ours: Result, row: Row) -> Iterator[Verdict]:
    mine = figure(ours, row.key)
    others = {
        name: other
        for name, other in results.items()
        if name not in {OURS, FLOOR} and figure(other, row.key) is not None
    }
    if not others:
        return
    faster = {name: times for name, other in others.items() if (times := ratio(ours, other, row.key) or 0) > 1}
    named = ", ".join(f"{name} {1 / times:.2f} × our time{_weakness(others[name])}" for name, times in faster.items())
    yield Verdict(
        name=f"fastest in: {row.title.format(**ours.figures)}",
        measured=named or _own(mine, row.unit),
        asked="no peer faster",
        passed=bool(mine) and not faster,
    )


def _own(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}{unit}" if unit == "/s" else f"{value:.3g} {unit}"


def _weakness(other: Result) -> str:
    """Say what a faster peer saves on."""
    recall, syncs = figure(other, "recall"), figure(other, "fsyncs_per_add")
    said = [f"recall {recall:.2f}"] if recall is not None and recall < RECALL else []
    said += ["no fsync on add"] if syncs == 0 else []
    return f" ({', '.join(said)})" if said else ""


def _at_most(name: str, value: float | None, limit: float, unit: str, beside: str = "") -> Verdict:
    measured = "not measured" if value is None else f"{value:.3g}{unit}{beside}"
    return Verdict(
        name=name, measured=measured, asked=f"≤ {limit:g}{unit}", passed=value is not None and value <= limit
    )


def _at_least(name: str, value: float | None, limit: float, unit: str) -> Verdict:
    measured = "not measured" if value is None else f"{value:,.3f}{unit}" if limit < 10 else f"{value:,.0f}{unit}"
    return Verdict(
        name=name, measured=measured, asked=f"≥ {limit:g}{unit}", passed=value is not None and value >= limit
    )
