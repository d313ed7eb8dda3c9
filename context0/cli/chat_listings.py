"""Shows memories, sessions, messages and receipts within a chat, with the ids that its commands take."""

from collections.abc import Mapping, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from context0.cli.output import console, day_and_time, local_time, one_line, print_error, printable
from context0.memory.results import ErasureReceipt
from context0.wire import UsedMemory
from stores.records import Memory, Message, Session

SHOWN_CHARACTERS: Final = 400


def show_memories(memories: Sequence[Memory], *, more: bool = False, degraded: Sequence[str] = ()) -> None:
    table = _table("when", "who")
    table.add_column("memory", ratio=1)
    for memory in memories:
        table.add_row(*_cells(memory))
    _show(table, memories, nothing="no memories", more=more)
    if degraded:
        print_error(f"warning: degraded, these arms did not answer: {', '.join(degraded)}")


def show_why(used: Sequence[UsedMemory], memories: Mapping[str, Memory]) -> None:
    """Print what an answer was given, best first, numbered as the answer cites it."""
    table = _table("", "score", "arms", "when", "who")
    table.add_column("memory", ratio=1)
    for number, one in enumerate(used, start=1):
        arms = "\n".join(f"{arm} {score:.3f}" for arm, score in sorted(one.arms.items()))
        memory = memories.get(one.id)
        cells = (Text(), Text(), Text(f"deleted since\n{one.id}")) if memory is None else _cells(memory)
        table.add_row(Text(f"[{number}]"), f"{one.score:.3f}", arms, *cells)
    console().print(table)


def show_sessions(sessions: Sequence[Session], *, current: str | None, more: bool) -> None:
    table = _table("", "last message", "messages")
    table.add_column("session", ratio=1)
    for session in sessions:
        mark = "→" if session.id == current else ""
        told = Text.assemble(printable(session.title), "\n", (printable(session.id), "dim"))
        table.add_row(mark, Text(day_and_time(session.updated_at)), str(session.next_seq - 1), told)
    _show(table, sessions, nothing="no sessions", more=more)


def show_history(messages: Sequence[Message], *, more: bool) -> None:
    """Print messages as they were said, the oldest first."""
    out = console()
    if more:
        out.print(Text("(older messages are left out)", style="dim"))
    for message in messages:
        state = "" if message.state == "complete" else f" ({message.state})"
        out.print(Text(f"{message.role}, {local_time(message.created_at)}{state}", style="dim"))
        out.print(Text(printable(message.content)), soft_wrap=True)


def show_receipt(receipt: ErasureReceipt) -> None:
    """Print what each store removed, and, if one failed, what to do."""
    table = _table("store", "removed", "remaining", "")
    for store in receipt.stores:
        removed = ", ".join(f"{count} {kind}" for kind, count in store.removed.items())
        told = "empty" if store.ok else one_line(store.error or "not empty")
        table.add_row(Text(store.store), Text(removed), str(store.remaining), Text(told))
    out = console()
    out.print(table)
    out.print(Text(f"erased at {local_time(receipt.erased_at)}"))
    if not receipt.ok:
        print_error("error: something is left; say /forget all again (erasure_incomplete)")


def _cells(memory: Memory) -> tuple[Text, Text, Text]:
    """Return when, who, and what with its id, as plain text: nothing in a memory is markup."""
    told = Text.assemble(printable(memory.content, limit=SHOWN_CHARACTERS), "\n", (memory.id, "dim"))
    if memory.invalid_at is not None:
        told.append(f" no longer true since {local_time(memory.invalid_at)}", "dim")
    return Text(day_and_time(memory.occurred_at or memory.created_at)), Text(printable(memory.speaker or "")), told


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, expand=True)
    for name in columns:
        table.add_column(name)
    return table


def _show(table: Table, rows: Sequence[object], *, nothing: str, more: bool) -> None:
    if not rows:
        console().print(nothing)
        return
    out = console()
    out.print(table)
    if more:
        out.print(Text("(there are more)", style="dim"))
