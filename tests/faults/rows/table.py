"""Which rows there are, by name, and how often each is to be tried in full. A new row is one line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from tests.faults.rows.outcome import Outcome, RowOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """target: "module:function", of this package where the module has no dot. full: how often, at length.

    title: what is done, and what must come of it.
    """

    target: str
    full: int
    title: str
    seconds: float = 0.0

    def run(self, options: RowOptions) -> Outcome:
        module, _, name = self.target.partition(":")
        place = module if "." in module else f"tests.faults.rows.{module}"
        function: Any = getattr(import_module(place), name)
        outcome: Outcome = function(options)
        return outcome


ROWS: Final[Mapping[str, Row]] = {
    "D1-sqlite": Row(target="adds:on_sqlite", full=1_000, title="kill -9 in additions, SQLite: lost 0, phantoms 0"),
    "D1-mongodb": Row(
        target="adds:on_mongodb", full=1_000, title="kill -9 of writer and server, MongoDB path: lost 0, phantoms 0"
    ),
    "D2-turns": Row(
        target="killed_streams:in_process", full=500, title="kill -9 at 5 points of a turn, 2 stores: lost 0, stuck 0"
    ),
    "D2-sqlite": Row(
        target="killed_streams:on_sqlite", full=60, title="kill -9 after the k-th word, SQLite: lost 0, stuck 0"
    ),
    "D2-mongodb": Row(target="killed_streams:on_mongodb", full=40, title="… on the MongoDB path with its journal"),
    "D3-journal": Row(
        target="crash_points:journal", full=300, title="kill -9 in a flush to MongoDB, 3 points: lost 0, phantoms 0"
    ),
    "D3-index": Row(
        target="crash_points:index", full=400, title="kill -9 in index work, 4 points: lost 0, phantoms 0, orphans 0"
    ),
    "D4-sqlite": Row(
        target="endings:on_sqlite",
        full=900,
        title="SIGTERM, twice, SIGINT twice under streams, SQLite: lost 0, stuck 0",
    ),
    "D4-mongodb": Row(
        target="endings:on_mongodb", full=900, title="the same, MongoDB path with a full journal: lost 0, stuck 0"
    ),
    "D5": Row(target="disk:full", full=100, title="no space left, SQLite: false acknowledgements 0, reads go on"),
    "D6": Row(target="disk:failing", full=100, title="fsync fails, SQLite: false acknowledgements 0, reads go on"),
    "D7": Row(
        target="power_loss:store", full=3_000, title="power loss, SQLite: FULL lost 0; NORMAL only after the last sync"
    ),
    "D7-journal": Row(target="power_loss:journal", full=3_000, title="… the journal before a chat store"),
    "D8-mongodb": Row(target="network:mongodb", full=300, title="MongoDB, faulty network: right or a typed error"),
    "D8-embeddings": Row(
        target="network:embeddings", full=300, title="embeddings behind a faulty network: `degraded` names the arm"
    ),
    "D8-amplification": Row(
        target="amplification:run", full=1_000, title="MongoDB, embeddings, model fail every call: at most 1.2 for one"
    ),
    "D9-redis": Row(target="network:redis", full=300, title="Redis behind a faulty network: nobody notices"),
    "D10": Row(
        target="step_downs:run", full=300, title="the primary steps down, hangs up, confirms nothing: one effect, typed"
    ),
    "D11-sqlite": Row(
        target="deliveries:on_sqlite", full=60, title="messages delivered 3 times, leases outlasted: duplicates 0"
    ),
    "D11-mongodb": Row(target="deliveries:on_mongodb", full=30, title="… on the MongoDB path"),
    "D12": Row(
        target="repeats:run", full=200, title="one Idempotency-Key, 50 at once and later: one effect, one reply"
    ),
    "D13-sqlite": Row(
        target="orders:on_sqlite", full=840, title="late work, writes, messages in every order: resurrected 0, lost 0"
    ),
    "D13-mongodb": Row(target="orders:on_mongodb", full=210, title="… on the MongoDB path"),
    "D14-sqlite": Row(target="same:on_sqlite", full=200, title="50 say the same at once: stored once, no change lost"),
    "D14-mongodb": Row(target="same:on_mongodb", full=200, title="… on the MongoDB path"),
    "D15": Row(
        target="clocks:run", full=300, title="clocks that step by up to 2 h: inversions 0, early lease steals 0"
    ),
    "D16": Row(
        target="poison:run", full=90, title="index work that raises, hangs, kills: given up and listed, others done"
    ),
    "D17": Row(
        target="bad_vectors:run", full=260, title="embeddings that are wrong in 26 ways: bad vectors stored 0, left 0"
    ),
    "D18-llm": Row(target="network:llm", full=300, title="the model behind a faulty network: an answer, or it says so"),
    "D19": Row(
        target="disconnects:disconnects",
        full=500,
        title="clients that leave in mid-answer: the model's call closed in 1 s, what it said kept once, leaks 0",
    ),
    "D20": Row(
        target="readers:run", full=200, title="clients that take nothing, or 1 B/s: closed, memory bounded, leaks 0"
    ),
    "D21-cache": Row(target="herds:cache", full=1_000, title="so many miss one key at once: one call, errors not kept"),
    "D21-embeddings": Row(
        target="herds:embeddings", full=1_000, title="so many search one text at once: one call, errors not kept"
    ),
    "D23-soak": Row(
        target="soak:run", full=8, seconds=1_800, title="mixed load and random faults: RSS, descriptors, tasks level"
    ),
    "S1-sqlite": Row(target="tests.security.isolation:on_sqlite", full=20_000, title="others' ids everywhere: leaks 0"),
    "S1-mongodb": Row(
        target="tests.security.isolation:on_mongodb", full=5_000, title="others' ids everywhere, MongoDB path: leaks 0"
    ),
    "S2": Row(target="tests.security.canaries:run", full=50, title="a canary of each user everywhere: leaks 0"),
    "S3": Row(
        target="tests.security.sharing:owners", full=100_000, title="50 owners at once on one engine: misrouted 0"
    ),
    "S10": Row(
        target="tests.security.poisoning:run",
        full=60,
        title="an agent floods, orders, claims: reach told; others 0, after rollback 0",
    ),
    "S11": Row(
        target="tests.security.sharing:keys",
        full=1_000_000,
        title="cache keys, planted values: collisions 0, hits 0",
    ),
    "S4-sqlite": Row(
        target="tests.security.injections:on_sqlite", full=800, title="payloads in every field, SQLite: bypasses 0"
    ),
    "S4-mongodb": Row(
        target="tests.security.injections:on_mongodb",
        full=800,
        title="payloads in every field, MongoDB path: bypasses 0",
    ),
    "S8": Row(target="tests.security.forging:cursors", full=100_000, title="changed and stolen cursors: accepted 0"),
    "S13": Row(
        target="tests.security.forging:credentials", full=100_000, title="changed keys, forged tokens: accepted 0"
    ),
    "S5": Row(
        target="tests.security.lengths:run", full=1_000, title="twice the text: about twice the work, of any kind"
    ),
    "S6": Row(
        target="tests.security.oversized:run", full=180, title="bodies too large or malformed: taken 0, RSS level"
    ),
    "S7": Row(target="tests.security.hostile:run", full=500, title="hostile texts, both stores: 4xx, or as sent"),
    "S12": Row(target="tests.security.dawdling:run", full=100, title="connections that dawdle: held longer 0"),
    "S14": Row(
        target="tests.security.secrets:run", full=110, title="keys, passwords, texts in logs, errors, settings: hits 0"
    ),
    "S15": Row(
        target="tests.security.reaching:run",
        full=6_000,
        title="addresses in every field, servers that redirect: reached 0",
    ),
    "S16-sqlite": Row(
        target="tests.security.modes:on_sqlite", full=60, title="off the record, read-only, masked: residues 0"
    ),
    "S16-mongodb": Row(target="tests.security.modes:on_mongodb", full=60, title="… on the MongoDB path"),
    "S17-sqlite": Row(
        target="tests.security.erasures:on_sqlite",
        full=60,
        title="users erased in full flight, SQLite: residues 0, brought back 0",
    ),
    "S17-mongodb": Row(target="tests.security.erasures:on_mongodb", full=40, title="… on the MongoDB path"),
    "S18": Row(target="tests.security.noise:run", full=1_000, title="one user at 5 times its quota: others refused 0"),
    "S19-sqlite": Row(
        target="tests.security.fuzzing:sqlite", full=50_000, title="generated requests, SQLite: 5xx 0, off the schema 0"
    ),
    "S19-mongodb": Row(
        target="tests.security.fuzzing:mongodb",
        full=50_000,
        title="generated requests, MongoDB path: 5xx 0, off the schema 0",
    ),
}
