"""A text as clauses for the fact rules: where each begins, and whether it states, asks or supposes."""

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Literal, NamedTuple

from context0.memory.rules.fact_patterns import BARE_HEADS, VERBS
from context0.memory.rules.fact_words import ADVERBS, LEADS
from context0.memory.rules.word_set import word_set

Mood = Literal["states", "asks", "supposes"]

MAX_SENTENCE_CHARACTERS = 800  # what is longer is beyond rules

# The marks lead, so that the regex engine skips to the next one by itself (4.4 -> 1.2 µs).
_END = re.compile(r"[.!?…。！？\n;](?:(?<=[\n;])|(?<![.!?…。！？].)[.!?…。！？]*+(?=[\s\"')]|$))", re.DOTALL)
_ABBREVIATED = re.compile(r"(?:^|[\s.(])(?:[A-Z]|Dr|Mrs?|Ms|St|Prof|Jr|Sr|vs|etc|e\.g|i\.e)\Z")
_LONGEST_ABBREVIATION = 6
_TOKEN = re.compile(r"\w+(?:[-'.&+]\w+)*|[^\w\s]")
_CONTRACTED = frozenset({"m", "s", "re", "ve", "ll", "d"})
_HASTY = MappingProxyType(
    {
        "im": ("i", "'m"),
        "ive": ("i", "'ve"),
        "dont": ("do", "n't"),
        "doesnt": ("does", "n't"),
        "didnt": ("did", "n't"),
        "isnt": ("is", "n't"),
        "wont": ("wo", "n't"),
        "cant": ("ca", "n't"),
        "cannot": ("can", "not"),
    }
)
"""Contractions as typed in haste."""
_HASTY_WORDS = frozenset(_HASTY)

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
_BOUNDING = _JOINTS | _SUBORDINATING | {"if"}
_FRONTS = word_set(
    "in on at after since during last this yesterday today for from over back about around two three a one"
)
_LONGEST_FRONT = 6
_MARKS = frozenset(".!?…。！？")
_REPORTING = word_set("""
says said say claims claimed thinks thought believes believed insists insisted joked jokes told tells assumes assumed
according guesses reckons shouted screamed yelled whispered asked wrote reads goes lyrics
""")


class Tokens:
    """A sentence as words and marks, in small letters (`words`) and as written (`raws`); a contraction is two words.

    Where they stand in the text is worked out when it is asked for: most sentences hold no fact.
    """

    __slots__ = ("_spans", "raws", "start", "stop", "text", "words")

    def __init__(self, text: str, start: int, stop: int) -> None:
        self.text, self.start, self.stop = text, start, stop
        self.raws: list[str] = _TOKEN.findall(text, start, stop)
        self.words = [*map(str.lower, self.raws)]
        self._spans: list[tuple[int, int]] | None = None
        if text.find("'", start, stop) >= 0 or not _HASTY_WORDS.isdisjoint(self.words):
            self._part()

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Return where the words [start, stop) stand in the text; there must be one."""
        spans = self._spans
        if spans is None:
            spans = self._spans = self._places()
        return spans[start][0], spans[stop - 1][1]

    def raw(self, start: int, stop: int) -> str:
        """Return the text of the words [start, stop)."""
        if start >= stop:
            return ""
        begin, end = self.span(start, stop)
        return self.text[begin:end]

    def is_capital(self, at: int) -> bool:
        return at < len(self.raws) and self.raws[at][0].isupper()

    def _part(self) -> None:
        """Take contractions apart."""
        raws, words = self.raws, self.words
        self.raws, self.words = [], []
        for raw, word in zip(raws, words, strict=True):
            if "'" not in word and word not in _HASTY_WORDS:
                self.raws.append(raw)
                self.words.append(word)
                continue
            for part, low in _parts_of(raw):
                self.raws.append(part)
                self.words.append(low)

    def _places(self) -> list[tuple[int, int]]:
        """Find each word behind the one before it: between them is nothing but white space (four times a new match)."""
        at, index, places = self.start, self.text.index, []
        for raw in self.raws:
            begin = index(raw, at)
            at = begin + len(raw)
            places.append((begin, at))
        return places


class Clause(NamedTuple):
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
        return self.tokens.span(self.start, self.stop)


def sentences_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the sentences of `text` begin and end, marks at the end included."""
    start = 0
    for end in _END.finditer(text):
        if end.group() == "." and _ABBREVIATED.search(
            text, max(start, end.start() - _LONGEST_ABBREVIATION), end.start()
        ):
            continue
        if end.end() - start > 1:
            yield start, end.end()
        start = end.end()
    if start < len(text):
        yield start, len(text)


def _parts_of(token: str) -> tuple[tuple[str, str], ...]:
    """Return `token` as written and as a word, in two parts if it is a contraction: is|n't, I|'m, sister|'s."""
    word = token.lower()
    if "'" in token:
        cut = len(token) - 3 if word.endswith("n't") else token.rfind("'")
        if cut > 0 and (word.endswith("n't") or word[cut + 1 :] in _CONTRACTED):
            return (token[:cut], token[:cut].lower()), (token[cut:], token[cut:].lower())
    elif word in _HASTY:
        first, second = _HASTY[word]
        return (token[: len(first)], first), (token[len(first) :], second)
    return ((token, word),)


def clauses_of(tokens: Tokens) -> list[Clause]:
    """Cut a sentence into clauses, in order; together they hold all its words but the joints."""
    words = tokens.words
    ends_asking = "?" in words[-3:] or "？" in words[-3:]
    bounds = [(0, "", False), *_bounds(tokens, ends_asking=ends_asking)]
    asks_from = _first_asking(words, [bound[0] for bound in bounds], ends_asking=ends_asking)
    clauses: list[Clause] = []
    blocked = reported = False
    supposes, reports = not _SUPPOSING.isdisjoint(words), not _REPORTING.isdisjoint(words)
    for place, (start, joint, bare) in enumerate(bounds):
        stop = bounds[place + 1][0] if place + 1 < len(bounds) else len(words)
        while stop > start and (words[stop - 1] in _JOINTS or words[stop - 1] in _MARKS):
            stop -= 1
        if stop == start:
            continue
        part = words[start:stop]
        opens_late = joint in _SUBORDINATING or part[0] in _SUBORDINATING
        if joint in _BREAKS:
            blocked = reported = False
        reported = reported and not bare
        blocked = blocked or reported or (supposes and not _SUPPOSING.isdisjoint(part)) or (opens_late and not clauses)
        mood: Mood = "asks" if place >= asks_from else "supposes" if blocked or opens_late else "states"
        in_front = place == 1 and clauses and _is_time(words[clauses[0].start : clauses[0].stop])
        front = clauses[0].start if in_front else start
        clauses.append(Clause(tokens, start, stop, joint, mood, bare, front))
        reported = reported or (reports and not _REPORTING.isdisjoint(part) and part[0] not in ("i", "we"))
    return clauses


def _bounds(tokens: Tokens, *, ends_asking: bool) -> Iterator[tuple[int, str, bool]]:
    """Yield where a clause begins behind the first, the strongest joint before it, and whether it lacks a subject."""
    words = tokens.words
    at, count = 1, len(words)
    for place in [place for place, word in enumerate(words) if word in _BOUNDING]:
        if place < at:
            continue
        joint = words[place]
        if joint not in _JOINTS:
            if _subordinates(words, place):
                yield place, joint, False
            continue
        at = place + 1
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


def _subordinates(words: list[str], at: int) -> bool:
    """Tell "when I", "before we" and the "if" of "I wonder if"."""
    if words[at] in _SUBORDINATING:
        return at + 1 < len(words) and words[at + 1] in _SUBJECTS
    return words[at] == "if" and words[at - 1] in _ASKING


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
