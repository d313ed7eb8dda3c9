"""The table of peers: their names on the command line, where they live and what they need installed."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the table alone imports no numpy
    from harness.embedding import PrecomputedEmbedder

    from peers.protocol import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSpec:
    """`target` is "module:Class"; `note` is what a reader of the figures must know."""

    name: str
    target: str
    packages: tuple[str, ...]
    note: str


OURS = "context0"
FLOOR = "bare"

PEERS = {
    spec.name: spec
    for spec in (
        PeerSpec(
            name=FLOOR,
            target="peers.bare:BarePeer",
            packages=("numpy",),
            note="the floor: sqlite3 and one dot product over a matrix per owner; no product. Ids are row numbers.",
        ),
        PeerSpec(
            name=OURS,
            target="peers.context0_engine:Context0Peer",
            packages=("context0", "apsw"),
            note="public API; embeds every memory and every question itself, which the others are spared.",
        ),
        PeerSpec(
            name="chromadb",
            target="peers.chroma:ChromaPeer",
            packages=("chromadb",),
            note="one collection per owner, its fastest shape: no filter in the search. Vectors precomputed.",
        ),
        PeerSpec(
            name="langgraph",
            target="peers.langgraph_store:LangGraphPeer",
            packages=("langgraph-checkpoint-sqlite", "sqlite-vec"),
            note="SqliteStore, one namespace per owner; its embedding function looks up precomputed vectors.",
        ),
        PeerSpec(
            name="lancedb",
            target="peers.lance:LancePeer",
            packages=("lancedb",),
            note="one table; after the load B-tree on id, bitmap on owner, FTS on content (not charged to the load). "
            "Vectors precomputed. All arms = its hybrid query (vector + FTS, RRF).",
        ),
        PeerSpec(
            name="mem0",
            target="peers.mem0_local:Mem0QdrantPeer",
            packages=("mem0ai", "qdrant-client"),
            note="infer=False, local qdrant on disk + history db; its embedder looks up precomputed vectors. Its BM25 "
            "and entity arms need downloaded models (fastembed, spaCy) and are off. It has no offset: a later page is "
            "the end of a longer list.",
        ),
        PeerSpec(
            name="mem0-faiss",
            target="peers.mem0_local:Mem0FaissPeer",
            packages=("mem0ai", "faiss-cpu"),
            note="as mem0, with faiss: the owner is filtered after the cut, and each add rewrites all files.",
        ),
    )
}


def build(name: str, embedder: "PrecomputedEmbedder") -> "Peer":
    """Import and construct the peer; ModuleNotFoundError when its package is not installed."""
    module, _, attribute = PEERS[name].target.partition(":")
    peer: Peer = getattr(import_module(module), attribute)(embedder)
    return peer
