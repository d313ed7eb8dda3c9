"""Facts in a text by rules, and whether the rules are enough for it: no LLM, linear in the text."""

from datetime import datetime
from typing import Final

from context0.memory.rules.fact import Fact
from context0.memory.rules.fact_clauses import sentences_of
from context0.memory.rules.fact_frames import frame_start, is_sarcastic, own_words
from context0.memory.rules.fact_reading import Context
from context0.memory.rules.fact_scan import scan_text
from context0.memory.rules.names import entity_key

__all__ = ["MAX_FACTS", "SELF", "Fact", "extract_facts"]

SELF: Final = "self"
"""The subject of what is said when no speaker is named: the owner."""
MAX_FACTS: Final = 32


def extract_facts(text: str, *, speaker: str | None, reference: datetime) -> tuple[Fact, ...]:
    """Return the facts that `text` states, in order, each once, at most 32; English only.

    speaker: who says "I"; None is the owner.  reference: what "last week" counts from (naive: UTC).
    Nothing is read from questions, suppositions, quotes of others, code, fiction and sarcasm, nor from a sentence of
    more than 800 characters. Telephone numbers, addresses and secrets are never facts.
    """
    own = own_words(text)
    key = SELF if speaker is None else entity_key(speaker) or SELF
    context = Context(speaker=key, reference=reference, loose=own.islower())
    found: dict[tuple[object, ...], Fact] = {}
    for scanned in scan_text(own, context):
        for fact in scanned.facts:
            found.setdefault((fact.subject, fact.relation, entity_key(fact.object), fact.negated, fact.ended), fact)
        if len(found) >= MAX_FACTS:
            break
    if not found or is_sarcastic(own):
        return ()
    return tuple(_earnest(own, list(found.values())))[:MAX_FACTS]


def _earnest(own: str, facts: list[Fact]) -> list[Fact]:
    """Leave out what stands in or behind a sentence of fiction or pretence."""
    frame = frame_start(own)
    if frame == len(own):
        return facts
    opening = max((start for start, _ in sentences_of(own) if start <= frame), default=0)
    return [fact for fact in facts if fact.text_span[1] <= opening]
