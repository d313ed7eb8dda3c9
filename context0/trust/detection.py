"""Which reasons there are to take a text for orders to an assistant instead of something to remember: pure rules."""

import re
from collections.abc import Iterator
from typing import Final

from context0.trust.disguise import folded, is_hidden, undisguised
from context0.trust.rule import Reason, Rule
from context0.trust.rules_english import RULES as ENGLISH
from context0.trust.rules_foreign import RULES as FOREIGN

Span = tuple[int, int]

_QUOTED: Final = re.compile(r"[\"“„«][^\"“”„«»\n]{3,200}[\"”“»]")
_WORD_START: Final = re.compile(r"\b\w{1,3}")
_BLANKS: Final = re.compile(r"[^\S\n]{2,1000}")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？])\s+|\n")
_WINDOW: Final = 1_000
_OVERLAP: Final = 160
"""A window ends with a sentence, where there is one; else it begins again so far back, which is more than any pattern
needs that holds to one sentence."""


class RuleTable:
    """Rules behind one look for their pieces: only those are looked for that begin as some word of the text does."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        pieces = dict.fromkeys(piece for rule in rules for group in rule.needs for piece in group)
        bits = {piece: 1 << number for number, piece in enumerate(pieces)}
        self._rules: list[tuple[Rule, int, int]] = []
        for rule in rules:
            first, second = (sum(bits[piece] for piece in set(group)) for group in rule.needs)
            self._rules.append((rule, first, second))
        self._signs: list[tuple[str, int]] = []
        """Pieces that are looked for one by one, where `_any_sign` finds one of them."""
        self._foreign: list[tuple[str, int]] = []
        self._words: dict[str, list[tuple[str, int]]] = {}
        for piece, bit in bits.items():
            start = _WORD_START.match(piece)
            if not piece.isascii():  # some languages put no blanks between words
                self._foreign.append((piece, bit))
            elif start is None or piece[0] == "_":
                self._signs.append((piece, bit))
            else:
                self._words.setdefault(start[0], []).append((piece, bit))
        self._any_sign = re.compile("|".join(re.escape(piece) for piece, _ in self._signs))

    def met(self, text: str) -> Iterator[tuple[Rule, Span]]:
        """Yield the rules that hold in `text`, and where."""
        held = 0
        signs = self._signs if self._any_sign.search(text) else ()
        for piece, bit in signs if text.isascii() else (*signs, *self._foreign):
            if piece in text:
                held |= bit
        for start in self._words.keys() & _WORD_START.findall(text):
            for piece, bit in self._words[start]:
                if piece in text:
                    held |= bit
        if not held:
            return
        for rule, first, second in self._rules:
            if held & first and held & second and (match := rule.pattern.search(text)) is not None:
                yield rule, match.span()


_TABLE: Final = RuleTable((*ENGLISH, *FOREIGN))


def reasons(text: str, *, own: bool) -> tuple[Reason, ...]:
    """Return why `text` reads like orders, in alphabetical order; nothing for nearly all texts. 30 us for a sentence.

    own: the memory's owner said it. How the assistant is to answer is then a preference, as is what it is to remember:
    only what nobody says for himself counts, and not what is only quoted. Of others, and of documents, tools and
    agents, everything counts. Time grows in proportion to the length.
    """
    plain = folded(text)
    found: set[Reason] = set()
    known: set[Reason] = set()
    for window in _windows(plain):
        quotes = [quote.span() for quote in _QUOTED.finditer(window)] if own else []
        for rule, span in _TABLE.met(window):
            known.add(rule.reason)
            if not own or (rule.own and not any(start <= span[0] and span[1] <= end for start, end in quotes)):
                found.add(rule.reason)
    if is_hidden(text):
        found.add("hidden_text")
    for reading in undisguised(text, plain):
        if any(rule.reason not in known for window in _windows(reading) for rule, _ in _TABLE.met(window)):
            found.add("encoded")
    return tuple(sorted(found))


def _windows(text: str) -> Iterator[str]:
    """Yield text with single blanks, in pieces of up to 1,000 characters that end with a sentence."""
    if "  " in text:
        text = _BLANKS.sub(" ", text)
    if len(text) <= _WINDOW:
        yield text
        return
    start = 0
    while start < len(text):
        end = start + _WINDOW
        if end >= len(text):
            yield text[start:]
            return
        last = max((match.end() for match in _SENTENCE_END.finditer(text, start + _OVERLAP, end)), default=None)
        yield text[start : end if last is None else last]
        start = end - _OVERLAP if last is None else last
