"""Chooses what memory has to say to a message: the sentences that match it best. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from context0.llm.extractive_words import (
    Wanted,
    asked_for,
    asks_about_the_past,
    offers,
    passages_of,
    subjects_of,
    wanted_by,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.llm.protocol import Source

_WEIGHT_OF_WORDS: Final = 1.0
_WEIGHT_OF_SEARCH: Final = 0.6
_WEIGHT_OF_FACT: Final = 2.0
_WEIGHT_OF_SORT: Final = 0.25
_WEIGHT_OF_RECENCY: Final = 0.1
_LESS_WHEN_SUPERSEDED: Final = 0.5
_AS_GOOD: Final = 0.8
_SURE_WORDS: Final = 0.34
_ON_THE_SUBJECT: Final = 0.25
_MOST_QUOTES: Final[dict[Wanted, int]] = {"list": 5, "person": 2, "any": 2, "place": 2, "time": 2, "number": 2}
_LONGEST_QUOTE: Final = 280


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A sentence or two of a source. number: the source's place in the prompt, from 1.

    words: the share of the message's subjects, weighted by rarity, that the sentence and its speaker have, 0..1.
    """

    source: Source
    number: int
    text: str
    words: float
    score: float


def answers_to(question: str, sources: Sequence[Source]) -> list[Quote]:
    """Return the quotes that answer, best first: one, or more that are nearly as good. Empty only without sources.

    What no longer holds is quoted only where the question asks about the past, or nothing else is there.
    """
    wanted = wanted_by(question)
    ranked = _ranked(question, sources, wanted)
    if not ranked:
        return []
    if not asks_about_the_past(question):
        current = [quote for quote in ranked if quote.source.invalid_at is None]
        ranked = current or ranked
    best = ranked[0]
    good = [quote for quote in ranked if quote.score >= _AS_GOOD * best.score and quote.words >= _AS_GOOD * best.words]
    return _without_repeats(good)[: _MOST_QUOTES[wanted]]


def surely_answers(quotes: Sequence[Quote], question: str) -> bool:
    """Tell whether the best quote is more than the nearest: it states what is asked, or has the question's words."""
    if not quotes:
        return False
    return quotes[0].source.answers or quotes[0].words >= _SURE_WORDS or not asked_for(question)


def related_to(statement: str, sources: Sequence[Source]) -> Quote | None:
    """Return what memory holds on the subject of a statement, if it holds something else than the statement itself."""
    for quote in _ranked(statement, sources, "any"):
        same = subjects_of(quote.text) >= subjects_of(statement)
        if quote.words >= _ON_THE_SUBJECT and not same and quote.source.invalid_at is None:
            return quote
    return None


def _ranked(message: str, sources: Sequence[Source], wanted: Wanted) -> list[Quote]:
    """Return the best sentence of each source, best first; equal ones in the order of the sources."""
    if not sources:  # a message off the record has none, and must not come into the caches of words
        return []
    subjects = asked_for(message)
    candidates = [
        (number, source, sentence, subjects_of(f"{source.speaker or ''} {sentence}"))
        for number, source in enumerate(sources, start=1)
        for sentence in passages_of(source.content) or [source.content]
    ]
    rarity = _rarity(subjects, [words for *_, words in candidates])
    search, recency = _shares_of_search(sources), _shares_of_recency(sources)
    best: dict[int, Quote] = {}
    for number, source, sentence, words in candidates:
        share = sum(rarity[word] for word in subjects & words) / (sum(rarity.values()) or 1.0)
        score = _WEIGHT_OF_WORDS * share + _WEIGHT_OF_SEARCH * search[number - 1]
        score += _WEIGHT_OF_RECENCY * recency[number - 1] + _WEIGHT_OF_SORT * offers(sentence, wanted)
        score += _WEIGHT_OF_FACT * source.answers
        if source.invalid_at is not None and not asks_about_the_past(message):
            score *= _LESS_WHEN_SUPERSEDED
        if number not in best or score > best[number].score:
            best[number] = Quote(source=source, number=number, text=_cut(sentence), words=share, score=score)
    return sorted(best.values(), key=lambda quote: -quote.score)


def _rarity(subjects: frozenset[str], sentences: Sequence[frozenset[str]]) -> dict[str, float]:
    met = Counter(word for words in sentences for word in words & subjects)
    return {word: math.log(1 + (len(sentences) + 1) / (met[word] + 1)) for word in subjects}


def _shares_of_search(sources: Sequence[Source]) -> list[float]:
    """Return each source's score as a share of the best one's."""
    most = max((source.score for source in sources), default=0.0)
    return [max(0.0, source.score) / most if most > 0 else 0.0 for source in sources]


def _shares_of_recency(sources: Sequence[Source]) -> list[float]:
    """Return 1 for what was said last, down to 0 for the first; 0 where no time is known."""
    times = sorted({source.said_at for source in sources if source.said_at is not None})
    places = {moment: place / max(1, len(times) - 1) for place, moment in enumerate(times)}
    return [places[source.said_at] if source.said_at is not None else 0.0 for source in sources]


def _without_repeats(quotes: Sequence[Quote]) -> list[Quote]:
    return list({subjects_of(quote.text) or quote.number: quote for quote in reversed(quotes)}.values())[::-1]


def _cut(sentence: str) -> str:
    if len(sentence) <= _LONGEST_QUOTE:
        return sentence
    return sentence[:_LONGEST_QUOTE].rsplit(" ", 1)[0] + " …"
