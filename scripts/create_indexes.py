"""Creates the indexes that `stores/mongo/index_table.py` declares, and says how they stand. Safe to run twice.

    python scripts/create_indexes.py --url mongodb://localhost:27017/context0 [--check] [--json]

Exit status: 0 when every declared index is there, 1 when one is missing or differs, 2 when the server cannot be asked.
What differs, and what is not declared, is only reported: dropping an index is a decision.
"""

import asyncio
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # from a checkout it runs without an installation

from stores.errors import StoreError
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.indexes import IndexComparison, compare_indexes, ensure_indexes

DEFAULT_URL: Final = "mongodb://localhost:27017/context0"
REACH_S: Final = 5.0
BUILD_S: Final = 6 * 3600.0
COLORS: Final = {"created": "green", "present": "green", "missing": "red", "differs": "red", "obsolete": "yellow"}


def main(
    *,
    url: Annotated[str, typer.Option(help="The database; without a name in the URL it is context0.")] = DEFAULT_URL,
    prefix: Annotated[str, typer.Option(help="The prefix of the collections, if the store has one.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only look; exit 1 when something is missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create the indexes of a MongoDB store, or check them."""
    try:
        found = asyncio.run(_report(url, prefix, check=check))
    except (StoreError, ValueError) as exc:
        _fail(str(exc))
    if as_json:
        sys.stdout.write(json.dumps([dataclasses.asdict(comparison) for comparison in found], indent=2) + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(_table(found))
    if any(comparison.presence in ("missing", "differs") for comparison in found):
        raise typer.Exit(1)


async def _report(url: str, prefix: str, *, check: bool) -> Sequence[IndexComparison]:
    options = MongoOptions(timeout_s=BUILD_S, server_selection_s=REACH_S, min_pool=0, collection_prefix=prefix)
    database, user = MongoDatabase(url, options=options), object()
    try:
        await database.open(user)
        return await (compare_indexes if check else ensure_indexes)(database)
    finally:
        await database.aclose(user)


def _fail(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"error: {message}", markup=False, highlight=False)
    raise typer.Exit(2)


def _table(found: Sequence[IndexComparison]) -> Table:
    table = Table("collection", "index", "state", "bytes", "serves", "detail", title="MongoDB indexes")
    for comparison in found:
        size = "" if comparison.size_bytes is None else f"{comparison.size_bytes:,}"
        state = f"[{COLORS[comparison.presence]}]{comparison.presence}[/]"
        table.add_row(comparison.collection, comparison.name, state, size, comparison.serves, comparison.detail)
    return table


if __name__ == "__main__":
    typer.run(main)
