"""A text as clauses for the fact rules: where each begins, and whether it states, asks or supposes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from context0.memory.rules.fact_patterns import BARE_HEADS, VERBS
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
_FRONTS = word_set(
    "in on at after since during last this yesterday today for from over back about around two three a one"
)
_LONGEST_FRONT = 6
_MARKS = frozenset(".!?…。！？")
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
    front: the word from where its dates are read: "Last year, I moved".
    """

    tokens: Tokens
    start: int
    stop: int
    joint: str
    mood: Mood
    bare: bool
    front: int

    @property
    def text(self) -> str:
        """What it says, with the time in front of it."""
        return self.tokens.raw(self.front, self.stop)

    @property
    def span(self) -> tuple[int, int]:
        """Its place in the text, without the time in front of it."""
        return self.tokens.starts[self.start], self.tokens.ends[self.stop - 1]


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


def clauses_of(tokens: Tokens) -> list[Clause]:
    """Cut a sentence into clauses, in order; together they hold all its words but the joints."""
    words = tokens.words
    ends_asking = "?" in words[-3:] or "？" in words[-3:]
    bounds = [(0, "", False), *_bounds(tokens, ends_asking=ends_asking)]
    asks_from = _first_asking(words, [bound[0] for bound in bounds], ends_asking=ends_asking)
    clauses: list[Clause] = []
    blocked = False
    for place, (start, joint, bare) in enumerate(bounds):
        stop = bounds[place + 1][0] if place + 1 < len(bounds) else len(words)
        while stop > start and (words[stop - 1] in _JOINTS or words[stop - 1] in _MARKS):
            stop -= 1
        if stop == start:
            continue
        part = words[start:stop]
        opens_late = joint in _SUBORDINATING or (bool(part) and part[0] in _SUBORDINATING)
        if joint in _BREAKS:
            blocked = False
        blocked = blocked or not _SUPPOSING.isdisjoint(part) or (opens_late and not clauses)
        mood: Mood = "asks" if place >= asks_from else "supposes" if blocked or opens_late else "states"
        front = (
            clauses[0].start
            if place == 1 and clauses and _is_time(words[clauses[0].start : clauses[0].stop])
            else start
        )
        clauses.append(Clause(tokens, start, stop, joint, mood, bare, front))
        if not _REPORTING.isdisjoint(part) and part[0] not in ("i", "we"):
            blocked = True
    return clauses


def _bounds(tokens: Tokens, *, ends_asking: bool) -> Iterator[tuple[int, str, bool]]:
    """Yield where a clause begins behind the first, the strongest joint before it, and whether it lacks a subject."""
    words = tokens.words
    at, count = 1, len(words)
    while at < count:
        word = words[at]
        if word not in _JOINTS:
            if word in _SUBORDINATING and at + 1 < count and words[at + 1] in _SUBJECTS:
                yield at, word, False
            elif word == "if" and words[at - 1] in _ASKING:
                yield at, word, False
            at += 1
            continue
        joint = word
        at += 1
        while at < count and (words[at] in _JOINTS or words[at] in ADVERBS or words[at] in LEADS):
            if words[at] in _JOINTS and joint not in _BREAKS:
                joint = words[at]
            at += 1
        if at == count:
            return
        if _opens_clause(tokens, at) or (ends_asking and _opens_question(words, at)):
            yield at, joint, False
        elif joint in _CONJUNCTIONS and words[at] in BARE_HEADS:
            yield at, joint, True


def _opens_clause(tokens: Tokens, at: int) -> bool:
    """Tell whether a subject stands at word `at`: a pronoun, or a name with its verb."""
    words = tokens.words
    if words[at] in _SUBJECTS or words[at] in _SUBORDINATING or words[at] == "if":
        return True
    behind = at
    while behind - at < 3 and tokens.is_capital(behind):
        behind += 1
    return behind > at and behind < len(words) and (words[behind] in VERBS or words[behind] in ("'s", "is", "has"))


def _opens_question(words: list[str], at: int) -> bool:
    return words[at] in _AUXILIARIES or words[at] in _QUESTION_WORDS or words[at] in _TAGS


def _first_asking(words: list[str], starts: list[int], *, ends_asking: bool) -> int:
    """Return which clause is the first to ask; len(starts) for none."""
    head = 0
    while head < len(words) - 1 and (words[head] in LEADS or words[head] == ","):
        head += 1
    following = words[head + 1] if head + 1 < len(words) else ""
    if ends_asking and (words[head] in _AUXILIARIES or words[head] in _QUESTION_WORDS):
        return 0
    if words[head] in _AUXILIARIES and following in _SUBJECTS:
        return 0
    if words[head] in _QUESTION_WORDS and following in _AUXILIARIES:
        return 0
    if not ends_asking:
        return len(starts)
    asking = (place for place, at in enumerate(starts) if place and (_opens_question(words, at) or words[at] == "you"))
    return next(asking, 0)


def _is_time(words: list[str]) -> bool:
    """Tell a phrase of time, "last year", that stands before a clause."""
    return len(words) <= _LONGEST_FRONT and words[0] in _FRONTS
