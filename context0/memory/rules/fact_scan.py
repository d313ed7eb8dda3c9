"""A text from sentence to sentence and clause to clause, with the facts that each gives."""

from collections.abc import Iterator
from typing import NamedTuple

from context0.memory.rules.fact import Fact
from context0.memory.rules.fact_clauses import (
    MAX_SENTENCE_CHARACTERS,
    Clause,
    Mood,
    Tokens,
    clauses_of,
    sentences_of,
)
from context0.memory.rules.fact_patterns import VERBS
from context0.memory.rules.fact_phrases import (
    REMEMBER_WORDS,
    is_private,
    read_calling,
    read_correction,
    read_remember,
)
from context0.memory.rules.fact_readers import Found
from context0.memory.rules.fact_reading import NOTHING, Context, Read, plain_fact, read_clause
from context0.memory.rules.word_set import word_set

FACT_WORDS = frozenset(VERBS) | REMEMBER_WORDS | word_set("am is are was were 'm 's 're call calls meant said my our")
"""One of these is in every sentence that holds a fact."""


class Scanned(NamedTuple):
    """A clause, or a sentence that a phrase takes whole: its words, its text if wanted, its mood and its facts."""

    words: list[str]
    text: str
    mood: Mood
    facts: tuple[Fact, ...] = ()


def scan_text(own: str, context: Context, *, all_clauses: bool) -> Iterator[Scanned]:
    """Yield what `own` says, in order; a sentence of more than 800 characters is one without facts.

    all_clauses: also those of sentences without any word that a fact needs, and the text of each.
    """
    before = NOTHING
    for start, stop in sentences_of(own):
        if stop - start > MAX_SENTENCE_CHARACTERS:
            yield Scanned(own[start:stop].lower().split(), own[start:stop], "states")
            continue
        tokens = Tokens(own, start, stop)
        if not tokens.words or (not all_clauses and FACT_WORDS.isdisjoint(tokens.words)):
            before = NOTHING
            continue
        whole = _scan_phrase(own, (start, stop), tokens.words, context)
        if whole is not None:
            yield whole
            continue
        for clause in clauses_of(tokens):
            words = tokens.words[clause.start : clause.stop]
            states = clause.mood == "states" and (clause.bare or not FACT_WORDS.isdisjoint(words))
            before = _read(clause, context, before) if states else NOTHING
            said = tokens.raw(clause.start, clause.stop) if all_clauses else ""
            yield Scanned(words, said, clause.mood, before.facts)


def _scan_phrase(own: str, sentence: tuple[int, int], words: list[str], context: Context) -> Scanned | None:
    """Read a sentence that a fixed phrase takes whole: a wish to remember, a correction."""
    if "not" in words and (correction := read_correction(own[slice(*sentence)])):
        return Scanned(words, own[slice(*sentence)], "states", (plain_fact(context.speaker, correction, sentence),))
    place = None if REMEMBER_WORDS.isdisjoint(words) else read_remember(own, *sentence)
    if place is None:
        return None
    what = own[slice(*place)]
    if is_private(what):
        return Scanned(words, what, "supposes")
    wish = plain_fact(context.speaker, Found("remember_that", what), place)
    told: list[Fact] = []
    before = NOTHING
    for clause in clauses_of(Tokens(own, *place)):
        before = _read(clause, context, before) if clause.mood == "states" else NOTHING
        told += before.facts
    return Scanned(words, what, "states", (wish, *told))


def _read(clause: Clause, context: Context, before: Read) -> Read:
    words = clause.tokens.words
    if "me" in words and ("call" in words or "calls" in words):
        nickname = read_calling(clause, loose=context.loose)
        if nickname is not None:
            return Read(facts=(plain_fact(context.speaker, nickname, clause.span),))
    return read_clause(clause, context, before)
