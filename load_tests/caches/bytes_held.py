"""What caches say they hold, beside what a process of its own grew by."""

import json
import os
import subprocess
import sys
from typing import Any

from harness.machine import LOAD_TESTS


def rows() -> list[dict[str, Any]]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    probe = [sys.executable, "-m", "tests.cache_growth"]
    told = subprocess.run(probe, cwd=LOAD_TESTS.parent, env=environment, capture_output=True, text=True, check=True)
    return [
        {
            "what": kind,
            "told, MB": f"{said / 1e6:.1f}",
            "grown, MB": f"{real / 1e6:.1f}",
            "told / grown": f"{said / real:.3f}",
        }
        for kind, (said, real) in json.loads(told.stdout).items()
    ]
