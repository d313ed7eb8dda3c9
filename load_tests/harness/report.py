"""Tables and JSON of a run; each table is made once and shown by rich or as Markdown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import rich.table
from peers import OURS, PEERS
from rich.console import Console

from harness.embedding import EmbedTime
from harness.figures import ROWS, figure, p95, ratio
from harness.machine import versions
from harness.schedule import Plan, Result
from harness.thresholds import Verdict

NOTES = (
    "Medians (95th percentile). One process per peer, in turns, round after round; BLAS on one thread; files warm in "
    "the page cache. Every search returns ten results with their contents.\n"
    "Vectors are made beforehand: peers are handed them or look them up, context0 embeds every memory and every "
    "question itself inside its figures. That favours the peers.\n"
    "Ratio = our time / theirs: below 1 context0 is faster."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutReport:
    """What one layout gave."""

    layout: str
    results: dict[str, Result]
    verdicts: Sequence[Verdict]
    embed: EmbedTime

    def tables(self) -> list[Table]:
        ratios = [self._ratios()] if OURS in self._measured() else []
        return [self._figures(), *ratios, self._thresholds(), self._peers()]

    def as_json(self) -> dict[str, object]:
        return {
            "layout": self.layout,
            "embed_ms": asdict(self.embed),
            "peers": {name: _peer_json(result) for name, result in self.results.items()},
            "thresholds": [asdict(verdict) for verdict in self.verdicts],
        }

    def _measured(self) -> dict[str, Result]:
        return {name: result for name, result in self.results.items() if result.samples}

    def _title(self, template: str) -> str:
        pages = {str(int(result.figures["deep_page"])) for result in self._measured().values() if result.alive}
        return template.format(deep_page="/".join(sorted(pages, key=int, reverse=True)) or "?")

    def _figures(self) -> Table:
        measured = self._measured()
        rows = []
        for row in ROWS:
            cells = [_cell(result, row.key) for result in measured.values()]
            if any(cells):
                rows.append([f"{self._title(row.title)}{', ' * bool(row.unit)}{row.unit}", *cells])
        return Table(title=f"{self.layout}: figures", head=["", *measured], rows=rows)

    def _ratios(self) -> Table:
        ours = self._measured()[OURS]
        others = {name: result for name, result in self._measured().items() if name != OURS}
        rows = [
            [self._title(row.title), *(_times(ratio(ours, other, row.key)) for other in others.values())]
            for row in ROWS
            if row.compared
        ]
        return Table(title=f"{self.layout}: our time / theirs", head=["", *others], rows=rows)

    def _thresholds(self) -> Table:
        rows = [[v.name, v.measured, v.asked, "pass" if v.passed else "MISS"] for v in self.verdicts]
        return Table(
            title=f"{self.layout}: thresholds of the issue (for 10,000 memories)",
            head=["", "measured", "asked", ""],
            rows=rows,
        )

    def _peers(self) -> Table:
        rows = []
        for name, result in self.results.items():
            state = f"{result.filled:,} filled" if result.samples else "not measured"
            said = "; ".join(result.failures) or result.durability
            rows.append([name, versions(PEERS[name].packages), state, said, PEERS[name].note])
        return Table(title=f"{self.layout}: peers", head=["", "versions", "state", "durability", "note"], rows=rows)


def lead(machine: str, report: LayoutReport) -> list[str]:
    """Return the lines above the tables."""
    times = report.embed
    embed = (
        f"Embedding alone: {times.single_ms:.3f} ms for one text, {times.batched_ms:.3f} ms a text in a batch; loading "
        f"the model {times.load_ms:.0f} ms, which context0's first search after reopening includes and no other's."
    )
    return [machine, *NOTES.splitlines(), embed]


def document(machine: str, plan: Plan, reports: Sequence[LayoutReport]) -> dict[str, object]:
    """Return everything that was measured, for `--json`."""
    return {
        "machine": machine,
        "plan": asdict(plan),
        "notes": NOTES,
        "layouts": [report.as_json() for report in reports],
    }


def show(console: Console, table: Table) -> None:
    drawn = rich.table.Table(title=table.title, title_justify="left")
    for column in table.head:
        drawn.add_column(column, overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    console.print(drawn)


def markdown(table: Table) -> str:
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"**{table.title}**\n\n{body}\n"


def _cell(result: Result, key: str) -> str:
    value = figure(result, key)
    if value is None:
        return ""
    tail = p95(result, key)
    return _short(value) if tail is None else f"{_short(value)} ({_short(tail)})"


def _short(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.1 or value == 0 else f"{value:.3f}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _peer_json(result: Result) -> dict[str, object]:
    keys = (row.key for row in ROWS)
    figures = {
        key: {"figure": value, "p95": p95(result, key), "samples": len(result.samples.get(key, ()))}
        for key in keys
        if (value := figure(result, key)) is not None
    }
    return {
        "versions": versions(PEERS[result.peer].packages),
        "note": PEERS[result.peer].note,
        "installed": result.installed,
        "failures": result.failures,
        "filled": result.filled,
        "durability": result.durability,
        "figures": figures,
    }
