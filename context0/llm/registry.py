"""Which language models there are, and how each is wrapped; the only dynamic import of this package."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal

from context0.errors import ConfigurationError
from context0.llm.options import LlmOptions
from context0.observability.metrics import BREAKER_OPEN, LLM_RETRIES
from context0.observability.recorder import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from context0.llm.breaker import BreakerState
    from context0.llm.protocol import LLM
    from context0.observability.recorder import Recorder

Provider = Literal["extractive", "openai", "scripted"]

_SHARE_OF_AN_ATTEMPT: Final = 0.9
_OPEN: Final[Mapping[BreakerState, float]] = {"closed": 0.0, "half_open": 0.5, "open": 1.0}


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """target: "module:name", called with the options.  remote: whether it can fail, and is wrapped for that."""

    target: str
    remote: bool = True


PROVIDERS: Final[Mapping[Provider, ProviderEntry]] = {
    "extractive": ProviderEntry("context0.llm.extractive:extractive", remote=False),
    "openai": ProviderEntry("context0.llm.openai:OpenAILLM"),
    "scripted": ProviderEntry("context0.llm.scripted:scripted"),
}


def build_llm(provider: Provider, options: LlmOptions | None = None, recorder: Recorder = SILENT) -> LLM:
    """Return the provider behind its wrappers; `safe` says which. Opens nothing and imports no client.

    recorder: is told of attempts, retries and the breaker; whole calls are for `measured.Measured`.

    Raises ConfigurationError for an unknown provider, or options that it cannot work with.
    """
    entry = PROVIDERS.get(provider)
    if entry is None:
        raise ConfigurationError(f"unknown llm_provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
    options = options or LlmOptions()
    first = _provider(entry, options)
    if not entry.remote:
        return first
    fallback = options.fallback_model
    second = _provider(entry, replace(options, model=fallback)) if fallback and fallback != options.model else None
    return safe(first, options, second=second, recorder=recorder)


def safe(first: LLM, options: LlmOptions, *, second: LLM | None = None, recorder: Recorder = SILENT) -> LLM:
    """Return WithAnswerFromMemory(Deadlined(WithFallback(first, second))), each model being
    Retried(Guarded(MeasuredAttempts(Deadlined(model)))).

    The outer deadline is of a whole stream. A `complete` has nine tenths of it, shared by the models, for each
    attempt, so that the breaker learns of a server that hangs; timeouts are not tried again.
    """
    from context0.llm.deadlines import Deadlined, Deadlines
    from context0.llm.extractive import ExtractiveLLM
    from context0.llm.fallback import WithFallback
    from context0.llm.unavailable import WithAnswerFromMemory

    models = 1 if second is None else 2
    attempt = Deadlines(
        first_token_s=options.first_token_s,
        between_tokens_s=options.between_tokens_s,
        complete_s=options.deadline_s * _SHARE_OF_AN_ATTEMPT / models,
    )
    llm = _insistent(Deadlined(first, attempt), options, recorder)
    if second is not None:
        llm = WithFallback(llm, _insistent(Deadlined(second, attempt), options, recorder))
    whole = Deadlines(stream_s=options.deadline_s, complete_s=options.deadline_s)
    return WithAnswerFromMemory(Deadlined(llm, whole), ExtractiveLLM())


def _insistent(llm: LLM, options: LlmOptions, recorder: Recorder) -> LLM:
    from context0.llm.breaker import CircuitBreaker
    from context0.llm.guarded import Guarded
    from context0.llm.measured import MeasuredAttempts
    from context0.llm.retried import Retried, RetryRule
    from context0.retry_budget import RetryBudget

    breaker = CircuitBreaker(failures=options.breaker_failures, open_s=options.breaker_open_s, clock=time.monotonic)
    model = llm.name
    recorder.watch_gauge(BREAKER_OPEN, lambda: _OPEN[breaker.state], model=model)
    return Retried(
        Guarded(MeasuredAttempts(llm, recorder), breaker),
        RetryRule(attempts=options.attempts),
        RetryBudget(share=options.retry_share),
        on_retry=lambda: recorder.count(LLM_RETRIES, model=model),
    )


def _provider(entry: ProviderEntry, options: LlmOptions) -> LLM:
    module, _, name = entry.target.partition(":")
    llm: LLM = getattr(import_module(module), name)(options)
    return llm
