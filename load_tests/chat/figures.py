"""What was measured, as rows of tables and as JSON, and the thresholds beside it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from chat.calls import KINDS, Calls
from chat.contest import ARRIVALS, FLOOR, OURS, Contest
from chat.endurance import MARKS, TurnCost, around
from chat.sequential import Beside
from chat.tiers import TierFigures
from chat.times import p50, p95, stage_medians

ALONE_MS: Final = 10.0
CONCURRENT_TIMES: Final = 1.15
WHOLE_TIMES: Final = 1.05
FLAT_TIMES: Final = 1.2
"""What a turn far on in a conversation may cost beside one near its beginning."""

Row = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    title: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    name: str
    measured: str
    asked: str
    passed: bool


@dataclass(slots=True, kw_only=True)
class Results:
    """What the chosen parts gave; None for the others."""

    contest: Contest | None = None
    calls: Sequence[Calls] | None = None
    agents: Beside | None = None
    tiers: Sequence[TierFigures] | None = None
    long: Sequence[TurnCost] | None = None


def tables(results: Results) -> Iterator[Table]:
    if results.contest is not None:
        yield _contest_table(results.contest)
        yield _stage_table(results.contest)
    if results.calls is not None:
        yield _calls_table(results.calls)
    if results.agents is not None:
        yield _agents_table(results.agents)
    if results.tiers is not None:
        yield _tier_table(results.tiers)
    if results.long is not None:
        yield _long_table(results.long)


def verdicts(results: Results) -> Iterator[Verdict]:
    if results.contest is not None:
        yield from _beside_floor(results.contest)
    for kind, before, after in _calls(results.calls or ()):
        asked = (1.0, 1.0 if kind == "full" else 0.0)
        measured = f"{before:g} and {after:g}"
        yield Verdict(
            name=f"model calls before and after the answer, extraction {kind}",
            measured=measured,
            asked=f"{asked[0]:g} and {asked[1]:g}",
            passed=(before, after) == asked,
        )
    for one in results.tiers or ():
        late = p95(one.took_ms)
        name = f"context, {one.tier}, {one.memories:,} memories: p95"
        yield Verdict(name=name, measured=f"{late:.1f} ms", asked=f"≤ {one.budget_ms} ms", passed=late <= one.budget_ms)
    if results.long is not None:
        yield from _flat(results.long)


def as_json(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = {"verdicts": [asdict(verdict) for verdict in verdicts(results)]}
    if results.contest is not None:
        found["contest"] = {
            name: {arrival: _turns_json(by_arrival[arrival]) for arrival in ARRIVALS}
            for name, by_arrival in results.contest.items()
        }
    if results.calls is not None:
        found["calls"] = [asdict(one) for one in results.calls]
    if results.agents is not None:
        found["agents"] = asdict(results.agents)
    if results.tiers is not None:
        found["tiers"] = [asdict(one) for one in results.tiers]
    if results.long is not None:
        found["long"] = [
            {"turn": number, "ms": one.took.whole_ms, "cpu_ms": one.cpu_ms, "tokens": one.tokens,
             "statements": one.statements, "rows": one.rows, "tier": one.took.tier}
            for number, one in enumerate(results.long, 1)
        ]  # fmt: skip
    return found


def _turns_json(measured: Any) -> dict[str, Any]:
    turns = measured.turns
    return {
        "turns": len(turns),
        "first_token_p50_ms": p50([one.first_ms for one in turns]),
        "first_token_p95_ms": p95([one.first_ms for one in turns]),
        "whole_p50_ms": p50([one.whole_ms for one in turns]),
        "whole_p95_ms": p95([one.whole_ms for one in turns]),
        "cpu_ms": measured.cpu_ms,
        "prompt_tokens": p50([one.prompt_tokens for one in turns]),
        "degraded": sum(bool(one.degraded) for one in turns),
        "stages_p50_ms": stage_medians(turns),
    }


def _contest_table(contest: Contest) -> Table:
    head = ["", "arrival", "turns", "first token, ms", "beside the floor", "whole turn, ms", "beside the floor",
            "CPU ms a turn", "prompt tokens"]  # fmt: skip
    rows = [head]
    for arrival in ARRIVALS:
        floor = _turns_json(contest[FLOOR][arrival])
        for name, by_arrival in contest.items():
            told = _turns_json(by_arrival[arrival])
            first, whole = told["first_token_p50_ms"], told["whole_p50_ms"]
            floor_first = floor["first_token_p50_ms"]
            beside = f"{first - floor_first:+.1f} ms, × {first / floor_first:.3f}"
            rows.append([
                name, arrival, str(told["turns"]), f"{first:.1f} ({told['first_token_p95_ms']:.1f})",
                "" if name == FLOOR else beside,
                f"{whole:.1f} ({told['whole_p95_ms']:.1f})",
                "" if name == FLOOR else f"× {whole / floor['whole_p50_ms']:.3f}",
                f"{told['cpu_ms']:.2f}", f"{told['prompt_tokens']:.0f}",
            ])  # fmt: skip
    return Table(title="The chat beside the bare model: medians (95th percentiles)", rows=rows)


def _stage_table(contest: Contest) -> Table:
    stages = {
        (name, arrival): stage_medians(by_arrival[arrival].turns)
        for name, by_arrival in contest.items()
        if name != FLOOR
        for arrival in ARRIVALS
    }
    names = list(dict.fromkeys(stage for medians in stages.values() for stage in medians))
    rows = [["stage, median ms", *(f"{name.removeprefix('chat, ')}, {arrival}" for name, arrival in stages)]]
    rows += [
        [name, *(f"{medians[name]:.2f}" if name in medians else "" for medians in stages.values())] for name in names
    ]
    return Table(title="Where the time of a turn goes", rows=rows)


def _calls(calls: Sequence[Calls]) -> Iterator[tuple[str, float, float]]:
    """Yield the kind, the calls until the answer was whole and those after it: the most of any turn."""
    for kind in KINDS:
        of_kind = [one for one in calls if one.extraction == kind]
        if of_kind:
            yield kind, max(one.to_done for one in of_kind), max(one.in_all - one.to_done for one in of_kind)


def _calls_table(calls: Sequence[Calls]) -> Table:
    rows: list[Row] = [["extraction", "turns", "calls before the first token", "until the answer", "after it"]]
    for kind, until, after in _calls(calls):
        of_kind = [one for one in calls if one.extraction == kind]
        first = max(one.to_first_token for one in of_kind)
        rows.append([kind, str(len(of_kind)), f"{first}", f"{until:g}", f"{after:g}"])
    return Table(title="Calls of the model in a turn: the most of any turn", rows=rows)


def _agents_table(agents: Beside) -> Table:
    rows: list[Row] = [["", "first token, ms", "whole turn, ms", "model calls a turn", "prompt tokens a turn"]]
    for name, turns, calls in (
        ("chat", agents.chat, agents.chat_calls),
        ("agents one after another", agents.agents, agents.agents_calls),
    ):
        first, whole = p50([one.first_ms for one in turns]), p50([one.whole_ms for one in turns])
        tokens = p50([one.prompt_tokens for one in turns])
        rows.append([name, f"{first:.0f}", f"{whole:.0f}", f"{calls:.2f}", f"{tokens:.0f}"])
    ratios = [float(theirs) / float(ours) for ours, theirs in zip(rows[1][1:], rows[2][1:], strict=True)]
    rows.append(["ratio", *(f"{ratio:.1f}" for ratio in ratios)])
    return Table(title="Six agents, one after another, beside the chat", rows=rows)


def _tier_table(tiers: Sequence[TierFigures]) -> Table:
    rows: list[Row] = [["tier", "memories", "turns", "p50 ms", "p95 ms", "budget ms", "first turn after opening, ms"]]
    rows += [
        [one.tier, f"{one.memories:,}", str(len(one.took_ms)), f"{p50(one.took_ms):.2f}", f"{p95(one.took_ms):.2f}",
         str(one.budget_ms), f"{one.first_ms:.1f}"]
        for one in tiers
    ]  # fmt: skip
    return Table(title="Between the message and the prompt", rows=rows)


def _long_table(costs: Sequence[TurnCost]) -> Table:
    rows: list[Row] = [
        ["turn", "prompt tokens", "turn, ms", "CPU ms", "statements", "rows read", "most rows of a turn"]
    ]
    for mark in MARKS:
        near = around(costs, mark)
        if near:
            tokens, whole, cpu, statements, read = _medians(near)
            most = max(one.rows for one in near)
            told = (f"{tokens:.0f}", f"{whole:.2f}", f"{cpu:.2f}", f"{statements:.0f}", f"{read:.0f}", f"{most}")
            rows.append([f"{mark:,}", *told])
    return Table(
        title="A long conversation, with a model that answers at once: medians of 30 turns up to each", rows=rows
    )


def _medians(near: Sequence[TurnCost]) -> Sequence[float]:
    """Return those of prompt tokens, ms, CPU ms, statements and rows."""
    of_each = ((one.tokens, one.took.whole_ms, one.cpu_ms, one.statements, one.rows) for one in near)
    return [p50(values) for values in zip(*of_each, strict=True)]


def _beside_floor(contest: Contest) -> Iterator[Verdict]:
    ours = {arrival: _turns_json(contest[OURS][arrival]) for arrival in ARRIVALS}
    floor = {arrival: _turns_json(contest[FLOOR][arrival]) for arrival in ARRIVALS}
    alone = ours["one at a time"]["first_token_p50_ms"] - floor["one at a time"]["first_token_p50_ms"]
    yield Verdict(
        name="first token, one at a time, beyond the floor",
        measured=f"{alone:.1f} ms",
        asked=f"≤ {ALONE_MS:g} ms",
        passed=alone <= ALONE_MS,
    )
    for arrival in ("at once", "staggered"):
        yield _times(f"first token, concurrent, {arrival}", "first_token_p50_ms", (ours, floor), arrival)
    for arrival in ARRIVALS:
        yield _times(f"whole turn, {arrival}", "whole_p50_ms", (ours, floor), arrival)


def _times(name: str, key: str, sides: tuple[Any, Any], arrival: str) -> Verdict:
    asked = CONCURRENT_TIMES if key.startswith("first") else WHOLE_TIMES
    times = sides[0][arrival][key] / sides[1][arrival][key]
    return Verdict(name=name, measured=f"× {times:.3f}", asked=f"≤ × {asked:g}", passed=times <= asked)


def _flat(costs: Sequence[TurnCost]) -> Iterator[Verdict]:
    marks = [mark for mark in MARKS if around(costs, mark)]
    if len(marks) < len(MARKS):
        return
    early, late = _medians(around(costs, marks[-2])), _medians(around(costs, marks[-1]))
    for at, what in enumerate(("prompt tokens", "time of a turn", "CPU of a turn", "statements", "rows read")):
        times = late[at] / early[at]
        name = f"{what}, turn {marks[-1]:,} beside turn {marks[-2]:,}"
        yield Verdict(name=name, measured=f"× {times:.2f}", asked=f"≤ × {FLAT_TIMES:g}", passed=times <= FLAT_TIMES)
