"""Embeddings of any OpenAI-compatible server, over the official client and a pool of our own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import numpy as np
from stamina import AsyncRetryingCaller

from context0.embeddings.openai_answers import ordered_vectors
from context0.embeddings.openai_faults import backoff, to_embedding_error
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.texts import valid_unicode
from context0.errors import ConfigurationError, EmbeddingError, EmbeddingInvalid, EmbeddingUnavailable
from context0.retry_budget import RetryBudget
from stores.blocking import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai import AsyncOpenAI

    from context0.embeddings.protocol import FloatMatrix

_MODEL: Final = "text-embedding-3-small"
_BASE_URL: Final = "https://api.openai.com/v1"
_NO_KEY: Final = "none"  # the client insists on one; a server that wants none ignores it
_CONCURRENT_REQUESTS: Final = 4
_ATTEMPTS: Final = 6
_SAVED_RETRIES: Final = 10.0
"""What a quiet embedder may spend on two faults in a row; beyond that one retry for ten requests."""


class OpenAIEmbedder:
    """One request per `max_batch_items` texts, at most 4 at a time, retried here and nowhere else.

    Tried again: no connection, timeouts, 408, 409, 425, 429, 5xx; after Retry-After if that is within the deadline, and
    as far as a budget of retries goes: while the server is down, all calls together make it a tenth more work.
    The client is imported (0.5 s) and built on first use, in a thread; one that was handed in is not closed.
    """

    def __init__(self, options: EmbedderOptions | None = None, *, client: AsyncOpenAI | None = None) -> None:
        """client: used as it is, to share a pool; it should have max_retries=0.

        Raises ConfigurationError when OpenAI's own API is meant but no key is given.
        """
        self._options = options or EmbedderOptions()
        if client is None and self._options.base_url is None and not self._options.api_key:
            raise ConfigurationError("the openai embedding provider needs embedding_api_key or embedding_base_url")
        self._name = self._options.model or _MODEL
        self._client = client
        self._owns_client = client is None
        self._first_use = asyncio.Lock()
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)
        self._retries = RetryBudget(reserve=_SAVED_RETRIES)
        self._dimension = self._options.dimensions
        self._closed = False

    @property
    def model(self) -> str:
        return f"openai/{self._name}"

    @property
    def dimension(self) -> int | None:
        return self._dimension

    @property
    def local(self) -> bool:
        return False

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return the vectors in the order of the texts, whatever the order of the answer, at the length they came in.

        Cost: ceil(len(texts) / max_batch_items) round trips, each within `deadline_s` once it has one of the 4 slots.
        Raises EmbeddingUnavailable (deadline, connection, refused key or model) or EmbeddingInvalid (400, 413, 422:
        the server refuses these texts; or an answer that cannot be used). The server's own words are never repeated.
        """
        if not texts:
            return np.empty((0, self._dimension or 0), dtype=np.float32)
        size = self._options.max_batch_items
        valid = [valid_unicode(text) for text in texts]
        batches = [valid[start : start + size] for start in range(0, len(valid), size)]
        rows = await self._batch(batches[0]) if len(batches) == 1 else _joined(await self._all(batches), self.model)
        if self._dimension is None:
            self._dimension = rows.shape[1]
        return rows

    async def aclose(self) -> None:
        self._closed = True
        async with self._first_use:
            client, self._client = self._client, None
        if client is not None and self._owns_client:
            await client.close()

    async def _all(self, batches: list[list[str]]) -> list[FloatMatrix]:
        """Every batch or none: the first failure cancels the rest."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._batch(batch)) for batch in batches]
        except ExceptionGroup as failures:
            first = failures.exceptions[0]
            raise first from first.__cause__
        return [task.result() for task in tasks]

    async def _batch(self, texts: list[str]) -> FloatMatrix:
        """One provider request with all its attempts, within the deadline."""
        deadline_s = self._options.deadline_s
        clock = asyncio.get_running_loop().time
        async with self._slots:
            ends_at = clock() + deadline_s
            told, made = "", 0
            self._retries.deposit()

            def hook(error: Exception) -> bool | float:
                nonlocal told, made
                made += 1
                if isinstance(error, EmbeddingError):  # and not the cancellation by this very deadline
                    told = f"; last: {error}"
                wait = backoff(error, remaining_s=ends_at - clock())
                # `wait` may be 0.0, which is a wait too
                return wait if wait is not False and made < _ATTEMPTS and self._retries.withdraw() else False

            try:
                async with asyncio.timeout_at(ends_at):
                    return await AsyncRetryingCaller(_ATTEMPTS, deadline_s)(hook, self._request, texts)
            except TimeoutError as exc:
                raise EmbeddingUnavailable(f"{self.model}: no answer within {deadline_s:g} s{told}") from exc

    async def _request(self, texts: list[str]) -> FloatMatrix:
        client = await self._connected()
        from openai import OpenAIError, omit

        try:
            answer = await client.embeddings.create(
                model=self._name,
                input=texts,
                dimensions=self._options.dimensions or omit,
                encoding_format=self._options.encoding_format,
                timeout=self._options.attempt_timeout_s,
            )
        except (OpenAIError, ValueError) as exc:  # a ValueError is a body that is no JSON
            raise to_embedding_error(exc, self.model) from exc
        return ordered_vectors(answer, len(texts), self.model)

    async def _connected(self) -> AsyncOpenAI:
        async with self._first_use:
            if self._closed:
                raise EmbeddingUnavailable(f"{self.model} was closed")
            if self._client is None:
                self._client = await in_thread(_new_client, self._options)
            return self._client


def _new_client(options: EmbedderOptions) -> AsyncOpenAI:
    """Import the official client and build one that neither retries nor reads a key from the environment."""
    import httpx
    from openai import AsyncOpenAI

    pool = httpx.AsyncClient(
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0),
        timeout=options.attempt_timeout_s,
    )
    return AsyncOpenAI(
        api_key=options.api_key or _NO_KEY,
        base_url=options.base_url or _BASE_URL,
        max_retries=0,
        http_client=pool,  # type: ignore[arg-type]  # openai 3 is typed for httpx2 and takes httpx clients too
    )


def _joined(parts: list[FloatMatrix], model: str) -> FloatMatrix:
    lengths = {part.shape[1] for part in parts}
    if len(lengths) > 1:
        raise EmbeddingInvalid(f"{model}: the answers mix vectors of wrong dimension: {sorted(lengths)}")
    return np.concatenate(parts)
