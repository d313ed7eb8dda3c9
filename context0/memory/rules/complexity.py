"""Whether a question asks for more than the rules can read from it."""

import re
from itertools import pairwise
from typing import Final

from context0.memory.rules.dates import DateRange
from context0.memory.rules.word_set import word_set

_WORD: Final = re.compile(r"[^\W\d_]+")
_RELATIONS_IN_TIME: Final = word_set("before after since until till during while once when whenever following prior")
_COMPARISONS: Final = word_set("than compared versus vs differ difference differences between both either instead")
_QUESTION_WORDS: Final = word_set("who whom whose what when where which why how")
_LONG_WORDS: Final = 30


def is_complex(question: str, found_range: DateRange | None) -> bool:
    """Say whether the rules lose something: a time told by an event, a comparison, two questions in one, many clauses.

    found_range: what the rules made of its dates. Every language but English is simple: these are English words.
    """
    words = _WORD.findall(question.lower())
    if len(words) >= _LONG_WORDS or not _COMPARISONS.isdisjoint(words):
        return True
    asked = [at for at, word in enumerate(words) if word in _QUESTION_WORDS]
    behind = words[asked[0] + 1 :] if asked else words[1:]
    if found_range is None and not _RELATIONS_IN_TIME.isdisjoint(behind[:-1]):  # "… before?" relates to nothing
        return True
    return any(before == "and" and word in _QUESTION_WORDS for before, word in pairwise(behind))
