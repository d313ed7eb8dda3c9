"""Measures evidence recall on recorded conversations: one turn is one memory, every question is one search.

    python scripts/evaluate_locomo.py --data ../shared/data/locomo_dev.jsonl.gz --json locomo.json

Exit code 0 when done, 1 when the engine or the store failed, 2 for bad input.
"""

import argparse
import sys
from pathlib import Path

from context0 import Settings
from context0.evaluation.command import EvaluationRequest, run_evaluation
from context0.evaluation.storing import RunOptions
from context0.runtime import build_parts


def parse(arguments: list[str] | None = None) -> EvaluationRequest:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, nargs="+", action="extend", required=True, help=".jsonl or .jsonl.gz; may be repeated"
    )
    parser.add_argument("--store", help="store URL without these conversations (default: a temporary SQLite file)")
    parser.add_argument("--limit-conversations", type=int, metavar="N", help="only the first N of each file")
    parser.add_argument("--strategies", metavar="A,B", help="search arms to ask, by comma (default: all)")
    parser.add_argument("--merge", action="store_true", help="put all conversations of a file under one owner")
    parser.add_argument("--fusion", choices=("score", "rank"), default="score", help="what of the arms is added up")
    parser.add_argument("--ablate", action="store_true", help="show what each arm and each signal gives")
    parser.add_argument("--folds", type=int, default=0, metavar="N", help="cross-validate the weights over N folds")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too; - prints only JSON")
    given = parser.parse_args(arguments)
    strategies = tuple(given.strategies.split(",")) if given.strategies else None
    return EvaluationRequest(
        data_paths=tuple(given.data),
        store_url=given.store,
        limit_conversations=given.limit_conversations,
        options=RunOptions(
            merge=given.merge, strategies=strategies, fusion=given.fusion, ablation=given.ablate, folds=given.folds
        ),
        json_path=given.json,
    )


def main() -> int:
    return run_evaluation(parse(), lambda url: build_parts(Settings(store_url=url, search_cache_bytes=0)))


if __name__ == "__main__":
    sys.exit(main())
