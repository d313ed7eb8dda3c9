"""One peer in a process of its own: obeys commands, one JSON object a line on stdin, one answer a line on stdout.

`python -m harness.worker PEER STORE_FOLDER CORPUS_FOLDER BUDGET_S`. Whatever a peer prints goes to stderr. The parent
pins BLAS in the environment (`machine.worker_environment`).
"""

import asyncio
import json
import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from peers import build
from peers.protocol import BuildsIndexes, EmbedsItself, Peer, SearchesAllArms

from harness.corpus import load
from harness.embedding import PrecomputedEmbedder
from harness.machine import forbid_network
from harness.measures import Meter

NOT_INSTALLED = "not installed"
MEASURES = (
    "vector",
    "vector_again",
    "all_arms",
    "get",
    "page_first",
    "page_deep",
    "search_callers",
    "add",
    "add_callers",
)


class Answers:
    """The real stdout, one JSON object a line; everything else that is printed goes to stderr."""

    def __init__(self) -> None:
        self._stream: TextIO = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def give(self, **fields: object) -> None:
        self._stream.write(json.dumps(fields) + "\n")
        self._stream.flush()

    def fail(self, what: str, failure: Exception) -> None:
        """Report `failure` in one line; the traceback goes to stderr."""
        traceback.print_exception(failure)
        text = f"{type(failure).__name__}: {failure}".splitlines()[0][:300]
        self.give(error=f"{what}: {text}")


def built(name: str, embedder: PrecomputedEmbedder, answers: Answers) -> Peer | None:
    """Import and construct the peer; None, reported, when a package of its is missing."""
    try:
        return build(name, embedder)
    except ImportError as missing:
        answers.fail(NOT_INSTALLED, missing)
        return None


async def serve(name: str, store: Path, corpus_folder: Path, budget_s: float) -> None:
    answers = Answers()
    forbid_network()
    corpus = load(corpus_folder)
    peer = built(name, PrecomputedEmbedder.of([*corpus.memories, *corpus.questions, *corpus.warmups]), answers)
    if peer is None:
        return
    try:
        await peer.open(store)
    except Exception as failure:  # noqa: BLE001 - the process' edge: reported, the run goes on without the peer
        answers.fail("open", failure)
        return
    answers.give(all_arms=isinstance(peer, SearchesAllArms), embeds_itself=isinstance(peer, EmbedsItself))
    meter = Meter(peer=peer, corpus=corpus, budget_s=budget_s)
    while line := await asyncio.to_thread(sys.stdin.readline):  # the loop turns meanwhile, for the peer's own tasks
        command = json.loads(line)
        try:
            answers.give(**await obey(peer, meter, command))
        except Exception as failure:  # noqa: BLE001 - as above
            answers.fail(command["do"], failure)


async def obey(peer: Peer, meter: Meter, command: dict[str, object]) -> dict[str, object]:
    """Carry out one command of the parent."""
    match command:
        case {"do": "fill", "start": int(start), "stop": int(stop)}:
            return {"seconds": await meter.fill(start, stop)}
        case {"do": "settle"}:
            build = await built_indexes(peer) if isinstance(peer, BuildsIndexes) else {}
            return {**build, "first_recall": await meter.settle(), "deep_page": meter.deep_page}
        case {"do": str(measure), "start": int(start), "stop": int(stop)} if measure in MEASURES:
            return asdict(await getattr(meter, measure)(start, stop))
        case {"do": "close"}:
            durability = await peer.durability()
            await peer.close()
            return {"durability": durability}
        case _:
            message = f"unknown command {command}"
            raise ValueError(message)


async def built_indexes(peer: BuildsIndexes) -> dict[str, float]:
    started = time.perf_counter()
    await peer.build_indexes()
    return {"index_build_s": time.perf_counter() - started}


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])))
