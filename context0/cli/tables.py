"""Shows search results and pages to people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from context0.cli.output import console, day_and_time, printable

if TYPE_CHECKING:
    from context0.memory.results import FoundMemory, SearchResult
    from stores.records import Memory, Page

SHOWN_CHARACTERS: Final = 400


def show_search(result: "SearchResult") -> None:
    """Print one row a memory, then how long what took, the next page, and the explanation if there is one."""
    table = Table(box=SIMPLE_HEAD, expand=True)
    table.add_column("score", justify="right", no_wrap=True)
    for name in ("arms", "when", "who"):
        table.add_column(name)
    table.add_column("memory", ratio=1)
    for item in result.items:
        table.add_row(f"{item.score:.3f}", "\n".join(_arms(item)), *_memory_cells(item.memory))
    out = console()
    out.print(table)
    stages = ", ".join(f"{stage} {spent:.2f}" for stage, spent in result.timings_ms.items() if stage != "total")
    out.print(Text(f"{len(result.items)} found in {result.timings_ms.get('total', 0):.2f} ms ({stages})", style="dim"))
    for name, told in result.explanation.items():
        out.print(Text(printable(f"{name}: {told}")))
    _show_next(result.next_cursor)


def show_page(page: "Page[Memory]") -> None:
    table = Table(box=SIMPLE_HEAD, expand=True)
    for name in ("when", "who"):
        table.add_column(name)
    table.add_column("memory", ratio=1)
    table.add_column("type")
    for memory in page.items:
        table.add_row(*_memory_cells(memory), memory.memory_type)
    console().print(table)
    _show_next(page.next_cursor)


def show_quarantine(page: "Page[Memory]") -> None:
    table = Table(box=SIMPLE_HEAD, expand=True)
    table.add_column("id", no_wrap=True)
    for name in ("reasons", "when", "who"):
        table.add_column(name)
    table.add_column("memory", ratio=1)
    for memory in page.items:
        table.add_row(memory.id, "\n".join(memory.quarantine), *_memory_cells(memory))
    console().print(table)
    _show_next(page.next_cursor)


def _memory_cells(memory: "Memory") -> tuple[Text, ...]:
    """Return when, who and what as plain text: nothing in a memory is markup."""
    when = day_and_time(memory.occurred_at or memory.created_at)
    return Text(when), Text(printable(memory.speaker or "")), Text(printable(memory.content, limit=SHOWN_CHARACTERS))


def _arms(item: "FoundMemory") -> Iterator[str]:
    ranks = item.explanation.get("ranks")
    for arm, score in sorted(item.arms.items()):
        rank = f" #{ranks[arm]}" if isinstance(ranks, dict) and arm in ranks else ""
        yield f"{arm} {score:.3f}{rank}"


def _show_next(cursor: str | None) -> None:
    if cursor is not None:
        console().print(Text(f"more: --cursor={cursor}"), soft_wrap=True)
