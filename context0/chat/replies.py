"""What a turn is told as: the fields of a reply, a line of the log, what was remembered of it."""

import logging
from typing import Any, Final

from context0.agents.coordinator import Emit
from context0.agents.outcome import Answered, Remembered
from context0.wire import MemoryWrittenEvent, Usage

log: Final = logging.getLogger(__name__)


def reply_fields(answered: Answered, remembered: Remembered | None = None) -> dict[str, Any]:
    """Return the fields of a reply."""
    turn = answered.turn
    failures = dict(turn.failures)
    if remembered is not None:
        failures |= dict(remembered.failures)
    return {
        "text": turn.answer,
        "session_id": turn.session_id,
        "turn_id": turn.id,
        "message_id": None if answered.answer is None else answered.answer.id,
        "state": answered.state,
        "memories_used": () if turn.found is None else tuple(one.memory.id for one in turn.found.items),
        "cited": answered.cited,
        "memories_written": () if remembered is None else remembered.memories,
        "memories_quarantined": () if remembered is None else remembered.quarantined,
        "usage": Usage(prompt_tokens=answered.usage.prompt_tokens, completion_tokens=answered.usage.completion_tokens),
        "model": answered.model,
        "fallback": answered.fallback,
        "mode": turn.mode,
        "operation": turn.operation,
        "tier": "" if turn.tier is None else turn.tier.name,
        "privacy": {} if turn.privacy is None else turn.privacy.to_json(),
        "degraded": failures,
        "timings_ms": dict(answered.timings_ms),
    }


def log_turn(answered: Answered) -> None:
    """Log a turn by numbers and names: never its text, nor who spoke."""
    turn = answered.turn
    log.info(
        "chat.turn",
        extra={
            "turn": turn.id,
            "mode": turn.mode,
            "operation": turn.operation,
            "tier": "" if turn.tier is None else turn.tier.name,
            "state": answered.state,
            "model": answered.model,
            "fallback": answered.fallback,
            "memories": 0 if turn.found is None else len(turn.found.items),
            "prompt_tokens": answered.usage.prompt_tokens,
            "completion_tokens": answered.usage.completion_tokens,
            "degraded": dict(turn.failures),
            "timings_ms": {stage: round(ms, 3) for stage, ms in answered.timings_ms.items()},
        },
    )


async def tell_remembered(remembered: Remembered, emit: Emit) -> None:
    """Tell what was remembered of a turn, if anything was."""
    if remembered.memories or remembered.decisions:
        await emit(
            MemoryWrittenEvent(
                memories=remembered.memories, decisions=remembered.decisions, quarantined=remembered.quarantined
            )
        )
