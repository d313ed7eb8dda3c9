"""Every setting, and the only reader of the environment: CONTEXT0_… variables and a .env file."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def shown_url(url: str) -> str:
    """Return `url` without user, password and options, which can hold secrets; what is no URL is not shown."""
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" or not url:
        return url
    if not separator or not scheme.replace("+", "").isalnum():
        return "***"
    _, at, place = rest.rpartition("@")
    return f"{scheme}://{at and '***@'}{place.partition('?')[0]}"


class Settings(BaseSettings):
    """All of Context0's settings; each has a default that works on an empty machine."""

    model_config = SettingsConfigDict(
        env_prefix="CONTEXT0_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what is shown of the settings: addresses without the passwords that can be in them."""
        for name, value in super().__repr_args__():
            yield name, shown_url(value) if name is not None and name.endswith("_url") else value

    data_dir: Path = Field(
        default=Path("~/.context0"),
        description="The folder for the default store, journals and large indexes; made when needed.",
    )
    store_url: str = Field(
        default="",
        description="Where memories are kept: sqlite:///file.db or mongodb://host/database; empty: a file in data_dir.",
    )
    vector_url: str = Field(default="local://", description="Where vectors are searched: local:// or pinecone://index.")
    cache_url: str = Field(default="memory://", description="The shared cache: memory:// or redis://host.")
    task_url: str = Field(
        default="memory://",
        description="How workers are told of work: memory:// (none: in this process), redis://host or amqp://host.",
    )
    task_concurrency: int = Field(default=4, ge=1, le=256, description="Messages that one worker works on at once.")
    task_lease_s: float = Field(
        default=45.0,
        ge=1,
        le=3_600,
        description="How long taken index work is one process's; at least 1.5 times embedding_deadline_s is used.",
    )
    task_max_attempts: int = Field(
        default=12, ge=1, le=1_000, description="After so many failures by its own fault index work is given up."
    )
    task_grace_s: float = Field(
        default=10.0, ge=0, le=600, description="How long the work under way may take when a worker is stopped."
    )

    embedding_provider: Literal["static", "openai", "sentence-transformers", "onnx"] = Field(
        default="static", description="What turns text into vectors. static needs no network and no key."
    )
    embedding_model: str = Field(default="", description="The provider's model, or a folder; empty: its default.")
    embedding_base_url: str = Field(default="", description="Another server that speaks OpenAI's embeddings API.")
    embedding_api_key: SecretStr = Field(default=SecretStr(""), description="The key of the embeddings API.")
    embedding_deadline_s: float = Field(default=30.0, gt=0, le=600, description="Total time for one embedding call.")

    llm_provider: Literal["extractive", "openai", "scripted"] = Field(
        default="extractive", description="Who answers in chats. extractive needs no network and no key."
    )
    llm_model: str = Field(default="", description="The provider's model; empty: its default.")
    llm_base_url: str = Field(default="", description="Another server that speaks OpenAI's chat API.")
    llm_api_key: SecretStr = Field(default=SecretStr(""), description="The key of the chat API.")
    llm_fallback_model: str = Field(
        default="", description="Another model of the same server, asked when the first cannot answer; empty: none."
    )
    llm_max_tokens: int = Field(default=1_024, ge=1, le=1_000_000, description="The longest answer, in tokens.")
    llm_connect_s: float = Field(default=5.0, gt=0, le=600, description="How long a connection may take to be made.")
    llm_first_token_s: float = Field(
        default=10.0, gt=0, le=600, description="How long an answer may take to begin; then another model is asked."
    )
    llm_between_tokens_s: float = Field(
        default=10.0, gt=0, le=600, description="How long an answer that has begun may pause before it is given up."
    )
    llm_deadline_s: float = Field(
        default=30.0, gt=0, le=3600, description="Total time for one answer, with all attempts and the fallback model."
    )
    llm_max_connections: int = Field(
        default=100, ge=1, le=10_000, description="Answers of the model at the same time; more wait for a connection."
    )
    llm_attempts: int = Field(
        default=3, ge=1, le=10, description="How often one model is asked for one answer that has not begun."
    )
    llm_retry_share: float = Field(
        default=0.1, ge=0, le=1, description="How many retries there may be for each call, on average."
    )
    llm_breaker_failures: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="So many failures among the last twice as many calls stop further calls for a while.",
    )
    llm_breaker_open_s: float = Field(
        default=10.0, gt=0, le=3600, description="How long calls stay stopped before one tries again."
    )

    pinecone_api_key: SecretStr = Field(default=SecretStr(""), description="The key for pinecone:// vectors.")

    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL", description="FULL: an acknowledged write survives a power cut. NORMAL: only a crash."
    )
    mongodb_timeout_ms: int = Field(default=5_000, ge=50, le=600_000, description="Deadline of each MongoDB operation.")
    slow_command_ms: int = Field(default=100, ge=1, description="Store commands slower than this are logged.")

    quarantine: bool = Field(
        default=True, description="Keep memories back that read like orders to the assistant, for their user to judge."
    )
    flood_quota: int = Field(
        default=20,
        ge=0,
        description="How often in an hour an agent may say nearly the same; more of it is kept back. 0: no limit.",
    )
    inert_links: bool = Field(
        default=True,
        description="Links of answers that remembered text may have ordered are shown so that nothing follows them.",
    )
    max_content_bytes: int = Field(
        default=65_536, ge=1, le=8_000_000, description="The longest text of one memory, in UTF-8 bytes."
    )
    owner_index_max_memories: int = Field(
        default=100_000,
        ge=0,
        description="Owners with more memories than this are searched by the stores' own indexes, not in memory.",
    )
    owner_index_max_bytes: int = Field(
        default=1 << 30, ge=1 << 20, description="Memory for the in-memory indexes of all owners together."
    )
    owner_index_staleness_s: float = Field(
        default=1.0, ge=0, le=3600, description="How late a change made by another process may be seen in searches."
    )
    search_cache_bytes: int = Field(
        default=32 << 20, ge=0, description="Memory for searches that are answered again; 0: none is."
    )
    search_cache_ttl_s: float = Field(
        default=300.0, gt=0, le=86_400, description="How long a search may be answered again."
    )
    list_cache_bytes: int = Field(
        default=8 << 20, ge=0, description="Memory for first pages of lists that are answered again; 0: none is."
    )
    list_cache_ttl_s: float = Field(
        default=300.0, gt=0, le=86_400, description="How long a first page may be answered again."
    )
    embedding_cache_bytes: int = Field(
        default=64 << 20, ge=0, description="Memory for vectors of texts that were embedded before; 0: none."
    )
    embedding_cache_ttl_s: float = Field(
        default=86_400.0,
        gt=0,
        le=2_592_000,
        description="How long a vector may be used again, in the shared cache too.",
    )
    context_cache_bytes: int = Field(
        default=64 << 20, ge=0, description="Memory for the contexts of chats; 0: each turn reads its own."
    )
    context_cache_ttl_s: float = Field(
        default=300.0, gt=0, le=86_400, description="After so long a chat's context is read anew."
    )
    cache_deadline_ms: float = Field(
        default=50.0, gt=0, le=10_000, description="How long the shared cache may take; then it is done without."
    )
    vector_files_from: int = Field(
        default=20_000,
        ge=1_000,
        description="From how many vectors of one owner they lie in files, in data_dir, and are searched by signs.",
    )
    search_deadline_ms: int = Field(default=5_000, ge=1, le=600_000, description="Default deadline of one search.")
    ingest_readers: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Further processes that read texts while more than 1,000 memories are taken in; 0: none.",
    )
    index_interval_s: float = Field(
        default=5.0, gt=0, le=3600, description="How often due index work and expired memories are looked for."
    )

    chat_extraction: Literal["model", "rules"] = Field(
        default="model",
        description="Who reads messages that rules cannot: the model, by one call after the answer, or nobody.",
    )
    chat_analysis: Literal["model", "rules"] = Field(
        default="rules", description="What notes topics and summaries of sessions; a model costs one call a turn."
    )
    chat_flush_interval_s: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="How long chat messages wait in the journal before they go to MongoDB; 0: no journal.",
    )
    chat_flush_changes: int = Field(
        default=10, ge=1, le=1_000, description="So many waiting chat messages go to MongoDB at once."
    )

    learn_from_feedback: bool = Field(
        default=False, description="Keep searches for an hour so that they can be judged, and use learned weights."
    )

    metrics: bool = Field(default=True, description="Measure what is done; half a microsecond for each figure.")
    metrics_access: Literal["operator", "any"] = Field(
        default="operator",
        description="Who reads the metrics over HTTP: operators' keys and tokens, or any valid ones.",
    )
    metrics_window_s: float = Field(
        default=300.0, ge=1, le=86_400, description="How far the sliding window of the figures reaches back."
    )
    slow_operation_ms: float = Field(
        default=1_000.0, gt=0, description="Calls of the engine and of an embedding model slower than this are logged."
    )
    slow_llm_ms: float = Field(
        default=5_000.0, gt=0, description="Turns, requests and calls of a language model slower than this are logged."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="From which level the service logs its own events; other libraries' from WARNING."
    )
    alert_response_p95_ms: float = Field(
        default=3_000.0, ge=0, description="Warn when 5 % of answers, or of their first words, come later; 0: never."
    )
    alert_cache_hit_rate: float = Field(
        default=0.6, ge=0, lt=1, description="Warn when fewer indexes of owners, or contexts, are at hand; 0: never."
    )
    alert_slow_command_share: float = Field(
        default=0.05, ge=0, le=1, description="Warn when more of the store commands are slow; 0: never."
    )
    alert_llm_failure_share: float = Field(
        default=0.1, ge=0, le=1, description="Warn when more of the calls of a language model fail; 0: never."
    )
    alert_loop_lag_p99_ms: float = Field(
        default=50.0, ge=0, description="Warn when the event loop is later than this in 1 % of the cases; 0: never."
    )
    alert_degraded_share: float = Field(
        default=0.05, ge=0, le=1, description="Warn when more of the searches or chat turns lack a part; 0: never."
    )
    alert_index_pending: int = Field(
        default=1_000, ge=0, description="Warn when more memories wait for their index; 0: never."
    )

    audit: Literal["off", "writes", "all"] = Field(
        default="off",
        description="What the service notes of each user's requests, chained: nothing, what changes something, or all.",
    )
    host: str = Field(default="127.0.0.1", description="The address that the service listens on.")
    port: int = Field(default=8000, ge=0, le=65_535, description="The port of the service; 0: any free one.")
    jwt_secret: SecretStr = Field(
        default=SecretStr(""), description="Takes tokens signed with HS256 by this secret of at least 32 bytes."
    )
    jwt_jwks_url: str = Field(
        default="", description="Takes tokens signed with RS256 by a key found here: https://… or file:///path.json."
    )
    jwt_issuer: str = Field(default="", description="The `iss` that a token must have; empty: any.")
    jwt_audience: str = Field(
        default="", description="The `aud` that a token must have; needed with jwt_jwks_url, else empty: none."
    )
    jwt_leeway_s: int = Field(default=30, ge=0, le=60, description="How far the clocks of token makers may differ.")
    key_cache_s: float = Field(
        default=5.0, ge=0, le=300, description="How long a revoked API key may still be taken by a running service."
    )
    max_body_bytes: int = Field(default=4 << 20, ge=1_024, le=1 << 30, description="The largest request.")
    max_import_bytes: int = Field(
        default=1 << 30, ge=1_024, description="The largest import by one request; each line is at most a request."
    )
    receive_deadline_s: float = Field(
        default=10.0, gt=0, le=600, description="How long a request may take to arrive, head and body each."
    )
    send_deadline_s: float = Field(
        default=30.0, gt=0, le=3600, description="How long a reader may take nothing of a stream before it is closed."
    )
    sse_ping_s: float = Field(default=15.0, gt=0, le=600, description="A silent stream gets a comment this often.")
    turn_log_s: float = Field(
        default=300.0, ge=0, le=86_400, description="How long a finished streamed turn can be read again."
    )
    turn_log_max_bytes: int = Field(
        default=64 << 20, ge=1 << 20, description="What all finished turns that can be read again may take."
    )
    max_requests: int = Field(
        default=4_096, ge=1, description="Requests and streams at the same time; more get 503 at once."
    )
    owner_max_requests: int = Field(
        default=1_024, ge=1, description="Requests and streams of one user at the same time; more get 429."
    )
    owner_rate_per_s: float = Field(
        default=1_000.0, gt=0, description="Requests a second that one user may send on average; more get 429."
    )
    owner_rate_burst: int = Field(default=2_000, ge=1, description="Requests that one user may send at once.")
    requests_at_work: int = Field(
        default=16, ge=1, description="Requests that are worked on at once; others wait, taken from users in turn."
    )
    owner_max_waiting: int = Field(
        default=256, ge=1, description="Requests of one user that may wait for their turn; more get 429."
    )
    max_loop_lag_ms: float = Field(
        default=250.0, gt=0, description="While the event loop stays later than this, new requests get 503 at once."
    )
    idempotency_kept_s: float = Field(
        default=86_400.0, ge=60, le=2_592_000, description="How long the reply to an Idempotency-Key is kept."
    )
    shutdown_grace_s: float = Field(
        default=10.0, ge=1, le=600, description="The service ends at most this long after SIGTERM or Ctrl-C."
    )

    @cached_property
    def resolved_store_url(self) -> str:
        """`store_url`, or the default file in `data_dir`."""
        return self.store_url or f"sqlite:///{self.data_dir.expanduser() / 'context0.db'}"

    @cached_property
    def journal_dir(self) -> Path:
        """Where chat messages wait for a store on another machine."""
        return self.data_dir.expanduser() / "journal"

    @cached_property
    def vector_dir(self) -> Path:
        """Where the vectors of large owners are kept ready to be searched."""
        return self.data_dir.expanduser() / "vectors"
