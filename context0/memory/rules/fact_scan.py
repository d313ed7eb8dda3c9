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
    """A clause, or a sentence that a phrase takes whole (then with that text): its words, its mood and its facts."""

    words: list[str]
    mood: Mood
    facts: tuple[Fact, ...] = ()
    clause: Clause | None = None
    whole: str = ""

    @property
    def text(self) -> str:
        return self.whole if self.clause is None else self.clause.tokens.raw(self.clause.start, self.clause.stop)


class Sentence(NamedTuple):
    """A sentence and what was read from it; None: nothing was, for it holds no word that a fact needs."""

    tokens: Tokens | None
    scanned: list[Scanned] | None


def scan_text(own: str, context: Context) -> Iterator[Sentence]:
    """Yield the sentences of `own`, in order, as far as facts need it; one of over 800 characters holds none."""
    before = NOTHING
    for start, stop in sentences_of(own):
        if stop - start > MAX_SENTENCE_CHARACTERS:
            yield Sentence(None, [Scanned(own[start:stop].lower().split(), "states", whole=own[start:stop])])
            continue
        tokens = Tokens(own, start, stop)
        if FACT_WORDS.isdisjoint(tokens.words):
            before = NOTHING
            yield Sentence(tokens, None)
            continue
        whole = _scan_phrase(tokens, context)
        if whole is not None:
            yield Sentence(tokens, [whole])
            continue
        scanned: list[Scanned] = []
        for clause in clauses_of(tokens):
            words = tokens.words[clause.start : clause.stop]
            states = clause.mood == "states" and (clause.bare or not FACT_WORDS.isdisjoint(words))
            before = _read(clause, context, before) if states else NOTHING
            scanned.append(Scanned(words, clause.mood, before.facts, clause))
        yield Sentence(tokens, scanned)


def all_clauses(sentence: Sentence, context: Context) -> list[Scanned]:
    """Return the clauses of a sentence of `scan_text`, also of one without any word that a fact needs."""
    if sentence.scanned is not None:
        return sentence.scanned
    if sentence.tokens is None or not sentence.tokens.words:
        return []
    whole, words = _scan_phrase(sentence.tokens, context), sentence.tokens.words
    if whole is not None:
        return [whole]
    return [
        Scanned(words[clause.start : clause.stop], clause.mood, clause=clause) for clause in clauses_of(sentence.tokens)
    ]


def _scan_phrase(tokens: Tokens, context: Context) -> Scanned | None:
    """Read a sentence that a fixed phrase takes whole: a wish to remember, a correction."""
    own, words, sentence = tokens.text, tokens.words, (tokens.start, tokens.stop)
    if "not" in words and (correction := read_correction(own[slice(*sentence)])):
        fact = plain_fact(context.speaker, correction, sentence)
        return Scanned(words, "states", (fact,), whole=own[slice(*sentence)])
    place = None if REMEMBER_WORDS.isdisjoint(words) else read_remember(own, *sentence)
    if place is None:
        return None
    what = own[slice(*place)]
    if is_private(what):
        return Scanned(words, "supposes", whole=what)
    wish = plain_fact(context.speaker, Found("remember_that", what), place)
    told: list[Fact] = []
    before = NOTHING
    for clause in clauses_of(Tokens(own, *place)):
        before = _read(clause, context, before) if clause.mood == "states" else NOTHING
        told += before.facts
    return Scanned(words, "states", (wish, *told), whole=what)


def _read(clause: Clause, context: Context, before: Read) -> Read:
    words = clause.tokens.words
    if "me" in words and ("call" in words or "calls" in words):
        nickname = read_calling(clause, loose=context.loose)
        if nickname is not None:
            return Read(facts=(plain_fact(context.speaker, nickname, clause.span),))
    return read_clause(clause, context, before)
