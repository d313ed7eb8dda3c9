"""Remembered text as data inside a prompt: one line each, which cannot close its fence nor speak in another's name."""

import re
from datetime import datetime
from typing import Final

from context0.context.tokens import cut_end
from context0.trust.disguise import latin
from context0.trust.sources import is_by_program, is_trusted, source_name
from stores.records import Memory

FENCE_OPEN: Final = "<memory-data>"
FENCE_CLOSE: Final = "</memory-data>"
_SPEAKER_CHARACTERS: Final = 40
_READ_CHARACTERS: Final = 6_000

_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff"
    "\ufff0-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"  # joiners stay in Persian, and in emoji
)
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_ANGLES: Final = str.maketrans("＜＞﹤﹥", "<><>")
_TAG: Final = re.compile(
    r"<(?=[\s/|<!]{0,8}(?:memory|context|data|system|user|assistant|human|developer|tool|inst|im_|function|message|s\s*>|sys|[|<]))"
    r"|(?<=[|>])>|>(?=>)",
    re.IGNORECASE,
)
_SPECIAL: Final = re.compile(
    r"\[(/?)\s*(inst|system|/?sys)\s*\]|!(?=\[)|\[\s*(\d{1,4})\s*\]|\|(?=[<>‹›])|(?<=‹)\|", re.IGNORECASE
)
_ROLE: Final = re.compile(r"\b(system|assistant|user|human|developer|tool|ai|bot)(\s*[:：])", re.IGNORECASE)


def as_data(text: str) -> str:
    """Return the first 6,000 characters of `text` as one line of data, without what a prompt takes for structure.

    The words stay. Line breaks and control characters become spaces; invisible characters (unicode tags, bidirectional
    marks, zero width) go; the angle brackets of tags and of chat markers become ‹ ›; "system:" loses its colon, and
    "[3]" its brackets.
    """
    text = text[:_READ_CHARACTERS].translate(_ANGLES)
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    text = _CONTROL.sub(" ", text).strip()
    # Looking for a character costs a hundredth of looking for a pattern.
    if "<" in text or ">" in text:
        text = _without_tags(text)
    if "[" in text or "|" in text:
        text = _SPECIAL.sub(_defused, text)
    return _ROLE.sub(r"\1 –", text) if ":" in text or "：" in text else text


def _without_tags(text: str) -> str:
    """Return text with the angle brackets of tags as ‹ ›, also of tags that are written in letters of other scripts."""
    letters = list(text)
    for match in _TAG.finditer(latin(text)):
        letters[match.start()] = "‹" if match[0] == "<" else "›"
    return "".join(letters)


def memory_line(memory: Memory, number: int, *, tokens: int) -> str:
    """Return "[number] date, speaker, source, validity, trust: text", at most about `tokens` long.

    What the user said is told by the speaker alone.
    """
    parts = [_day(memory.occurred_at or memory.created_at)]
    if memory.speaker:
        parts.append(_speaker(memory.speaker))
    if is_by_program(memory) and source_name(memory) != memory.speaker:
        parts.append(f"written by {_speaker(source_name(memory))}")
    if memory.invalid_at is not None:
        parts.append(f"no longer true since {_day(memory.invalid_at)}")
    if not is_trusted(memory):
        parts.append("unconfirmed")
    return cut_end(f"[{number}] {', '.join(parts)}: {as_data(memory.content)}", tokens)


def _speaker(name: str) -> str:
    shown = name[:_SPEAKER_CHARACTERS]
    if not (shown.isascii() and shown.isalnum()):  # a plain name is data as it is
        shown = _ROLE.sub(r"\1", as_data(shown)).replace(":", " ")
    return f"the {shown.lower()}" if shown.lower() in ("user", "assistant") else shown


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _defused(match: re.Match[str]) -> str:
    if match[3]:
        return f"({match[3]})"
    if match[2]:
        return f"({match[1]}{match[2]})"
    return "! " if match[0] == "!" else "¦"
