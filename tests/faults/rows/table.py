"""Which rows there are, by name, and how often each is to be tried in full. A new row is one line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from tests.faults.rows.outcome import Outcome, RowOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """target: "module:function". full: how often, at length. title: what is done, and what must come of it."""

    target: str
    full: int
    title: str
    seconds: float = 0.0

    def run(self, options: RowOptions) -> Outcome:
        module, _, name = self.target.partition(":")
        function: Any = getattr(import_module(f"tests.faults.rows.{module}"), name)
        outcome: Outcome = function(options)
        return outcome


ROWS: Final[Mapping[str, Row]] = {
    "D1-sqlite": Row(target="adds:on_sqlite", full=1_000, title="kill -9 in additions, SQLite: lost 0, phantoms 0"),
    "D1-mongodb": Row(
        target="adds:on_mongodb", full=1_000, title="kill -9 of writer and server, MongoDB path: lost 0, phantoms 0"
    ),
    "D8-mongodb": Row(target="network:mongodb", full=300, title="MongoDB, faulty network: right or a typed error"),
    "D8-embeddings": Row(
        target="network:embeddings", full=300, title="embeddings behind a faulty network: `degraded` names the arm"
    ),
    "D9-redis": Row(target="network:redis", full=300, title="Redis behind a faulty network: nobody notices"),
    "D18-llm": Row(target="network:llm", full=300, title="the model behind a faulty network: an answer, or it says so"),
}
