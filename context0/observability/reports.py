"""Reports of snapshots of the performance service: one of a day, and what changed between two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from context0.observability.sketch import Durations, Sketch, durations

Snapshot = Mapping[str, Any]
Verdict = Literal["worse", "better", "same", "new", "gone", "few"]

FORMAT: Final = 1
_RAISED: Final = ("firing", "pending")


class NotASnapshot(ValueError):
    """What was read is no snapshot of /api/performance/metrics, or not of this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One series of the report. group: as in the snapshot, such as "endpoints"."""

    group: str
    name: str
    figures: Durations

    @property
    def failure_share(self) -> float:
        return self.figures.failures / self.figures.count if self.figures.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one series changed. share: of the worse of p50 and p95, +0.2 is a fifth slower; None: it cannot be said."""

    group: str
    name: str
    before: Durations | None
    after: Durations | None
    share: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """When a change is one. share: of slowness. failures: by how much the share of failures may grow.

    least: series with fewer observations before or after are not judged. least_ms: nor those that are quicker anyway.
    """

    share: float = 0.2
    failures: float = 0.01
    least: int = 20
    least_ms: float = 0.5


def rows_of(snapshot: Snapshot, earlier: Snapshot | None = None) -> list[Row]:
    """Return the series of a snapshot since the start or, with an earlier one of the same process, since that.

    Both then need their sketches; of a process that was started in between all counts. Raises NotASnapshot.
    """
    _check(snapshot)
    if earlier is not None:
        _check(earlier)
    is_same_process = earlier is not None and earlier["started_at"] == snapshot["started_at"]
    rows = []
    for group, name, told in _series(snapshot):
        if earlier is not None and is_same_process:
            sketch = _sketch(told)
            before = earlier["timings"].get(group, {}).get(name)
            figures = durations(sketch if before is None else sketch.since(_sketch(before)))
        else:
            figures = _figures(told["since_start"])
        if figures.count:
            rows.append(Row(group=group, name=name, figures=figures))
    return rows


def compared(before: Sequence[Row], after: Sequence[Row], tolerance: Tolerance) -> list[Change]:
    """Return the changes, the worst ones first: a series is worse by its p50, its p95 or its failures."""
    earlier = {(row.group, row.name): row for row in before}
    later = {(row.group, row.name): row for row in after}
    changes = [_change(key, earlier.get(key), later.get(key), tolerance) for key in dict.fromkeys([*later, *earlier])]
    order: Mapping[Verdict, int] = {"worse": 0, "better": 1, "same": 2, "new": 3, "gone": 4, "few": 5}
    return sorted(
        changes, key=lambda change: (order[change.verdict], -(change.share or 0.0), change.group, change.name)
    )


def daily_markdown(snapshot: Snapshot, rows: Sequence[Row]) -> str:
    """Return the report of one snapshot."""
    process = snapshot["process"]
    lines = [
        "# Performance report",
        "",
        (
            f"Taken {snapshot['taken_at']}, up for {snapshot['uptime_s'] / 3600:.1f} h, "
            f"{process['rss_bytes'] / 2**20:.0f} MiB resident, {process['tasks']} tasks, "
            f"{_or_unknown(process['open_files'])} open files, {snapshot['open_streams']:g} open streams. In ms."
        ),
        "",
        *_alert_lines(snapshot),
    ]
    for group in dict.fromkeys(row.group for row in rows):
        lines += ["", f"## {group.replace('_', ' ').capitalize()}", "", *_table([r for r in rows if r.group == group])]
    lines += ["", "## Caches", "", "| cache | hit rate | hits | misses | entries | MiB |", "|---|---|---|---|---|---|"]
    for name, cache in snapshot["caches"].items():
        asked = cache["hits"] + cache["misses"]
        rate = f"{cache['hit_rate']:.1%}" if asked else "–"
        size = f"{cache['bytes'] / 2**20:.1f}" if cache["bytes"] else "–"
        lines.append(f"| {name} | {rate} | {cache['hits']} | {cache['misses']} | {cache['entries']} | {size} |")
    slow = snapshot["slow_operations"]
    if slow:
        lines += ["", "## Slowest of the last slow operations", "", "| ms | what | when |", "|---|---|---|"]
        for one in sorted(slow, key=lambda one: -one["ms"])[:10]:
            what = " ".join([one["name"].removeprefix("context0_"), *one["labels"].values()])
            lines.append(f"| {one['ms']:.0f} | {what} | {one['at']} |")
    return "\n".join(lines) + "\n"


def comparison_markdown(changes: Sequence[Change], tolerance: Tolerance) -> str:
    """Return the changes as a table, those that could not be judged only counted."""
    told = [change for change in changes if change.verdict in ("worse", "better", "same")]
    worse = sum(change.verdict == "worse" for change in told)
    lines = [
        "# Before and after",
        "",
        (
            f"{worse} of {len(told)} series are worse by more than {tolerance.share:.0%}; "
            f"{len(changes) - len(told)} could not be compared: new, gone, or too few observations. Durations in ms."
        ),
        "",
        "| | group | series | p50 | p95 | failed | change |",
        "|---|---|---|---|---|---|---|",
    ]
    for change in told:
        before, after = change.before, change.after
        if before is None or after is None:
            continue
        lines.append(
            f"| {change.verdict} | {change.group} | {change.name} | {before.p50:.3g} → {after.p50:.3g} "
            f"| {before.p95:.3g} → {after.p95:.3g} | {_share(before):.1%} → {_share(after):.1%} "
            f"| {0.0 if change.share is None else change.share:+.0%} |"
        )
    return "\n".join(lines) + "\n"


def rows_json(snapshot: Snapshot, rows: Sequence[Row]) -> dict[str, object]:
    """Return the report of one snapshot for programs."""
    kept = {name: snapshot[name] for name in ("taken_at", "started_at", "uptime_s", "process", "alerts", "caches")}
    return {**kept, "timings": [{"group": row.group, "name": row.name, **asdict(row.figures)} for row in rows]}


def _change(key: tuple[str, str], before: Row | None, after: Row | None, tolerance: Tolerance) -> Change:
    share: float | None = None
    if before is None or after is None:
        verdict: Verdict = "new" if before is None else "gone"
    elif min(before.figures.count, after.figures.count) < tolerance.least:
        verdict = "few"
    else:
        share = _slower(before.figures, after.figures, tolerance.least_ms)
        fails_more = after.failure_share - before.failure_share > tolerance.failures
        is_worse = share > tolerance.share or fails_more
        verdict = "worse" if is_worse else "better" if share < -tolerance.share else "same"
    return Change(
        group=key[0],
        name=key[1],
        before=None if before is None else before.figures,
        after=None if after is None else after.figures,
        share=share,
        verdict=verdict,
    )


def _slower(before: Durations, after: Durations, least_ms: float) -> float:
    """Return the larger growth of p50 and p95, where one of them matters at all."""
    shares = [
        (late - early) / early
        for early, late in ((before.p50, after.p50), (before.p95, after.p95))
        if early and max(early, late) >= least_ms
    ]
    return max(shares, default=0.0)


def _check(snapshot: Snapshot) -> None:
    needed = {"format", "taken_at", "started_at", "timings", "process", "caches", "alerts", "slow_operations"}
    if not isinstance(snapshot, Mapping) or not needed <= snapshot.keys():
        raise NotASnapshot("no snapshot: save what /api/performance/metrics answers, and give that file")
    if snapshot["format"] != FORMAT:
        raise NotASnapshot(f"a snapshot of format {snapshot['format']}; this reads {FORMAT}")


def _series(snapshot: Snapshot) -> Iterator[tuple[str, str, Snapshot]]:
    for group, series in snapshot["timings"].items():
        for name, told in series.items():
            yield group, name, told


def _sketch(told: Snapshot) -> Sketch:
    if "sketch" not in told:
        raise NotASnapshot("a snapshot without sketches; take both with ?sketches=true to tell what lies between them")
    try:
        return Sketch.from_json(told["sketch"])
    except ValueError as exc:
        raise NotASnapshot(str(exc)) from None


def _figures(told: Snapshot) -> Durations:
    try:
        return Durations(**{name: told[name] for name in Durations.__dataclass_fields__})
    except (KeyError, TypeError):
        raise NotASnapshot("a series of the snapshot lacks figures") from None


def _alert_lines(snapshot: Snapshot) -> list[str]:
    raised = [alert for alert in snapshot["alerts"] if alert["state"] in _RAISED]
    if not raised:
        return ["No alert is raised."]
    return [
        f"- **{alert['name']}** is {alert['state']} since {alert['since']}: {alert['value']} "
        f"{alert['worse']} {alert['threshold']} {alert['subject']}".rstrip()
        for alert in raised
    ]


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| | count | failed | avg | min | p50 | p95 | p99 | max |", "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        told = row.figures
        lines.append(
            f"| {row.name} | {told.count} | {row.failure_share:.1%} | {told.avg:.3g} | {told.min:.3g} "
            f"| {told.p50:.3g} | {told.p95:.3g} | {told.p99:.3g} | {told.max:.3g} |"
        )
    return lines


def _share(figures: Durations) -> float:
    return figures.failures / figures.count if figures.count else 0.0


def _or_unknown(number: int | None) -> str:
    return "an unknown number of" if number is None else str(number)
