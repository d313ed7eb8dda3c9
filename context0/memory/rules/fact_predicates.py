"""What a clause says of its subject up to the verb, with tense, negation, "used to" and "no longer"."""

from typing import Literal, NamedTuple

from context0.memory.rules.fact_clauses import Tokens
from context0.memory.rules.fact_patterns import VERBS, Form
from context0.memory.rules.fact_words import ADVERBS
from context0.memory.rules.word_set import word_set

Tense = Literal["present", "progressive", "past", "perfect"]

_BE = word_set("am is are 'm 's 're be being")
_WAS = word_set("was were")
_HAVE = word_set("have has 've")
_DO = word_set("do does")
_NOT = word_set("not n't never hardly")
_BLOCKING = word_set("""
will would could might may must should shall wo sha 'll 'd wanna gonna gotta want wants wanted hope hopes hoped hoping
plan plans planned planning need needs needed try tries tried trying almost nearly consider considering
""")
_STOPPING = frozenset({"stop", "quit"})
_GERUNDS_STARTED = frozenset({"start"})


class Predicate(NamedTuple):
    """A verb and how it is said; the words from `rest` on are what it says.

    over: "used to", "no longer", "stopped".  begun: "started".  never: denied for all time.  also: beside others.
    """

    verb: str
    rest: int
    tense: Tense = "present"
    denied: bool = False
    never: bool = False
    over: bool = False
    begun: bool = False
    also: bool = False


def read_predicate(tokens: Tokens, at: int, stop: int, before: Predicate | None = None) -> Predicate | None:
    """Read the predicate that begins at word `at`; None where nothing is stated or the verb says no facts.

    before: the predicate that this one goes on from without a subject of its own ("and work …"), whose "used to",
    "not" and auxiliary hold on.
    """
    return _Reader(tokens.words, at, stop, before).read()


class _Reader:
    """One pass over the auxiliaries in front of a verb."""

    __slots__ = ("able", "also", "at", "before", "begun", "denied", "never", "over", "stop", "tense", "words")

    def __init__(self, words: list[str], at: int, stop: int, before: Predicate | None) -> None:
        self.words, self.at, self.stop, self.before = words, at, stop, before
        self.tense: Tense = "present"
        self.denied = before is not None and before.denied
        self.over = before is not None and before.over
        self.never = self.begun = self.able = self.also = False

    def read(self) -> Predicate | None:
        while self.at < self.stop:
            word = self.words[self.at]
            if word in ADVERBS:
                self.also = self.also or word == "also"
                self.at += 1
            elif word in _NOT:
                self.denied = True
                self.never = word == "never"
                self.at += 1
            elif word in _BLOCKING:
                return None
            elif not self._auxiliary(word):
                return self._verb(word)
        return None

    def _next(self, offset: int = 1) -> str:
        place = self.at + offset
        while place < self.stop and (self.words[place] in ADVERBS or self.words[place] in _NOT):
            place += 1
        return self.words[place] if place < self.stop else ""

    def _auxiliary(self, word: str) -> bool:
        """Step over an auxiliary; False if `word` is the verb itself."""
        following = self._next()
        if (word == "no" and following == "longer") or (word == "used" and following == "to"):
            self.over, self.at = True, self.at + 2
        elif word in ("ca", "can"):
            self.able, self.at = True, self.at + 1
        elif word == "did" or (word in _DO and following in VERBS):
            self.tense = "past" if word == "did" else self.tense
            self.at += 1
        elif word == "had" and following == "to":
            self.tense, self.at = "past", self.at + 2
        elif word in _HAVE and self._is_participle(following):
            self.tense, self.at = "perfect", self.at + 1
        else:
            return self._progressive(word, following)
        return True

    def _step_over_adverbs(self) -> None:
        """Move from "am" to the last word before what is said: "not", "really", "no longer"."""
        while self.at + 1 < self.stop:
            word = self.words[self.at + 1]
            if word in _NOT:
                self.denied = True
            elif word == "no" and self.words[self.at + 2 : self.at + 3] == ["longer"]:
                self.over = True
                self.at += 1
            elif word not in ADVERBS:
                return
            self.also = self.also or word == "also"
            self.at += 1

    def _is_participle(self, word: str) -> bool:
        return word in VERBS and VERBS[word][1] == "past" and word != "got"

    def _progressive(self, word: str, following: str) -> bool:
        """Step over "am" before an -ing form."""
        is_ing = following in VERBS and VERBS[following][1] == "ing" and following != "being"
        if not is_ing or (word not in _BE and word != "been" and word not in _WAS):
            return False
        if word in _WAS:
            self.tense = "past"
        elif self.tense != "perfect":
            self.tense = "progressive"
        self.at += 1
        return True

    def _verb(self, word: str) -> Predicate | None:
        if word in _BE or word in _WAS or word == "been":
            if word in _WAS:
                self.tense = "past"
            self._step_over_adverbs()
            return self._found("be")
        if word in _HAVE or word == "had":
            return self._having(word)
        if word in VERBS:
            return self._acting(*VERBS[word])
        if self.before is None or self.before.verb != "be":
            return None
        self.tense = self.before.tense  # "… and allergic to nuts" goes on from an "am" that is not repeated
        self.at -= 1
        return self._found("be")

    def _having(self, word: str) -> Predicate | None:
        following = self._next()
        if following == "to" or (word == "had" and self._is_participle(following)):
            return None
        if following == "got" and word != "had":
            self.at += 1
        elif word == "had" and self.tense != "perfect":
            self.tense = "past"
        return self._found("have")

    def _acting(self, verb: str, form: Form) -> Predicate | None:
        following = self._next()
        if form == "ing" and self.tense not in ("progressive", "perfect") and not self.over and not self.begun:
            return None
        if form == "past" and self.tense == "present":
            self.tense = "past"
        if following in VERBS and VERBS[following][1] == "ing":
            return self._gerund(verb)
        return self._stood() if verb == "stand" else self._found(verb)

    def _gerund(self, verb: str) -> Predicate | None:
        """Read "stopped playing" and "started working": the verb behind says what."""
        if verb in _STOPPING:
            self.over = True
        elif verb in _GERUNDS_STARTED:
            self.begun = True
        else:
            return self._found(verb)
        if self.denied or self.tense == "progressive":
            return None
        self.at += 1
        self.tense = "present"
        return self.read()

    def _stood(self) -> Predicate | None:
        if not (self.able and self.denied):
            return None
        self.denied = self.able = False
        return self._found("hate")

    def _found(self, verb: str) -> Predicate | None:
        if self.able and not self.denied and verb not in ("speak", "play"):
            return None
        return Predicate(
            verb=verb,
            rest=self.at + 1,
            tense=self.tense,
            denied=self.denied,
            never=self.never,
            over=self.over,
            begun=self.begun,
            also=self.also,
        )
