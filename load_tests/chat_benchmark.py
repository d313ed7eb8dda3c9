"""The chat beside the bare model and beside agents one after another: `python load_tests/chat_benchmark.py --help`.

The model is a loopback server in a process of its own that speaks OpenAI's protocol: 300 ms to the first token, 20
tokens at 20 ms. The chat runs as it comes: SQLite, static vectors, the openai provider, 10,000 memories a user.

floor   the official client asked directly with a prompt of the chat's median size, beside the chat: one turn at a time,
        50 at once, 50 talking at all times; different users, one user, and half of the messages to be remembered. In
        turns, round after round; both in this process, so that the machine's noise falls on both.
calls   how often the model is called in a turn, counted at the server.
agents  privacy, intent, retrieval, conversation, memory extraction and analysis, each a call, one after another.
tiers   what lies between the message and the prompt, for the three tiers, at three sizes of a user's memory.
long    what a turn costs at turn 10, 100 and 1,000 of one session, with a model that answers at once.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.machine import machine_line, pin_blas

if TYPE_CHECKING:
    from chat.figures import Results, Table, Verdict

PARTS = ("floor", "calls", "agents", "tiers", "long")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="which of %(default)s")
    parser.add_argument("--users", type=int, default=10, help="users of the floor (default %(default)s)")
    parser.add_argument("--memories", type=int, default=10_000, help="memories of each (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of the floor (default %(default)s)")
    parser.add_argument("--alone", type=int, default=10, help="turns one at a time, a round (default %(default)s)")
    parser.add_argument("--concurrent", type=int, default=50, help="turns at the same time (default %(default)s)")
    parser.add_argument("--each", type=int, default=3, help="turns of a staggered talk, a round (default %(default)s)")
    parser.add_argument("--turns", type=int, default=1_000, help="turns of the long conversation (default %(default)s)")
    parser.add_argument("--sample", type=int, default=60, help="turns a tier (default %(default)s)")
    parser.add_argument("--agent-turns", type=int, default=10, help="turns of the agents (default %(default)s)")
    parser.add_argument("--sizes", default="100,1000,10000", help="memories for the tiers (default %(default)s)")
    parser.add_argument("--first-token-ms", type=float, default=300.0, help="the model's (default %(default)s)")
    parser.add_argument("--interval-ms", type=float, default=20.0, help="between two tokens (default %(default)s)")
    parser.add_argument("--tokens", type=int, default=20, help="of an answer (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file, as Markdown")
    parser.add_argument("--check", action="store_true", help="exit 1 when a threshold is missed")
    return parser


async def run(options: argparse.Namespace, folder: Path) -> "Results":
    from chat.endurance import long_conversation
    from chat.figures import Results
    from chat.model import Pace, model
    from chat.tiers import tier_figures
    from chat.users import users

    parts = options.parts.split(",")
    pace = Pace(first_token_ms=options.first_token_ms, tokens=options.tokens, interval_ms=options.interval_ms)
    results = Results()
    if {"floor", "calls", "agents"} & set(parts):
        with model(pace) as server:
            await _beside_model(server, options, results, folder)
    if "tiers" in parts:
        results.tiers = await tier_figures(folder, options.sample, [int(size) for size in options.sizes.split(",")])
    if "long" in parts:
        some = await users(1, options.memories, folder)
        results.long = await long_conversation(some, options.turns)
    return results


async def _beside_model(server: object, options: argparse.Namespace, results: "Results", folder: Path) -> None:
    from chat.calls import counted
    from chat.contest import Schedule, contest
    from chat.model import Model
    from chat.sequential import beside
    from chat.users import users

    assert isinstance(server, Model)
    parts = options.parts.split(",")
    some = await users(options.users, options.memories, folder)
    if "floor" in parts:
        whole_s = (options.first_token_ms + options.interval_ms * options.tokens) / 1_000
        schedule = Schedule(
            rounds=options.rounds,
            alone=options.alone,
            concurrent=options.concurrent,
            each=options.each,
            apart_s=whole_s / options.concurrent,
        )
        results.contest = await contest(server, some, schedule)
    if "calls" in parts:
        results.calls = await counted(server, some, max(2, options.agent_turns // 3))
    if "agents" in parts:
        results.agents = await beside(server, some, options.agent_turns)


def lines(table: "Table", *, markdown: bool) -> list[str]:
    """Return the table as lines of text."""
    if markdown:
        marked = (table.rows[0], ["---"] * len(table.rows[0]), *table.rows[1:])
        return [f"**{table.title}**", "", *(f"| {' | '.join(row)} |" for row in marked), ""]
    widths = [max(len(row[column]) for row in table.rows) for column in range(len(table.rows[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table.rows]
    return [table.title, *rows, ""]


def judged(found: "list[Verdict]") -> "Table":
    from chat.figures import Table

    rows = [[one.name, one.measured, one.asked, "pass" if one.passed else "MISS"] for one in found]
    return Table(title="Thresholds", rows=[["", "measured", "asked", ""], *rows])


def load() -> str:
    return "load average " + ", ".join(f"{value:.2f}" for value in os.getloadavg())


def main() -> int:
    options = arguments().parse_args()
    pin_blas()  # before numpy is imported by any of these
    logging.getLogger().addHandler(logging.NullHandler())  # slow operations are what is looked for here
    from chat.figures import as_json, tables, verdicts

    began = load()
    with tempfile.TemporaryDirectory(prefix="context0-chat-") as scratch:
        results = asyncio.run(run(options, Path(scratch)))
    machine = f"{machine_line()}; {began} at the beginning, {load()} at the end"
    found = list(verdicts(results))
    shown = [*tables(results), judged(found)]
    print("\n".join([machine, "", *(line for table in shown for line in lines(table, markdown=False))]))
    if options.markdown:
        text = "\n".join([machine, "", *(line for table in shown for line in lines(table, markdown=True))])
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        plan = {name: value for name, value in vars(options).items() if isinstance(value, int | float | str)}
        told = {"machine": machine, "plan": plan, **as_json(results)}
        options.json.write_text(json.dumps(told, indent=2, default=str), encoding="utf-8")
    return 1 if options.check and not all(one.passed for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
