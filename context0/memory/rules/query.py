"""A question understood by rules: what it wants, whom and what it names, when, and its words without the speakers."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from context0.memory.rules.capitals import is_common
from context0.memory.rules.dates import DateRange, find_query_range
from context0.memory.rules.entities import extract_entities
from context0.memory.rules.intents import Intent, intent_of, is_question
from context0.memory.rules.names import NameSpan, NameTable, entity_key

# Speakers by role are no names: "the user table" speaks of nobody.
ROLES = frozenset({"user", "assistant", "system", "ai", "bot", "human", "agent", "tool", "model", "me", "i", "you"})

_POSSESSIVE_AFTER = re.compile(r"['’]s?(?!\w)")
_LINK_AFTER = re.compile(r"\s*(?:,|&|\band\b|\bor\b|\bund\b|\bet\b|\by\b|\be\b)\s*\Z", re.IGNORECASE)
_SPACES = re.compile(r"\s{2,}")
_SPACE_BEFORE_MARK = re.compile(r"\s([,.;:!?])")
_MARKS_AT_HEAD = " \t\r\n,;:.-–—"
_MARKS_IN_A_ROW = re.compile(r"([,;:])(?=[,;:.!?])")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnalysis:
    """What the rules read from a question.

    entities: keys (`entity_key`) of what it names, speakers among them, in order of appearance.
    speakers: those of the given speakers whom it names, as given.
    content_text: the question without the speakers' names, never empty: for sentence vectors, which a name drowns.
    """

    intent: Intent
    entities: tuple[str, ...]
    speakers: tuple[str, ...]
    range: DateRange | None
    content_text: str
    is_question: bool


def analyse_query(
    question: str,
    *,
    reference: datetime,
    speakers: Collection[str],
    known_entities: Collection[str] | NameTable,
) -> QueryAnalysis:
    """Analyse `question`; `reference` is what "yesterday" counts from, `known_entities` the names the owner has.

    A speaker is met by full or first name in any case; a name that is also a word (Will, Grace) only with its capital,
    and not where it opens the question. Roles such as "user" are never met.
    """
    mentions = _mentions(question, speakers)
    named = dict.fromkeys(name for _, names in mentions for name in names)
    entities = extract_entities(question, known=known_entities)
    keys = dict.fromkeys(
        [*map(entity_key, entities), *(entity_key(question[span.start : span.end]) for span, _ in mentions)]
    )
    return QueryAnalysis(
        intent=intent_of(question),
        entities=tuple(keys),
        speakers=tuple(named),
        range=find_query_range(question, reference=reference),
        content_text=_without(question, [span for span, _ in mentions]),
        is_question=is_question(question),
    )


def _mentions(question: str, speakers: Collection[str]) -> list[tuple[NameSpan, tuple[str, ...]]]:
    """Return where speakers are named, each with all speakers whom the name may mean."""
    meant: dict[str, dict[str, None]] = {}
    for speaker in speakers:
        key = entity_key(speaker)
        if key and key not in ROLES:
            meant.setdefault(key, {})[speaker] = None
            first = key.partition(" ")[0]
            if len(first) > 1:
                meant.setdefault(first, {})[speaker] = None
    if not meant:
        return []
    found = NameTable.of_aliases({alias: alias for alias in meant}).find(question)
    return [(span, tuple(meant[span.name])) for span in found if _is_name_there(question, span)]


def _is_name_there(question: str, span: NameSpan) -> bool:
    written = question[span.start : span.end]
    if " " in written or not is_common(written):
        return True
    opens = not any(map(str.isalnum, question[: span.start]))
    return written[0].isupper() and (not opens or _POSSESSIVE_AFTER.match(question, span.end) is not None)


def _without(question: str, spans: list[NameSpan]) -> str:
    """Return `question` without the names at `spans`, their possessive endings and the "and" between two of them."""
    if not spans:
        return question
    kept: list[str] = []
    at = 0
    for place, span in enumerate(spans):
        between = question[at : span.start]
        if place and _LINK_AFTER.fullmatch(between):
            between = " "
        kept.append(between)
        possessive = _POSSESSIVE_AFTER.match(question, span.end)
        at = possessive.end() if possessive else span.end
    kept.append(question[at:])
    text = _MARKS_IN_A_ROW.sub("", _SPACE_BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", "".join(kept))))
    text = text.strip().lstrip(_MARKS_AT_HEAD)
    return text if any(map(str.isalnum, text)) else question
