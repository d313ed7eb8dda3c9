"""What only a fresh process can tell: the first search after reopening, the memory held, the fsyncs of an add.

`python -m harness.probe KIND PEER STORE_FOLDER CORPUS_FOLDER FILLED` prints one JSON object. The files are warm in the
system's page cache; that is so for every peer.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from peers.protocol import Peer

from harness.corpus import Corpus, Memory, load
from harness.embedding import PrecomputedEmbedder
from harness.machine import forbid_network, resident_bytes
from harness.measures import K
from harness.worker import Answers, built

SYNCED_ADDS = 20


async def first_search(peer: Peer, store: Path, corpus: Corpus, filled: Sequence[Memory]) -> dict[str, object]:
    """Time from opening to the first result, imports done before."""
    owner = filled[0].owner
    question = next(question for question in corpus.warmups if question.owner == owner)
    started = time.perf_counter()
    await peer.open(store)
    opened = time.perf_counter()
    found = await peer.search_vector(question, K)
    done = time.perf_counter()
    await peer.close()
    if not found:
        message = "the first search after reopening found nothing"
        raise ValueError(message)
    return {"open_ms": (opened - started) * 1e3, "first_search_ms": (done - started) * 1e3}


async def memory_held(peer: Peer, store: Path, corpus: Corpus, filled: Sequence[Memory]) -> dict[str, object]:
    """Measure resident memory: the filled store with all owners searched, less what a store of one memory takes."""
    fixed = await _fixed_memory(type(peer), corpus, filled[0])
    firsts = {question.owner: question for question in corpus.warmups}
    await peer.open(store)
    for owner in dict.fromkeys(memory.owner for memory in filled):
        await peer.search_vector(firsts[owner], K)
    held = resident_bytes()
    await peer.close()
    return {"fixed_mb": fixed / 1e6, "held_mb": held / 1e6, "per_1000_mb": (held - fixed) / 1e3 / len(filled)}


async def _fixed_memory(kind: type[Peer], corpus: Corpus, memory: Memory) -> int:
    """Return what the process holds with a store of one memory, which nothing refers to afterwards."""
    twin = kind(PrecomputedEmbedder.of([*corpus.memories, *corpus.warmups]))
    question = next(question for question in corpus.warmups if question.owner == memory.owner)
    with tempfile.TemporaryDirectory() as folder:
        await twin.open(Path(folder))
        await twin.add(memory)
        await twin.search_vector(question, K)
        fixed = resident_bytes()
        await twin.close()
    return fixed


async def synced_adds(peer: Peer, store: Path, corpus: Corpus, filled: Sequence[Memory]) -> dict[str, object]:
    """Make single adds and say when, on the wall clock that strace prints."""
    owners = {memory.owner for memory in filled}
    adds = [memory for memory in corpus.spare if memory.owner in owners][-SYNCED_ADDS:]
    await peer.open(store)
    began = time.time()
    for memory in adds:
        await peer.add(memory)
    ended = time.time()
    await peer.close()
    return {"began": began, "ended": ended, "adds": len(adds)}


PROBES = {"first_search": first_search, "memory_held": memory_held, "synced_adds": synced_adds}


async def run(kind: str, name: str, store: Path, corpus_folder: Path, count: int) -> None:
    answers = Answers()
    forbid_network()
    corpus = load(corpus_folder)
    known = corpus.warmups if kind == "first_search" else [*corpus.memories, *corpus.questions, *corpus.warmups]
    started = time.perf_counter()
    peer = built(name, PrecomputedEmbedder.of(known), answers)
    import_ms = (time.perf_counter() - started) * 1e3
    if peer is None:
        return
    try:
        answers.give(import_ms=import_ms, **await PROBES[kind](peer, store, corpus, corpus.memories[:count]))
    except Exception as failure:  # noqa: BLE001 - the process' edge: reported, the run goes on without the figure
        answers.fail(kind, failure)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5])))
