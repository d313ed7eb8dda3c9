"""Facts in a text by rules, and whether the rules are enough for it: no LLM, linear in the text."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Final, Literal, NamedTuple

from context0.memory.rules.fact import Fact
from context0.memory.rules.fact_clauses import sentences_of
from context0.memory.rules.fact_frames import frame_start, is_pretence, is_sarcastic, own_words
from context0.memory.rules.fact_phrases import is_private
from context0.memory.rules.fact_reading import Context
from context0.memory.rules.fact_scan import Sentence, all_clauses, scan_text
from context0.memory.rules.fact_talk import is_empty_talk
from context0.memory.rules.intents import is_chitchat, is_question
from context0.memory.rules.language import detect_language, looks_english
from context0.memory.rules.names import entity_key

__all__ = ["MAX_FACTS", "SELF", "Extraction", "Fact", "Reading", "decide_extraction", "extract_facts", "read_facts"]

Extraction = Literal["none", "simple", "full"]

SELF: Final = "self"
"""The subject of what is said when no speaker is named: the owner."""
MAX_FACTS: Final = 32

_NUMBER_OR_ADDRESS = re.compile(r"[\d@]")
_ANY_TIME = datetime(2001, 6, 13, tzinfo=UTC)
_MAX_READ_WORDS = 14  # of a clause with a fact; what is longer says more than the fact
_MOST_UNREAD = 0.25  # of the words that tell something
_ENOUGH_FOR_FULL = 4000  # characters: so long a text is never simple


class Reading(NamedTuple):
    """The facts of a text, and whether they are all that it tells (`decide_extraction`: "simple")."""

    facts: tuple[Fact, ...] = ()
    is_all: bool = False


def decide_extraction(text: str) -> Extraction:
    """Tell what reading `text` takes: nothing to remember, the rules here, or more than they can (an LLM).

    none: questions, greetings, thanks, small talk, requests, suppositions and jokes.  simple: `extract_facts` reads at
    least three quarters of the words that tell something.  full: the rest, and every informative text that is not
    English.
    """
    if not text.strip() or is_chitchat(text):
        return "none"
    if len(text) > _ENOUGH_FOR_FULL:
        return "full"
    if not looks_english(text) and detect_language(text) != "en":
        return "none" if is_question(text) else "full"
    own = own_words(text)
    if is_sarcastic(own) or is_pretence(own):
        return "none"
    context = Context(speaker=SELF, reference=_ANY_TIME, loose=own.islower())
    return _decide(scan_text(own, context), context, has_frame=frame_start(own) < len(own))


def _decide(sentences: Iterable[Sentence], context: Context, *, has_frame: bool) -> Extraction:
    read = unread = 0
    for sentence in sentences:
        for scanned in all_clauses(sentence, context):
            count = len(scanned.words)
            if scanned.facts and not has_frame:
                read += min(count, _MAX_READ_WORDS)
                unread += max(count - _MAX_READ_WORDS, 0)
            elif scanned.mood == "states" and not is_empty_talk(scanned.words, scanned.text):
                unread += count
    if not read:
        return "full" if unread else "none"
    return "simple" if unread <= _MOST_UNREAD * (read + unread) else "full"


def extract_facts(text: str, *, speaker: str | None, reference: datetime) -> tuple[Fact, ...]:
    """Return the facts that `text` states, in order, each once, at most 32; English only.

    speaker: who says "I"; None is the owner.  reference: what "last week" counts from (naive: UTC).
    Nothing is read from questions, suppositions, quotes of others, code, fiction and sarcasm, nor from a sentence of
    more than 800 characters. Telephone numbers, addresses and secrets are never facts.
    """
    return read_facts(text, speaker=speaker, reference=reference).facts


def read_facts(text: str, *, speaker: str | None, reference: datetime) -> Reading:
    """Return what `extract_facts` does, and whether that is all, from one pass over the text."""
    own = own_words(text)
    key = SELF if speaker is None else entity_key(speaker) or SELF
    context = Context(speaker=key, reference=reference, loose=own.islower())
    sentences, looked_at = scan_text(own, context), list[Sentence]()
    found: dict[tuple[object, ...], Fact] = {}
    for sentence in sentences:
        looked_at.append(sentence)
        for fact in (fact for scanned in sentence.scanned or () for fact in scanned.facts):
            if _NUMBER_OR_ADDRESS.search(fact.object) and is_private(fact.object):
                continue
            found.setdefault((fact.subject, fact.relation, entity_key(fact.object), fact.negated, fact.ended), fact)
        if len(found) >= MAX_FACTS:
            break
    if not found or is_sarcastic(own):
        return Reading()
    frame = frame_start(own)
    facts = tuple(_earnest(own, list(found.values()), frame))[:MAX_FACTS]
    if not facts or frame < len(own) or is_chitchat(text) or len(text) > _ENOUGH_FOR_FULL:
        return Reading(facts)
    if not looks_english(text) and detect_language(text) != "en":
        return Reading(facts)
    return Reading(facts, _decide(chain(looked_at, sentences), context, has_frame=False) == "simple")


def _earnest(own: str, facts: list[Fact], frame: int) -> list[Fact]:
    """Leave out what stands in or behind a sentence of fiction or pretence, which is named at `frame`."""
    if frame == len(own):
        return facts
    opening = max((start for start, _ in sentences_of(own) if start <= frame), default=0)
    return [fact for fact in facts if fact.text_span[1] <= opening]
