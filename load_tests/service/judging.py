"""What a load test of the service must show, beside its scenario: shares and medians, not the machine's speed."""

import os
from typing import Any, Final

MAX_FAILURE_SHARE: Final = 0.0
MAX_SHED_SHARE: Final = float(os.environ.get("CONTEXT0_LOAD_MAX_SHED", "1.0"))
"""At a load beyond what the machine can do the rest is shed; at a small one nothing may be."""
FIRST_TOKEN_P95_MS: Final = float(os.environ.get("CONTEXT0_LOAD_FIRST_TOKEN_P95_MS", "0"))
"""0 is no limit: what is right depends on the model and the machine."""


def judge(stats: Any) -> list[str]:
    """Return what was missed. stats: locust's `RequestStats`."""
    total = stats.total
    misses = []
    if total.num_requests == 0:
        return ["nothing was asked"]
    if total.num_failures > MAX_FAILURE_SHARE * total.num_requests:
        misses.append(f"{total.num_failures} of {total.num_requests} requests failed")
    shed = sum(entry.num_requests for entry in stats.entries.values() if entry.name == "shed")
    if shed > MAX_SHED_SHARE * total.num_requests:
        misses.append(f"{shed} of {total.num_requests} requests were shed")
    first = [entry for entry in stats.entries.values() if entry.name == "chat first token"]
    if not first:
        misses.append("no answer began")
    elif FIRST_TOKEN_P95_MS and first[0].get_response_time_percentile(0.95) > FIRST_TOKEN_P95_MS:
        misses.append(f"p95 to the first token {first[0].get_response_time_percentile(0.95):.0f} ms")
    return misses
