"""The composition root: from settings to live objects. Nothing else knows which backends there are."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from context0.cache.shared import SharedCache
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import build_embedder
from context0.errors import ConfigurationError
from context0.llm.options import LlmOptions
from context0.llm.protocol import LLM
from context0.llm.registry import build_llm
from context0.memory.announcing import Announcer
from context0.memory.lazy_vectors import LazyVectors
from context0.memory.parts import EngineParts, Limits
from context0.observability.measurements import Measurements, MeasuringOptions
from context0.observability.metrics import STORE_COMMAND
from context0.observability.recorder import SILENT, Recorder
from context0.retry_budget import RetryBudget
from context0.settings import Settings
from context0.tasks.announcing import TaskAnnouncer
from context0.tasks.brokers import build_broker, check_task_url, is_in_process
from context0.tasks.hints import queue_name
from stores.chat_protocol import ChatStore
from stores.errors import StoreError
from stores.journal.options import JournalOptions
from stores.key_protocol import KeyStore
from stores.monitoring import CommandObserver
from stores.protocols import CacheStore
from stores.registry import StoreOptions, build_cache, build_stores, build_vectors, check_url, journaled, store_folder

if TYPE_CHECKING:
    from taskiq import AsyncBroker

    from context0.observability.performance import PerformanceService

_SAVED_RETRIES: Final = 10.0
"""Of a store's calls; a quiet time saves up a hundred, so that an election is not noticed by as many calls at once."""


def build_parts(settings: Settings) -> EngineParts:
    """Return the parts of an engine, unopened: no file, socket or model is touched. Raises ConfigurationError."""
    recorder = build_recorder(settings)
    try:
        check_url(settings.resolved_store_url, "store_url")  # before a folder is named after it
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from None
    options = StoreOptions(
        sqlite_synchronous=settings.sqlite_synchronous,
        mongodb_timeout_ms=settings.mongodb_timeout_ms,
        slow_command_ms=settings.slow_command_ms,
        pinecone_api_key=settings.pinecone_api_key.get_secret_value(),
        vector_max_bytes=settings.owner_index_max_bytes,
        vector_folder=store_folder(settings.resolved_store_url, settings.vector_dir),
        vector_files_from=settings.vector_files_from,
        staleness_s=settings.owner_index_staleness_s,
        observer=_store_commands(recorder) if settings.metrics else None,
        retries=RetryBudget(reserve=_SAVED_RETRIES),
        cache_deadline_ms=settings.cache_deadline_ms,
    )
    try:
        shared = _shared(build_cache(settings.cache_url, options), recorder)
        stores = build_stores(settings.resolved_store_url, options)
        vectors = build_vectors(settings.vector_url, stores.documents, options)
    except (StoreError, ValueError) as exc:
        raise ConfigurationError(str(exc)) from exc
    return EngineParts(
        documents=stores.documents,
        vectors=vectors if vectors.derived else LazyVectors(vectors),
        graph=stores.graph,
        chats=_behind_a_journal(stores.chats, settings),
        replies=stores.replies,
        audit=stores.audit,
        embedder=build_embedder(
            settings.embedding_provider,
            EmbedderOptions(
                model=settings.embedding_model or None,
                base_url=settings.embedding_base_url or None,
                api_key=settings.embedding_api_key.get_secret_value() or None,
                deadline_s=settings.embedding_deadline_s,
                cache_bytes=settings.embedding_cache_bytes,
                cache_ttl=timedelta(seconds=settings.embedding_cache_ttl_s),
            ),
            recorder if settings.metrics else None,
            shared,
        ),
        limits=_limits(settings),
        recorder=recorder,
        shared=shared,
        announcer=_announcer(settings),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_content_bytes=settings.max_content_bytes,
        owner_index_max_memories=settings.owner_index_max_memories,
        owner_index_max_bytes=settings.owner_index_max_bytes,
        owner_index_staleness_s=settings.owner_index_staleness_s,
        search_deadline_ms=settings.search_deadline_ms,
        ingest_readers=settings.ingest_readers,
        index_interval_s=settings.index_interval_s,
        index_lease_s=_lease_s(settings),
        index_max_attempts=settings.task_max_attempts,
        learn_from_feedback=settings.learn_from_feedback,
        quarantine=settings.quarantine,
        flood_quota=settings.flood_quota,
        search_cache_bytes=settings.search_cache_bytes,
        search_cache_ttl_s=settings.search_cache_ttl_s,
        list_cache_bytes=settings.list_cache_bytes,
        list_cache_ttl_s=settings.list_cache_ttl_s,
    )


def _announcer(settings: Settings) -> Announcer | None:
    check_task_url(settings.task_url)
    return None if is_in_process(settings.task_url) else TaskAnnouncer(partial(build_task_broker, settings))


def build_task_broker(settings: Settings) -> "AsyncBroker":
    """Return the broker over which index work is told, not connected. Raises ConfigurationError."""
    return build_broker(
        settings.task_url,
        queue_name(settings.resolved_store_url),
        at_once=settings.task_concurrency,
        redeliver_s=_lease_s(settings) + 1,
    )


def _lease_s(settings: Settings) -> float:
    """Return how long index work is one process's: 0 where no other process does any."""
    is_alone = is_in_process(settings.task_url) and settings.resolved_store_url.startswith(("sqlite:", "reference:"))
    return 0.0 if is_alone else max(settings.task_lease_s, 1.5 * settings.embedding_deadline_s)


def _shared(store: CacheStore | None, recorder: Recorder) -> SharedCache | None:
    if store is None:
        return None
    shared = SharedCache(store)
    recorder.watch_cache("shared", shared.reading)
    return shared


def build_recorder(settings: Settings) -> Recorder:
    """Return what takes the measurements: a `Measurements`, or with `metrics` off one that keeps nothing."""
    if not settings.metrics:
        return SILENT
    return Measurements(
        MeasuringOptions(
            window_s=settings.metrics_window_s,
            slow_operation_ms=settings.slow_operation_ms,
            slow_command_ms=settings.slow_command_ms,
            slow_llm_ms=settings.slow_llm_ms,
        )
    )


def build_performance(settings: Settings, recorder: Recorder) -> "PerformanceService | None":
    """Return what reads the measurements of an engine's recorder, unentered; None with `metrics` off."""
    from context0.observability.alert_rules import AlertThresholds
    from context0.observability.performance import PerformanceOptions, PerformanceService

    if not isinstance(recorder, Measurements):
        return None
    thresholds = AlertThresholds(
        response_p95_ms=settings.alert_response_p95_ms,
        cache_hit_rate=settings.alert_cache_hit_rate,
        slow_command_share=settings.alert_slow_command_share,
        llm_failure_share=settings.alert_llm_failure_share,
        loop_lag_p99_ms=settings.alert_loop_lag_p99_ms,
        degraded_share=settings.alert_degraded_share,
        index_pending=settings.alert_index_pending,
    )
    return PerformanceService(recorder, PerformanceOptions(thresholds=thresholds))


def _store_commands(recorder: Recorder) -> CommandObserver:
    def observe(store: str, command: str, ms: float, *, failed: bool) -> None:
        recorder.observe(STORE_COMMAND, ms, failed=failed, store=store, command=command)

    return observe


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The language models of a chat. extraction, analysis: None is by rules alone."""

    answers: LLM
    extraction: LLM | None
    analysis: LLM | None


def build_models(settings: Settings | None, recorder: Recorder = SILENT) -> Models:
    """Return the models that the settings (None: the environment's) name, unopened. Raises ConfigurationError."""
    settings = settings or Settings()
    options = LlmOptions(
        model=settings.llm_model or None,
        fallback_model=settings.llm_fallback_model or None,
        base_url=settings.llm_base_url or None,
        api_key=settings.llm_api_key.get_secret_value() or None,
        max_tokens=settings.llm_max_tokens,
        connect_s=settings.llm_connect_s,
        first_token_s=settings.llm_first_token_s,
        between_tokens_s=settings.llm_between_tokens_s,
        deadline_s=settings.llm_deadline_s,
        max_connections=settings.llm_max_connections,
        attempts=settings.llm_attempts,
        retry_share=settings.llm_retry_share,
        breaker_failures=settings.llm_breaker_failures,
        breaker_open_s=settings.llm_breaker_open_s,
    )
    answers = build_llm(settings.llm_provider, options, recorder)
    is_model = settings.llm_provider != "extractive"
    return Models(
        answers=answers,
        extraction=answers if is_model and settings.chat_extraction == "model" else None,
        analysis=answers if is_model and settings.chat_analysis == "model" else None,
    )


def build_keys(settings: Settings) -> KeyStore:
    """Return the store of API keys, unopened, with a connection of its own. Raises ConfigurationError."""
    options = StoreOptions(
        sqlite_synchronous=settings.sqlite_synchronous,
        mongodb_timeout_ms=settings.mongodb_timeout_ms,
        slow_command_ms=settings.slow_command_ms,
    )
    try:
        return build_stores(settings.resolved_store_url, options).keys
    except (StoreError, ValueError) as exc:
        raise ConfigurationError(str(exc)) from exc


def _behind_a_journal(chats: ChatStore, settings: Settings) -> ChatStore:
    """Return the chat store with a journal in `data_dir` before it, if it is on another machine."""
    return journaled(
        chats,
        settings.resolved_store_url,
        settings.journal_dir,
        options=JournalOptions(interval_s=settings.chat_flush_interval_s, max_changes=settings.chat_flush_changes),
        synchronous=settings.sqlite_synchronous,
    )
