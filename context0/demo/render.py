"""Shows a demo report to people."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from context0.demo.report import Answer, DemoReport, Erasure


def show(report: DemoReport, console: Console) -> None:
    """Print the report section by section; the words of the conversation are printed as they are, never as markup."""
    written = report.written
    _heading(console, f"A conversation of {' and '.join(report.people)}")
    console.print(
        f"{written.memories} memories of {written.sessions} sessions written in {written.elapsed_ms:.1f} ms;"
        f" the file was closed and reopened in {report.reopened_ms:.1f} ms"
    )
    for number, answer in enumerate(report.answers, start=1):
        _show_answer(number, answer, console)
    console.print(f"{report.answered} of {len(report.answers)} questions found their turn among the first three")
    pages = report.pages
    _heading(console, "All memories, page by page")
    console.print(
        f"{pages.pages} pages of {pages.page_size}, {pages.memories} memories, {pages.duplicates} duplicates,"
        f" {pages.elapsed_ms:.1f} ms: {_verdict('every memory came once', pages.complete)}"
    )
    _heading(console, "A note and its history")
    for version in report.history:
        console.print(
            f"{version.version} {version.event} {version.changed_at:%Y-%m-%d %H:%M:%S}: {escape(version.content)}"
        )
    _heading(console, "A question to the chat, which quotes without a model")
    chat = report.chat
    console.print(f"[bold]{escape(chat.question)}[/bold]\n{escape(chat.answer)}")
    console.print(f"{_verdict('answered from memory', chat.success)} in {chat.elapsed_ms:.1f} ms")
    _heading(console, "Everything erased")
    _show_erasure(report.erasure, console)


def _show_answer(number: int, answer: Answer, console: Console) -> None:
    engine_times = ", ".join(f"{stage} {spent:.2f}" for stage, spent in answer.timings_ms.items())
    table = Table(
        title=f"{number}. {escape(answer.question)} [dim](by {answer.kind})[/dim]",
        caption=f"{_verdict('found', answer.success)} in {answer.elapsed_ms:.2f} ms ({escape(engine_times)});"
        f" the answer: {escape(answer.expected_answer)}",
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        expand=True,
    )
    table.add_column("said")
    table.add_column("memory", ratio=1)
    table.add_column("score", justify="right")
    table.add_column("arms")
    for memory in answer.found:
        style = "green" if memory.expected else None
        arms = "\n".join(f"{arm} {score:.2f}" for arm, score in sorted(memory.arms.items()))
        said = f"{memory.speaker}\n{memory.occurred_at:%Y-%m-%d}"
        table.add_row(escape(said), escape(memory.content), f"{memory.score:.2f}", escape(arms), style=style)
    console.print(table)
    if answer.degraded:
        console.print(f"[yellow]degraded: {escape(', '.join(answer.degraded))}[/yellow]")


def _show_erasure(erasure: Erasure, console: Console) -> None:
    table = Table(title=f"receipt for {escape(erasure.user_id)}, {erasure.erased_at:%Y-%m-%d %H:%M:%S}")
    for name in ("store", "removed", "remaining", "checked"):
        table.add_column(name)
    for store in erasure.stores:
        removed = ", ".join(f"{count} {kind}" for kind, count in store.removed.items())
        table.add_row(escape(store.store), escape(removed), str(store.remaining), _verdict("empty", store.ok))
    console.print(table)
    console.print(
        f"found afterwards: {erasure.found_afterwards}, after another reopening: {erasure.found_after_reopening}:"
        f" {_verdict('nothing is left', erasure.clean)}"
    )


def _heading(console: Console, text: str) -> None:
    console.rule(f"[bold]{escape(text)}[/bold]", align="left")


def _verdict(claim: str, holds: bool) -> str:  # noqa: FBT001 - a claim and whether it is true
    return f"[green]{claim}[/green]" if holds else f"[red]NOT {claim}[/red]"
