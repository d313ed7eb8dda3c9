"""What kind of thing would answer a question, a time, a number or a name, and whether a text holds a number.

Only the first question word counts, as in `intents`: "what did she do when …" asks for no time.
"""

import re
from collections.abc import Sequence
from typing import Literal

from context0.memory.rules.intents import intent_of
from context0.memory.rules.word_set import letter_words, word_set

AnswerKind = Literal["time", "number", "name"]

_MAX_WORDS = 64
_DIGIT = re.compile(r"\d")

_NAMING = word_set("""
who whom whose where which wer wen wem wessen wo wohin woher welcher welche welches qui où quel quelle quién dónde cuál
chi dove quale quem onde qual waar welke vem var vilken кто где куда какой
""")
_OTHER_QUESTIONS = word_set("what when why how was wann warum wie que quoi quand pourquoi comment qué cuándo cómo cosa")
_COUNTING = (
    ("how", word_set("many much often frequently far big tall")),
    ("wie", word_set("viel viele oft weit groß hoch")),
)
_COUNTS = word_set("combien wieviel wieviele cuánto cuánta cuántos cuántas quanto quanta quanti quante сколько")

_NUMBERS = word_set("""
one two three four five six seven eight nine ten eleven twelve dozen twenty thirty forty fifty hundred hundreds thousand
thousands million couple once twice half several few zwei drei vier fünf sechs sieben acht neun zehn zwölf zwanzig
hundert tausend einmal zweimal dreimal halb halbe paar deux trois quatre cinq sept huit neuf dix douze vingt cent mille
dos tres cuatro cinco seis siete ocho nueve diez doce cien mil
""")


def answer_kind(question: str) -> AnswerKind | None:
    """Return what would answer `question`; None where its form does not tell."""
    if intent_of(question) == "when":
        return "time"
    words = letter_words(question)[:_MAX_WORDS]
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word in _COUNTS or any(word == asked and following in counted for asked, counted in _COUNTING):
            return "number"
        if word in _NAMING:
            return "name"
        if word in _OTHER_QUESTIONS:
            return None
    return None


def tells_number(text: str, words: Sequence[str] | None = None) -> bool:
    """Tell whether `text` holds a number, in digits or as a word; words: as for `mentions_time`."""
    if _DIGIT.search(text):
        return True
    return not _NUMBERS.isdisjoint(letter_words(text) if words is None else words)
