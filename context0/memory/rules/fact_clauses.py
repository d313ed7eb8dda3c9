"""A text as clauses for the fact rules: where each begins, and whether it states, asks or supposes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from context0.memory.rules.fact_words import ADVERBS, LEADS
from context0.memory.rules.word_set import word_set

Mood = Literal["states", "asks", "supposes"]

MAX_SENTENCE_CHARACTERS = 800  # what is longer is beyond rules

# A full stop ends a sentence unless an abbreviation or an initial stands before it.
_END = re.compile(
    r"(?<![\s.][A-Z])(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bSt)(?<!\bProf)[.!?…。！？]+(?=[\s\"')]|$)|[\n;]"
)
_TOKEN = re.compile(r"\w+(?:[-'.&+]\w+)*|[^\w\s]")
_CONTRACTED = frozenset({"m", "s", "re", "ve", "ll", "d"})
_WITHOUT_APOSTROPHE = {
    "im": ("i", "'m"),
    "ive": ("i", "'ve"),
    "dont": ("do", "n't"),
    "doesnt": ("does", "n't"),
    "isnt": ("is", "n't"),
    "cant": ("ca", "n't"),
    "cannot": ("can", "not"),
}

_SUBJECTS = word_set("i we my our he she they it you this that there his her their")
_JOINTS = word_set(", : – — - ( ) and but or so because although though while whereas however then plus as since yet &")
_CONJUNCTIONS = frozenset({"and", "or", "but", "yet", "then"})
_BREAKS = frozenset({"but", "however", "yet", "—", "–"})
_AUXILIARIES = word_set("""
do does did is are am was were will would can could should shall may might must have has had
""")
_QUESTION_WORDS = word_set("what where when who whom whose which why how")
_TAGS = word_set("right remember huh correct okay ok you eh yes no")
_ASKING = word_set("know check see wonder wondering ask asked asking tell sure decide decided figure understand")
# Nothing from the clause of such a word to the next break is stated.
_SUPPOSING = word_set("""
if unless whether wish wishes wished wishing imagine imagining suppose supposing pretend pretending hypothetically
ideally theoretically dream dreaming dreamed dreamt fantasy lest maybe perhaps possibly probably someday
""")
_SUBORDINATING = word_set("when whenever once until before after where wherever till")
_REPORTING = word_set("""
says said say claims claimed thinks thought believes believed insists insisted joked jokes told tells assumes assumed
according guesses reckons shouted screamed yelled whispered asked wrote reads goes lyrics
""")


@dataclass(frozen=True, slots=True)
class Tokens:
    """A sentence as lower-case words and marks, with their places in the text; contractions are two words."""

    text: str
    words: list[str]
    starts: list[int]
    ends: list[int]

    def raw(self, start: int, stop: int) -> str:
        """Return the text of the words [start, stop)."""
        return self.text[self.starts[start] : self.ends[stop - 1]] if start < stop else ""

    def is_capital(self, at: int) -> bool:
        return at < len(self.starts) and self.text[self.starts[at]].isupper()


@dataclass(frozen=True, slots=True)
class Clause:
    """The words [start, stop) of a sentence.

    joint: the word or mark before it, "" at the head of a sentence.  bare: it has no subject of its own.
    """

    tokens: Tokens
    start: int
    stop: int
    joint: str
    mood: Mood
    bare: bool


def sentences_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the sentences of `text` begin and end, marks at the end included."""
    start = 0
    for end in _END.finditer(text):
        if end.end() - start > 1:
            yield start, end.end()
        start = end.end()
    if start < len(text):
        yield start, len(text)


def tokens_of(text: str, start: int, stop: int) -> Tokens:
    """Return the words of `text` in [start, stop); apostrophes must be straight."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _TOKEN.finditer(text, start, stop):
        word = match.group().lower()
        begin, end = match.span()
        cut = _cut_of(word) if "'" in word else 0
        if cut:
            words += (word[:cut], word[cut:])
            starts += (begin, begin + cut)
            ends += (begin + cut, end)
        elif word in _WITHOUT_APOSTROPHE:
            words += _WITHOUT_APOSTROPHE[word]
            middle = begin + len(_WITHOUT_APOSTROPHE[word][0])
            starts += (begin, middle)
            ends += (middle, end)
        else:
            words.append(word)
            starts.append(begin)
            ends.append(end)
    return Tokens(text, words, starts, ends)


def _cut_of(word: str) -> int:
    """Return where a contraction falls apart: is|n't, i|'m, sister|'s; 0 for none."""
    if word.endswith("n't"):
        return len(word) - 3
    cut = word.rfind("'")
    return cut if word[cut + 1 :] in _CONTRACTED else 0
