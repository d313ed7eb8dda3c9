"""Shows an evaluation to people: tables and a progress bar."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from context0.evaluation.report import OVERALL, EvaluationReport, Row
from context0.evaluation.storing import Progress as ProgressCall

LOCOMO_NAMES = {"1": "multi-hop", "2": "temporal", "3": "open-domain", "4": "single-hop", "5": "adversarial"}
COLUMNS = ("category", "n", "R@5", "R@10", "R@20", "hit@10", "nDCG@10", "MRR", "p50 ms", "p95 ms")


@contextmanager
def progress_bar(console: Console) -> Iterator[ProgressCall]:
    """Yield a function for the runner that moves one bar a stage; nothing is left, and a file or pipe gets nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, refresh_per_second=4, disable=not console.is_terminal
    ) as bar:
        tasks = {stage: bar.add_task(stage, total=None, visible=False) for stage in ("ingest", "ask", "record")}

        def move(stage: str, done: int, total: int) -> None:
            bar.update(tasks[stage], completed=done, total=total, visible=True)

        yield move


def show(report: EvaluationReport, console: Console) -> None:
    """Print one dataset's table and what must be known to read it."""
    console.print(_table(report))
    for line in _remarks(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if report.ablation:
        console.print(_ablation(report))


def _table(report: EvaluationReport) -> Table:
    arms = ", ".join(report.strategies) if report.strategies else "all strategies"
    owners = "one owner for all conversations" if report.merged else "one owner a conversation"
    fused = "" if report.fusion == "score" else f", {report.fusion}s fused"
    table = Table(title=escape(f"{report.dataset}: {arms}{fused}, {owners}"), title_justify="left", box=SIMPLE_HEAD)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "category" else "right", no_wrap=True)
    for row in report.rows:
        if row.category == OVERALL:
            table.add_section()
        table.add_row(*_cells(row))
    return table


def _ablation(report: EvaluationReport) -> Table:
    table = Table(title=escape(f"{report.dataset}: what each part gives"), title_justify="left", box=SIMPLE_HEAD)
    for name in ("ranking", "R@10", "change", "95 % between"):
        table.add_column(name, justify="left" if name == "ranking" else "right", no_wrap=True)
    for row in report.ablation:
        change = row.change
        table.add_row(
            escape(row.name),
            f"{100 * row.recall_at_10:.1f}",
            f"{100 * change.mean:+.1f}",
            f"{100 * change.low:+.1f} and {100 * change.high:+.1f}",
        )
    return table


def _cells(row: Row) -> tuple[str, ...]:
    name = f"{row.category} {LOCOMO_NAMES[row.category]}" if row.category in LOCOMO_NAMES else row.category
    figures = (row.recall_at_5, row.recall_at_10, row.recall_at_20, row.hit_at_10, row.ndcg_at_10, row.mrr)
    return (
        escape(name if row.in_overall else f"({name})"),
        str(row.questions),
        *("–" if figure is None else f"{100 * figure:.1f}" for figure in figures),
        f"{row.p50_ms:.2f}",
        f"{row.p95_ms:.2f}",
    )


def _remarks(report: EvaluationReport) -> Iterator[str]:
    stored = report.ingested
    yield (
        f"stored {stored.turns} turns of {stored.conversations} conversations in {stored.elapsed_s:.1f} s"
        f" ({stored.cut_turns} cut, {stored.duplicate_turns} duplicates, {stored.empty_turns} empty);"
        " a category in brackets is not part of the overall row"
    )
    interval = report.recall_at_10_interval
    if interval is not None:
        bounds = f"{100 * interval.low:.1f} and {100 * interval.high:.1f}"
        yield f"overall R@10 {100 * interval.mean:.1f}, 95 % between {bounds} (bootstrap)"
    abstention = report.abstention
    if abstention.auc is not None:
        yield (
            f"relevance, answerable against unanswerable: ROC AUC {abstention.auc:.3f};"
            f" nothing returned for {abstention.empty_answerable} of {abstention.answerable} answerable,"
            f" {abstention.empty_unanswerable} of {abstention.unanswerable} unanswerable questions"
        )
    folds = report.cross_validation
    if folds is not None:
        bounds = f"{100 * folds.change.low:+.1f} and {100 * folds.change.high:+.1f}"
        yield (
            f"cross-validated over {folds.folds} folds of conversations: R@10 {100 * folds.recall_at_10:.1f} with"
            f" weights chosen on the other folds, {100 * folds.served:.1f} with the engine's; change"
            f" {100 * folds.change.mean:+.1f}, 95 % between {bounds}"
        )
        for number, chosen in enumerate(folds.chosen, start=1):
            factors = ", ".join(f"{name} × {factor:g}" for name, factor in chosen.items())
            yield f"  fold {number}: {factors or 'the weights as they are'}"
    if report.unknown_evidence:
        yield f"{report.unknown_evidence} ids of evidence name no turn and count as not found"
    if report.degraded_searches:
        yield f"WARNING: {report.degraded_searches} searches were degraded, the figures are too low"
