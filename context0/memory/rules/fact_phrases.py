"""Facts that a fixed phrase carries: "remember that …", "it's Graz, not Munich", "call me Al"."""

import re

from context0.memory.rules.capitals import is_calendar_word, is_common, never_a_name
from context0.memory.rules.fact_clauses import Clause
from context0.memory.rules.fact_cuts import Rest
from context0.memory.rules.fact_objects import any_thing
from context0.memory.rules.fact_readers import Found
from context0.memory.rules.names import entity_key
from context0.memory.rules.relation_kinds import INSTEAD_OF
from context0.memory.rules.word_set import word_set

_MAX_REMEMBERED = 400
_REMEMBER = re.compile(
    r"\W*(?:(?:please|pls|also|and|ok|okay|hey|so|(?:can|could|would) you)\W+){0,4}"
    r"(?:remember|don't forget|do not forget|never forget|keep in mind|bear in mind|note|make a note|take note|"
    r"for the record|note to self|fyi)(?: please)?(?:(?: that\b|\s?:)\s*|\s+(?=(?:i|i'm|i've|my|we|our)\b))",
    re.IGNORECASE,
)
_NO_STATEMENT = re.compile(
    r"(?:time|night|day|evening|one|guy|girl|thing|concert|moment|song|when|the time|how)\b", re.IGNORECASE
)
_HAS_VERB = re.compile(
    r"\b(?:is|are|was|were|am|has|have|had|will|can|must|should|does|do|did|needs?|likes?|loves?|hates?|wants?|lives?|works?|"
    r"prefers?|\w+s|\w+ed)\b|'(?:s|m|re|ve|ll)\b",
    re.IGNORECASE,
)
_PRIVATE = re.compile(
    r"@|\b(?:phone|mobile|cell|e-?mail|password|passcode|passphrase|pin|ssn|iban|cvv|passport|credit card|debit card|"
    r"account number|card number|social security)\b|(?<![\d-])\+?\d(?:[\s()./-]?\d){8,}(?!\d)",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"\W*(?:(?:(?:actually|sorry|no|nope|oops|correction|wait|well|my bad|my mistake)\W+){1,4}"
    r"(?:(?:it|that)(?:'s| is| was)|i meant?(?: to say)?|i said)|i meant(?: to say)?|make that)\s+"
    r"(?:in |at )?(?P<new>[^,.;!?]{1,60}?),?\s(?:and )?not (?:in |at )?(?P<old>[^,.;!?]{1,60}?)\s*[.!]*\Z",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(?P<lead>.{0,60}?)\bcalls? me (?P<name>\w[\w'-]*(?: (?-i:[A-Z])[\w'-]+)?)(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_CALLERS = re.compile(
    r"(?:.*\b(?:you|everyone|everybody|people|friends|they|all|family|colleagues|kids|please|just|most|don't|do not|"
    r"stop|never)\b.*)?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_DENYING = re.compile(r"\b(?:don't|do not|stop|never|nobody|no one|can't)\b", re.IGNORECASE)
_NO_MORE = re.compile(r"\b(?:anymore|any more|any longer)\b", re.IGNORECASE)
REMEMBER_WORDS = word_set("remember forget mind note record self fyi")
"""One of these is in every wish to remember."""


def read_remember(text: str, start: int, stop: int) -> tuple[int, int] | None:
    """Return where the words stand that the sentence in [start, stop) asks to remember; None without such a wish."""
    match = _REMEMBER.match(text, start, stop)
    if match is None:
        return None
    what = text[match.end() : stop].rstrip(" \t\r\n.!?;")[:_MAX_REMEMBERED]
    if not what or _NO_STATEMENT.match(what) or not _HAS_VERB.search(what):
        return None
    if text[start:stop].rstrip().endswith("?") and "you" not in match.group().lower():
        return None
    return match.end(), match.end() + len(what)


def is_private(text: str) -> bool:
    """Tell a telephone number, an address of mail or a secret, which no rule turns into a fact."""
    return _PRIVATE.search(text) is not None


def read_correction(sentence: str) -> Found | None:
    """Return what "Sorry, I meant Graz, not Munich" puts in the place of what."""
    match = _CORRECTION.match(sentence)
    if match is None:
        return None
    new, old = any_thing(Rest(match.group("new"))), any_thing(Rest(match.group("old")))
    return Found(INSTEAD_OF + entity_key(old[0]), new[0]) if new and old else None


def read_calling(clause: Clause, *, loose: bool) -> Found | None:
    """Return the nickname in "call me Al" or "everyone calls me Duke"."""
    match = _CALL.match(clause.tokens.raw(clause.start, clause.stop))
    if match is None or not _CALLERS.match(match.group("lead")):
        return None
    name = match.group("name")
    if never_a_name(name) or is_calendar_word(name) or is_common(name):
        return None
    if name[0].islower() and not (loose and not match.group("rest").strip()):
        return None
    denied = _DENYING.search(match.group("lead")) is not None
    no_more = _NO_MORE.search(match.group("rest")) is not None or match.group("lead").lower().endswith("stop ")
    return Found("nickname", name, was=denied and no_more, denied=denied and not no_more)
