"""Runs one row, and prints its outcome as a line of JSON.

python -m tests.faults.rows D1-sqlite --count 10
"""

import argparse
import json
import logging
import sys
import time
from dataclasses import asdict

import structlog

from tests.faults.rows.outcome import RowOptions
from tests.faults.rows.table import ROWS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=7)
    told = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.monotonic()
    outcome = ROWS[told.row].run(RowOptions(count=told.count, seconds=told.seconds, seed=told.seed))
    whole = {"row": told.row, "took_s": round(time.monotonic() - began, 1), **asdict(outcome)}
    sys.stdout.write(json.dumps(whole) + "\n")


if __name__ == "__main__":
    main()
