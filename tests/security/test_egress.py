"""S15: which addresses are called, settings say alone: no field of a request, and no server that redirects."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from context0.embeddings.openai import OpenAIEmbedder
from context0.embeddings.options import EmbedderOptions
from context0.errors import EmbeddingError, LLMError
from context0.llm.openai import OpenAILLM
from context0.llm.options import LlmOptions
from context0.llm.protocol import Prompt, PromptMessage
from context0.settings import Settings
from tests.engine_bench import open_bench
from tests.loopback_llm import Reply, loopback_llm
from tests.loopback_openai import Answer, loopback_openai
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


@pytest.mark.parametrize("status", STATUSES)
async def test_an_embedding_server_that_redirects_is_not_followed(status: int) -> None:
    async with loopback_openai() as inner, loopback_openai() as server:
        embedder = OpenAIEmbedder(EmbedderOptions(base_url=server.base_url, model="stub", api_key="canary-key"))
        server.script(*[lambda _: Answer(status=status, headers={"location": f"{inner.base_url}/embeddings"})] * 9)
        try:
            with pytest.raises(EmbeddingError):
                await embedder.embed(["hello"])
        finally:
            await embedder.aclose()
        assert (len(server.requests), inner.requests) == (1, [])


@pytest.mark.parametrize("status", STATUSES)
async def test_a_model_that_redirects_is_not_followed(status: int) -> None:
    async with loopback_llm() as inner, loopback_llm() as server:
        headers = {"location": f"{inner.base_url}/chat/completions"}
        server.script(*[Reply(status=status, headers=headers, body=b"{}")] * 9)
        prompt = Prompt(messages=(PromptMessage(role="user", content="hello"),))
        llm = OpenAILLM(LlmOptions(base_url=server.base_url, model="stub", api_key="canary-key"))
        try:
            with pytest.raises(LLMError):
                [chunk async for chunk in llm.stream(prompt)]
        finally:
            await llm.aclose()
        assert (len(server.requests), inner.requests) == (1, [])


def test_settings_that_are_shown_hold_no_secret() -> None:
    """S14"""
    secrets = {
        name: "canary4711" for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
    assert len(secrets) >= 4
    settings = Settings(_env_file=None, **secrets)  # type: ignore[call-arg, arg-type]
    assert "canary4711" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
