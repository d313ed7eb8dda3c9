"""The composition root: from settings to live objects. Nothing else knows which backends there are."""

from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import build_embedder
from context0.errors import ConfigurationError
from context0.memory.lazy_vectors import LazyVectors
from context0.memory.parts import EngineParts, Limits
from context0.settings import Settings
from stores.chat_protocol import ChatStore
from stores.errors import StoreError
from stores.journal.options import JournalOptions
from stores.registry import StoreOptions, build_stores, build_vectors, journaled


def build_parts(settings: Settings) -> EngineParts:
    """Return the parts of an engine, unopened: no file, socket or model is touched. Raises ConfigurationError."""
    options = StoreOptions(
        sqlite_synchronous=settings.sqlite_synchronous,
        mongodb_timeout_ms=settings.mongodb_timeout_ms,
        slow_command_ms=settings.slow_command_ms,
        pinecone_api_key=settings.pinecone_api_key.get_secret_value(),
        vector_max_bytes=settings.owner_index_max_bytes,
        hnsw_from=settings.hnsw_from,
        staleness_s=settings.owner_index_staleness_s,
    )
    try:
        stores = build_stores(settings.resolved_store_url, options)
        vectors = build_vectors(settings.vector_url, stores.documents, options)
    except (StoreError, ValueError) as exc:
        raise ConfigurationError(str(exc)) from exc
    return EngineParts(
        documents=stores.documents,
        vectors=vectors if vectors.derived else LazyVectors(vectors),
        graph=stores.graph,
        chats=_behind_a_journal(stores.chats, settings),
        embedder=build_embedder(
            settings.embedding_provider,
            EmbedderOptions(
                model=settings.embedding_model or None,
                base_url=settings.embedding_base_url or None,
                api_key=settings.embedding_api_key.get_secret_value() or None,
                deadline_s=settings.embedding_deadline_s,
            ),
        ),
        limits=Limits(
            max_content_bytes=settings.max_content_bytes,
            owner_index_max_memories=settings.owner_index_max_memories,
            owner_index_max_bytes=settings.owner_index_max_bytes,
            owner_index_staleness_s=settings.owner_index_staleness_s,
            search_deadline_ms=settings.search_deadline_ms,
            index_interval_s=settings.index_interval_s,
            learn_from_feedback=settings.learn_from_feedback,
        ),
    )


def _behind_a_journal(chats: ChatStore, settings: Settings) -> ChatStore:
    """Return the chat store with a journal in `data_dir` before it, if it is on another machine."""
    return journaled(
        chats,
        settings.resolved_store_url,
        settings.journal_dir,
        options=JournalOptions(interval_s=settings.chat_flush_interval_s, max_changes=settings.chat_flush_changes),
        synchronous=settings.sqlite_synchronous,
    )
