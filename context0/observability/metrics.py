"""Every metric there is: its name, its labels, what it counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["timing", "counter", "gauge"]
SlowGroup = Literal["operation", "command", "llm", "never"]
"""Which threshold makes an observation a slow one."""

REQUEST: Final = "context0_request"
FIRST_BYTE: Final = "context0_stream_first_byte"
OPERATION: Final = "context0_operation"
SEARCH_STAGE: Final = "context0_search_stage"
STRATEGY: Final = "context0_strategy"
CHAT_TURN: Final = "context0_chat_turn"
CHAT_STAGE: Final = "context0_chat_stage"
AGENT: Final = "context0_agent"
LLM_CALL: Final = "context0_llm_call"
LLM_FIRST_TEXT: Final = "context0_llm_first_token"
LLM_ATTEMPT: Final = "context0_llm_attempt"
EMBEDDING: Final = "context0_embedding"
STORE_COMMAND: Final = "context0_store_command"
LOOP_LAG: Final = "context0_event_loop_lag"

RESPONSES: Final = "context0_responses"
LLM_OUTCOMES: Final = "context0_llm_outcomes"
LLM_TOKENS: Final = "context0_llm_tokens"
LLM_RETRIES: Final = "context0_llm_retries"
EMBEDDED_TEXTS: Final = "context0_embedded_texts"
SEARCHES: Final = "context0_searches"
TURNS: Final = "context0_turns"
STRATEGY_HITS: Final = "context0_strategy_hits"
DEGRADED: Final = "context0_degraded"
INDEX_WORK: Final = "context0_index_work"

OPEN_STREAMS: Final = "context0_open_streams"
BREAKER_OPEN: Final = "context0_llm_breaker_open"
INDEX_PENDING: Final = "context0_index_pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """labels: in order; none is ever a user, a session, an id or a text.  slow: what its slow observations are."""

    kind: Kind
    labels: tuple[str, ...]
    says: str
    slow: SlowGroup = "never"


def _timing(says: str, *labels: str, slow: SlowGroup = "operation") -> Metric:
    return Metric(kind="timing", labels=labels, says=says, slow=slow)


def _counter(says: str, *labels: str) -> Metric:
    return Metric(kind="counter", labels=labels, says=says)


METRICS: Final[Mapping[str, Metric]] = {
    REQUEST: _timing("HTTP requests to their last byte; streams are not slow by that", "method", "route", slow="never"),
    FIRST_BYTE: _timing("HTTP requests to the first byte of their body", "method", "route"),
    OPERATION: _timing("Calls of the memory engine", "operation"),
    SEARCH_STAGE: _timing("Stages of a search", "stage"),
    STRATEGY: _timing("Search arms", "strategy"),
    CHAT_TURN: _timing("Chat turns, to the durable answer, by the tier of their context", "tier", slow="llm"),
    CHAT_STAGE: _timing("Stages of a chat turn; first_token counts from the call", "stage", slow="llm"),
    AGENT: _timing("The agents of a chat; failed: its fallback was taken", "agent", slow="llm"),
    LLM_CALL: _timing("Calls of a language model, with retries and fallbacks", "model", "agent", slow="llm"),
    LLM_FIRST_TEXT: _timing("Calls of a language model, to the first text", "model", "agent", slow="llm"),
    LLM_ATTEMPT: _timing("Single attempts to call one model", "model", slow="llm"),
    EMBEDDING: _timing("Calls of the embedding model, after cache and coalescing", "model"),
    STORE_COMMAND: _timing("Commands to a store, with the wait for it", "store", "command", slow="command"),
    LOOP_LAG: _timing("How late the event loop runs what is due", slow="never"),
    RESPONSES: _counter("HTTP responses by status class", "method", "route", "status"),
    LLM_OUTCOMES: _counter("How calls of a language model ended", "model", "agent", "outcome"),
    LLM_TOKENS: _counter("Tokens as the provider counted them", "model", "agent", "kind"),
    LLM_RETRIES: _counter("Attempts beyond the first", "model"),
    EMBEDDED_TEXTS: _counter("Texts that were embedded", "model"),
    SEARCHES: _counter("Searches by outcome", "outcome"),
    TURNS: _counter("Chat turns by outcome", "outcome"),
    STRATEGY_HITS: _counter("Memories returned that the arm had found", "strategy"),
    DEGRADED: _counter("Parts that failed or were late, and were done without", "part", "reason"),
    INDEX_WORK: _counter("Pieces of background indexing by outcome", "outcome"),
    OPEN_STREAMS: Metric(kind="gauge", labels=(), says="Streams that are being sent"),
    BREAKER_OPEN: Metric(kind="gauge", labels=("model",), says="1: calls are stopped, 0.5: one tries, 0: they pass"),
    INDEX_PENDING: Metric(kind="gauge", labels=(), says="Memories that this process knows to wait for their index"),
}
