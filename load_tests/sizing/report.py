"""The plan as Markdown: what was measured, what follows, and what was assumed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from load_tests.sizing.costs import Costs
from load_tests.sizing.owners import Residency
from load_tests.sizing.plan import Assumptions, Plan

SHARD_KEY: Final = (
    "**Shard key: `{source_user_id: 1}`, ranged.** Every query of an owner names `source_user_id`, so each goes"
    " to one shard. The index that keeps two equal memories out is unique on (`source_user_id`, `dedupe_key`), and"
    " MongoDB takes a unique index on a sharded collection only where the shard key is its prefix: a hashed key,"
    " or one with `_id` behind the owner, would cost a look before each write and a race. `_id` is unique in its"
    " shard only, which is enough: ids are random, or derived from owner and key. The price: an owner is never"
    " split (last wall), and owners whose ids ascend with time fill one shard first; give them random ids, or"
    " split the ranges ahead. Queries over all owners (index work that is due, expiry) ask every shard, once in"
    " `index_interval_s` for each process that works."
)


def markdown(
    costs: Costs, commands: Mapping[str, float], residency: Sequence[Residency], plan: Plan, a: Assumptions
) -> str:
    mongo = costs.mongo
    parts = [
        f"# {a.memories:,} memories of {a.owners:,} owners",
        f"Measured on {costs.memories:,} turns of conversations ({costs.text_bytes:.0f} bytes of text on average).",
        "## One memory, in bytes",
        _table(
            ("where", "bytes", "of which"),
            [
                ("MongoDB document (BSON)", f"{mongo.document:,.0f}", _largest(mongo.fields)),
                ("MongoDB indexes (formula)", f"{mongo.index:,.0f}", _largest(mongo.indexes)),
                ("SQLite, all pages", f"{sum(costs.sqlite_bytes.values()):,.0f}", _largest(costs.sqlite_bytes)),
                ("owner's index in memory", f"{costs.index_bytes:,.0f}", f"{costs.index_fixed_bytes:,.0f} an owner"),
            ],
        ),
        "## One operation",
        _table(
            ("operation", "CPU ms", "MongoDB commands"),
            [
                (name, f"{ms:.2f}", f"{commands[name]:.1f}" if name in commands else "–")
                for name, ms in costs.cpu_ms.items()
            ] + [("reading an owner, a memory", f"{costs.load_ms:.4f}", "–")],
        ),
        "## Owners in memory (Zipf; requests by size)",
        _table(
            ("processes", "GB each", "requests go", "hit rate", "memories read for a request"),
            [
                (one.processes, f"{one.gb_each:g}", "to the owner's process" if one.sticky else "anywhere",
                 f"{one.hit_rate:.1%}", f"{one.loaded:,.0f}")
                for one in residency
            ],
        ),
        "## What it needs",
        _table(("", ""), _needs(plan)),
        SHARD_KEY,
        "## Walls, the first first",
        _table(("memories", "what", "then"), [(f"{w.at_memories:,.0f}", w.name, w.then) for w in plan.walls]),
        "## Assumed",
        ", ".join(f"{name} {value:,g}" for name, value in asdict(a).items()) + ".",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _needs(plan: Plan) -> list[tuple[str, str]]:
    operations = ", ".join(f"{number:,.0f} {name}" for name, number in plan.operations_per_s.items())
    by = ", ".join(f"{name} {number:.1f}" for name, number in plan.shards_by.items())
    money = ", ".join(f"{name} {number:,.0f}" for name, number in plan.money.items())
    return [
        ("documents, compressed", f"{plan.data_gb:,.0f} GB"),
        ("indexes", f"{plan.index_gb:,.0f} GB"),
        ("in the servers' memory", f"{plan.cache_gb:,.0f} GB"),
        ("operations a second at the peak", operations),
        ("MongoDB commands a second", f"{plan.commands_per_s:,.0f}"),
        ("shards", f"{plan.shards} (by {by})"),
        ("cores for the service", f"{plan.cpu_cores:,.1f}, so {plan.processes} processes"),
        ("money a month", money),
    ]


def _largest(sizes: Mapping[str, float], most: int = 5) -> str:
    largest = sorted(sizes.items(), key=lambda one: -one[1])[:most]
    return ", ".join(f"{name} {size:,.0f}" for name, size in largest)


def _table(columns: Sequence[object], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
