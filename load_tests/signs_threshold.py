"""From how many vectors a search by signs beats the exact product: both on the same rows, in one run.

    python load_tests/signs_threshold.py --sizes 10000,50000,100000 --json -

Rows are 256-d unit vectors around 500 centres, so that neighbours exist as they do among texts.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np

from stores.local.building import RowWriter
from stores.local.editions import begin
from stores.local.file_vectors import FileVectors
from stores.owner.vector_set import VectorSet
from stores.records import MemoryId

DIMENSION = 256
LIMIT = 10


def unit_rows(count: int, seed: int) -> np.ndarray:
    """Return `count` unit vectors: float32, shape (count, 256)."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((500, DIMENSION), np.float32)
    rows = centres[random.integers(0, 500, count)] + random.standard_normal((count, DIMENSION), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def median_ms(search: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    took = []
    for query in queries:
        started = time.perf_counter()
        search(query)
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1000


def measure(size: int, queries: np.ndarray) -> dict[str, float]:
    """Return milliseconds and recall@10 of both ways at one size."""
    rows, ids = unit_rows(size, 1), [MemoryId(str(UUID(int=row))) for row in range(size)]
    vectors = VectorSet()
    vectors.add_rows(ids, [row.tobytes() for row in rows])
    exact_ms = median_ms(lambda query: vectors.top(query, LIMIT), queries)
    exact = [{hit.id for hit in vectors.top(query, LIMIT)} for query in queries]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with RowWriter(begin(Path(folder)), step=size) as writer:
            writer.add(ids, [1] * size, [row.tobytes() for row in rows])
            edition = writer.commit(complete=True)
        filed = FileVectors(edition)
        build_s = time.perf_counter() - started
        signs_ms = median_ms(lambda query: filed.top(query, LIMIT), queries)
        found = [{hit.id for hit in filed.top(query, LIMIT)} for query in queries]
    recall = statistics.mean(len(a & b) / LIMIT for a, b in zip(exact, found, strict=True))
    return {"size": size, "exact_ms": exact_ms, "signs_ms": signs_ms, "recall": recall, "build_s": build_s}


def main() -> int:
    """Print a table to stderr, and JSON where it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,50000,100000")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--json", help="a file, or - for stdout")
    options = parser.parse_args()
    queries = unit_rows(options.queries, 2)
    results = []
    for size in map(int, options.sizes.split(",")):
        results.append(measure(size, queries))
        print("  ".join(f"{name} {value:.3f}" for name, value in results[-1].items()), file=sys.stderr)
    if options.json == "-":
        print(json.dumps(results))
    elif options.json:
        with Path(options.json).open("w", encoding="utf-8") as file:
            json.dump(results, file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
