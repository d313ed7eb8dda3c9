"""What the curves of a benchmark share: their options, and how they are told as JSON, Markdown and a plot."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from harness.machine import machine_line
from harness.report import Table, markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """lines: by name, what was measured at each x (a number, a name). asked: of lines, what the last may be at most."""

    title: str
    x: str
    unit: str
    lines: dict[str, dict[str, float]] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)

    def add(self, line: str, x: object, value: float) -> None:
        self.lines.setdefault(line, {})[str(x)] = value

    def missed(self) -> list[str]:
        """Return the lines that end above what was asked, or were not measured."""
        return [line for line, most in self.asked.items() if not self.lines.get(line) or self._last(line) > most]

    def table(self) -> Table:
        places = list(dict.fromkeys(x for line in self.lines.values() for x in line))
        rows = [[name, *(_short(line.get(x)) for x in places)] for name, line in self.lines.items()]
        return Table(title=f"{self.title}, {self.unit}", head=[self.x, *places], rows=rows)

    def _last(self, line: str) -> float:
        return list(self.lines[line].values())[-1]


def told(parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Sequence[Curves]]) -> int:
    """Measure, and tell it as asked: the end of every benchmark's `main`. 1 with --check where something is missed."""
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file; they are printed in any case")
    parser.add_argument("--plot", type=Path, help="draw to this file, .svg or .png; needs matplotlib")
    parser.add_argument("--check", action="store_true", help="exit 1 when something is missed")
    options = parser.parse_args()
    found = measure(options)
    missed = [f"{curves.title}: {line}" for curves in found for line in curves.missed()]
    text = "\n".join(
        [machine_line(), "", *(markdown(curves.table()) for curves in found), *map("Missed: {}".format, missed)]
    )
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        whole = {"machine": machine_line(), "curves": [asdict(curves) for curves in found], "missed": missed}
        options.json.write_text(json.dumps(whole, indent=2), encoding="utf-8")
    if options.plot:
        draw(found, options.plot)
    return 1 if options.check and missed else 0


def draw(found: Sequence[Curves], path: Path) -> None:
    """Draw one picture a set of curves: lines over numbers, both axes logarithmic; bars over names."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(7 * len(found), 5), squeeze=False)
    for curves, axis in zip(found, axes[0], strict=True):
        numeric = all(x.isdigit() for line in curves.lines.values() for x in line)
        for place, (name, line) in enumerate(curves.lines.items()):
            if numeric:
                axis.plot([int(x) for x in line], list(line.values()), marker="o", label=name)
            else:
                width = 0.8 / len(curves.lines)
                axis.bar([n + place * width for n in range(len(line))], list(line.values()), width, label=name)
                axis.set_xticks(range(len(line)), list(line), rotation=45, ha="right")
        axis.set(
            title=curves.title, xlabel=curves.x, ylabel=curves.unit, yscale="log", xscale="log" if numeric else "linear"
        )
        axis.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path)


def p99(values: Sequence[float]) -> float:
    """Return the value that one in a hundred exceeds."""
    return sorted(values)[int(0.99 * (len(values) - 1))]


def p50(values: Sequence[float]) -> float:
    return median(values)


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
