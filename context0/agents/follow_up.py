"""What a message means behind the last answer, where that is at hand: an answer, a repetition, a follow-up."""

import re
from typing import Final

from context0.agents.base import Turn
from context0.context.built import BuiltContext
from context0.context.operation_talk import BARE_REPLIES
from context0.context.operations import Classified, classify
from context0.context.tiers import tier_of
from context0.context.tokens import cut_end
from context0.memory.rules.entities import extract_entities
from context0.memory.rules.word_set import word_set
from context0.privacy.masking import mask_text
from stores.records import Message

_WORD: Final = re.compile(r"[^\W_]+")
_SENTENCE: Final = re.compile(r"[^.!?。！？\n]+[?？]+\s*$")
_QUESTION_MARKS: Final = ("?", "？")
_PRONOUNS: Final = word_set("""
he she it they him her them his hers its their theirs that this those these there then one ones same former latter
""")
_ELLIPSES: Final = re.compile(
    r"\s*(?:(?:and|but|or|so|what about|how about)\b|(?:why|when|where|who|how|which)\W*\Z)", re.IGNORECASE
)
_LONGEST_FOLLOW_UP: Final = 12
_LONGEST_REPLY: Final = 6
_BEFORE_TOKENS: Final = 100
_READ_CHARACTERS: Final = 200
"""A longer message says for itself what it is about."""


def understood(turn: Turn, held: BuiltContext | None) -> Turn:
    """Return the turn with its operation, its tier, and what is searched for. 30 us; no query.

    held: the context as far as it is at hand: None is judged by the message alone.
    """
    last = _last_message(held)
    answer = last if last is not None and last.role == "assistant" else None
    after_question = answer is not None and answer.content.rstrip().endswith(_QUESTION_MARKS)
    after_failure = last is not None and (answer is None or answer.state != "complete")
    asked = classify(turn.text, after_failure=after_failure, after_question=after_question)
    return turn.evolve(
        operation=asked.operation,
        tier=tier_of(asked),
        query=_query(turn, asked, held, answer if after_question else None),
    )


def _query(turn: Turn, asked: Classified, held: BuiltContext | None, asking: Message | None) -> str:
    """Return what to search for: with what the message refers to in front of it, where it does not say it itself."""
    if len(turn.text) > _READ_CHARACTERS or asked.operation == "trivial":
        return turn.text
    words = _WORD.findall(turn.text.lower())
    before = ""
    if asking is not None and len(words) <= _LONGEST_REPLY and not BARE_REPLIES.isdisjoint(words):
        before = _last_question(asking.content)
    elif _refers_back(turn.text, words):
        before = _last_asked(held)
    if not before:
        return turn.text
    if turn.mode == "redact":  # it may have been said before the mode was `redact`
        before = mask_text(before)
    return f"{cut_end(before, _BEFORE_TOKENS)}\n{turn.text}"


def _refers_back(text: str, words: list[str]) -> bool:
    """Tell whether a short message is about something that it does not name."""
    if len(words) > _LONGEST_FOLLOW_UP or extract_entities(text):
        return _ELLIPSES.match(text) is not None and len(words) <= _LONGEST_REPLY
    return not _PRONOUNS.isdisjoint(words) or _ELLIPSES.match(text) is not None


def _last_message(held: BuiltContext | None) -> Message | None:
    if held is None or held.history is None or not held.history.messages:
        return None
    return held.history.messages[-1]


def _last_asked(held: BuiltContext | None) -> str:
    messages = () if held is None or held.history is None else held.history.messages
    return next((one.content for one in reversed(messages) if one.role == "user"), "")


def _last_question(answer: str) -> str:
    match = _SENTENCE.search(answer)
    return "" if match is None else match[0].strip()
