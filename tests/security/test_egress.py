"""S15: which addresses are called, settings say alone: no field of a request. Redirects: `tests.security.reaching`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from context0.settings import Settings
from tests.engine_bench import open_bench
from tests.service_bench import open_service

ADDRESS = re.compile(r"ur[il]|host|address|endpoint|webhook|callback|proxy|base|server", re.IGNORECASE)
STATUSES = (301, 302, 303, 307, 308)


def names_in(schema: Any) -> Iterator[str]:
    """Yield the names of all fields that a request may have."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from names_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from names_in(value)


async def test_no_field_of_a_request_names_an_address(tmp_path: Path) -> None:
    async with open_bench("reference", tmp_path) as bench, open_service(bench.engine()) as service:
        told = service.app.openapi()
        parameters = [
            one["name"]
            for methods in told["paths"].values()
            for operation in methods.values()
            for one in operation.get("parameters", ())
        ]
        fields = set(names_in(told["components"]["schemas"])) | set(parameters)
        assert {"content", "session_id", "limit"} < fields
        assert [name for name in sorted(fields) if ADDRESS.search(name)] == []


def test_settings_that_are_shown_hold_no_secret() -> None:
    """S14"""
    secrets = {
        name: "canary4711" for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
    assert len(secrets) >= 4
    settings = Settings(_env_file=None, **secrets)  # type: ignore[call-arg, arg-type]
    assert "canary4711" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
