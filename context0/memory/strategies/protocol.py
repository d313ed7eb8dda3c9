"""What a search arm must do, in both regimes: over an owner's index in memory, or by asking the stores."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from context0.embeddings.protocol import Embedder
from context0.memory.query import Query
from stores.owner.owner_index import Snapshot
from stores.protocols import DocumentStore, GraphStore, VectorStore
from stores.records import Hit

Scores = npt.NDArray[np.float32]
P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStores:
    """What arms may ask."""

    documents: DocumentStore
    vectors: VectorStore
    graph: GraphStore
    embedder: Embedder


class Strategy(Protocol[P]):
    """One way of finding memories. Stateless between searches; P is what `prepare` hands to the others."""

    @property
    def waits(self) -> bool:
        """True when `prepare` has something to wait for."""

    def applies(self, query: Query) -> bool:
        """Say whether the question calls for this arm; one that it does not call for costs nothing."""

    async def prepare(self, query: Query) -> P:
        """Do what has to be waited for, such as embedding the question. What it raises degrades this arm only."""

    def score(self, query: Query, prepared: P, snapshot: Snapshot) -> Scores:
        """Return one score a row, NaN where the arm has no opinion: float32, shape (rows,). Pure; thread-safe."""

    async def search(self, query: Query, prepared: P, limit: int) -> list[Hit]:
        """Return the best `limit` (1..1,000) memories by the stores' own index. One round trip, two at most."""
