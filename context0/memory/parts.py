"""What an engine is made of: built by `context0.runtime` from settings, or by hand in tests."""

from dataclasses import dataclass, field

from context0.cache.shared import SharedCache
from context0.clock import Clock, SystemClock
from context0.embeddings.protocol import Embedder
from context0.memory.analysis import QueryAnalyser
from context0.memory.announcing import Announcer
from context0.observability.recorder import SILENT, Recorder
from stores.audit import AuditStore
from stores.chat_protocol import ChatStore
from stores.protocols import DocumentStore, GraphStore, VectorStore
from stores.reply_protocol import ReplyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the engine; see `Settings` for the meaning of each.

    analysis_deadline_s: of `EngineParts.analyser`, which only parts made by hand have. index_lease_s: how long index
    work is one process's; 0: no other process works on the store.
    """

    max_content_bytes: int = 65_536
    owner_index_max_memories: int = 100_000
    owner_index_max_bytes: int = 1 << 30
    owner_index_staleness_s: float = 1.0
    search_deadline_ms: float = 5_000
    analysis_deadline_s: float = 2.0
    ingest_readers: int = 0
    index_interval_s: float = 5.0
    index_lease_s: float = 0.0
    index_max_attempts: int = 12
    learn_from_feedback: bool = False
    quarantine: bool = True
    flood_quota: int = 20
    search_cache_bytes: int = 0
    search_cache_ttl_s: float = 300.0
    list_cache_bytes: int = 0
    list_cache_ttl_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """The stores and the embedder, not yet opened. The engine opens them on first use, and closes them.

    chats are opened when the first conversation, or an erasure, needs them. analyser: asked about complex questions
    before they are searched, such as `context0.memory.llm_analysis.LlmAnalyser`; None is the rules alone. Its maker
    closes it.
    """

    documents: DocumentStore
    vectors: VectorStore
    graph: GraphStore
    chats: ChatStore
    embedder: Embedder
    clock: Clock = field(default_factory=SystemClock)
    limits: Limits = field(default_factory=Limits)
    announcer: Announcer | None = None
    """Tells worker processes of index work; the engine closes it. None: the work is done in this process."""
    is_worker: bool = False
    """Whether this process does the index work of others, and says so in the store."""
    analyser: QueryAnalyser | None = None
    recorder: Recorder = SILENT
    replies: ReplyStore | None = None
    """Where replies to requests with a key are kept; opened when the first comes, and erased with their owner."""
    audit: AuditStore | None = None
    """Where the service notes what it did; the engine closes it."""
    shared: SharedCache | None = None
    """The cache that processes share; the engine gives it the store's key, and closes it."""
