"""Talk that holds nothing to remember: acknowledgements, moods of the moment, requests, what merely might be."""

import re

from context0.memory.rules.fact_words import PLURAL_ROLES, ROLES
from context0.memory.rules.word_set import word_set

_MAX_IMPERSONAL_WORDS = 14

_OF_ONESELF = word_set("i my we our mine ours us myself ourselves")
_OF_OTHERS = word_set("he she they his him her them their") | frozenset(ROLES) | frozenset(PLURAL_ROLES)
_MIGHT = word_set("would 'd could might may maybe perhaps possibly should shall wo")
_REQUESTS = word_set("""
tell give show let help explain excuse teach write make find suggest recommend list summarize summarise translate
describe compare create generate draft fix check review please provide walk send read answer
""")
_ERRANDS = frozenset({"remind", "remember"})

_OPENERS = r"(?:(?:well|oh|yes|yeah|no|ok|okay|ah|haha|wow|thanks|and|so|but|sorry) )*"
_MOODS = (
    "fine good great ok okay well sorry glad happy sure here back ready done listening tired bored confused impressed "
    "excited curious grateful thankful afraid lost exhausted hungry busy stuck surprised off proud"
)
_FEELING = (
    r"(?:i )?(?:'m|am) (?:(?:so|really|very|just|also|all|pretty|totally|not|quite|a bit|doing|feeling) )*"
    rf"(?:{_MOODS.replace(' ', '|')}|on my way|with you)\b.{{0,24}}"
)
_ACKNOWLEDGING = (
    r"(?:i )?(?:do )?(?:really )?"
    r"(?:see|agree|know|understand|guess|suppose|hope|think|get|got|love|like|appreciate|bet|doubt|believe|mean)"
    r"(?: (?:so|it|that|this|you|with (?:you|that|this)|not|what you mean|how (?:you|that) (?:feel|feels)|"
    r"(?:your|the) (?:help|answer|advice|support|time)))*(?: (?:too|so much|a lot|as well))?"
)
_ANSWERING = (
    r"i (?:do|did|can|will|can imagine|have no idea|ca n't wait|ca n't believe it|was (?:just )?kidding|"
    r"do n't (?:know|think so|mind|understand|get it))\b.{0,20}"
)
_PROMISING = r"(?:i|we) 'll (?:try|do|check|see|be|let|think|look|give|get back|talk)\b.{0,40}"
_PASSING = re.compile(
    f"{_OPENERS}(?:{_FEELING}|{_ACKNOWLEDGING}|{_ANSWERING}|{_PROMISING}"
    r"|my (?:bad|pleasure|mistake|goodness|god)|same here|me too|(?:i )?miss you)"
)
_NAME_OR_NUMBER = re.compile(r"\s[^\W\d_a-z]\w|\d")


def is_empty_talk(words: list[str], text: str) -> bool:
    """Tell whether a clause without facts (its words in small letters, its text) holds nothing worth keeping."""
    if not words:  # a long run of blanks
        return True
    present = set(words)
    if words[0] in _ERRANDS:
        return False
    if not _MIGHT.isdisjoint(present):
        return True
    if words[0] in _REQUESTS and "my" not in present and "i" not in present:
        return True
    if _PASSING.fullmatch(" ".join(word for word in words if word[0].isalnum() or word[0] in "'n")):
        return True
    if not _OF_ONESELF.isdisjoint(present) or not _OF_OTHERS.isdisjoint(present):
        return False
    return len(words) <= _MAX_IMPERSONAL_WORDS and not _NAME_OR_NUMBER.search(text)
