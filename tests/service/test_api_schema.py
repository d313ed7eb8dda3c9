"""The service against its own OpenAPI description: generated requests on both backends, no 5xx, no drift. S19, S4, S7.

CONTEXT0_TEST_API_EXAMPLES sets how many requests each route gets in each phase: 50 here, thousands for a long run.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.mongo_server import database_url, drop, fresh_name
from tests.security import fuzzing_hooks  # noqa: F401 - how lines are sent
from tests.service_process import key_for, serving

EXAMPLES = int(os.environ.get("CONTEXT0_TEST_API_EXAMPLES", "50"))
LEAST_ROUTES = {GenerationMode.POSITIVE: 20, GenerationMode.NEGATIVE: 10}
CHECKED = list(HealthCheck)
CHECKS: list[Any] = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The description of a running service, and what opens it."""

    described: Any
    headers: Mapping[str, str]


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    url = database_url(fresh_name()) if request.param == "mongodb" else f"sqlite:///{folder / 'context0.db'}"
    chosen = {"store_url": url, "sqlite_synchronous": "NORMAL"}
    key = key_for("anna", folder, **chosen)
    try:
        with serving(folder=folder, **chosen) as service:
            described = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
            yield Api(described=described, headers={"x-api-key": key})
            assert service.process.poll() is None
            assert "Traceback" not in (folder / "stderr").read_text()
    finally:
        if request.param == "mongodb":
            drop(url)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_every_answer_is_as_described(api: Api, mode: GenerationMode) -> None:
    asked: Counter[str] = Counter()
    for described in api.described.get_all_operations():
        operation = described.ok()
        # what cannot be wrong has no wrong requests
        with contextlib.suppress(Unsatisfiable):
            _ask(operation, api.headers, mode, asked)
    assert len(asked) >= LEAST_ROUTES[mode]
    assert sum(asked.values()) >= EXAMPLES * LEAST_ROUTES[mode] / 2


def _ask(operation: Any, headers: Mapping[str, str], mode: GenerationMode, asked: "Counter[str]") -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=CHECKED)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        asked[operation.label] += 1
        case.call_and_validate(checks=CHECKS, headers=headers, timeout=20)

    ask()
