"""What a message asks for, by rules: how much of the context its answer needs.

trivial     greetings, thanks, acknowledgements, small talk, a bare yes or no
moderate    one question, or one statement of the speaker
complex     several questions, comparisons, choices, plans, pieces of work, and whatever is long
analytical  summaries, developments, counts: over time, or over everything that is remembered
A fix-up ("try again", "that failed, fix it") asks for the last answer once more, and needs no search of its own.
Where the rules are unsure the larger one is taken: a greeting with anything beside it is no greeting, and a text in a
language that has no rules here is judged by its length.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from context0.context import operation_words as phrases
from context0.memory.rules.dates import find_query_range
from context0.memory.rules.facts import decide_extraction
from context0.memory.rules.intents import intent_of, is_question
from context0.memory.rules.language import detect_language, looks_english

Operation = Literal["trivial", "moderate", "complex", "analytical"]
Reason = Literal[
    *("empty", "small talk", "reply", "again", "meant", "after failure"),
    *("over time", "work or choice", "several questions", "long", "list", "code", "one thing"),
]

_WORD: Final = re.compile(r"[^\W_]+")
_UNSEGMENTED: Final = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0e01-\u0e4e]")
_NAME: Final = re.compile(r"(?<=[^\W\d_] )[^\W\d_a-zß-ÿ][^\W\d_]+|\b(?:my|our|his|her|their)\b")
_NUMBERED: Final = re.compile(r"(?:^|\s)(?:2[.)]|b\))\s|^\s*[-*•] .*\n\s*[-*•] ", re.MULTILINE)
_CODE: Final = re.compile(r"```|\bdef \w+\(|\bfunction \w*\(|[{};]\s*\n|\bSELECT .+ FROM\b")
_SEVERAL_ERRANDS: Final = re.compile(
    r"\b(?:need|have|want|got) to\b[^.?!]*(?:,[^.?!]*,|,[^.?!]*\band\b|\band\b[^.?!]*\band\b)"
)
_SENTENCE_END: Final = re.compile(r"[.!?。！？](?=\s|$|[^\x00-\x7f])")
_READ_CHARACTERS: Final = 2_000
"""What is longer is complex anyway, unless its head or its tail asks for an analysis."""
_LONGEST_SMALL_TALK: Final = 9
_LONGEST_FIX_UP: Final = 14
_LONGEST_MODERATE: Final = 45
_LONGEST_MODERATE_QUESTION: Final = 24
_LONGEST_UNSEGMENTED: Final = 40
_MOST_SENTENCES: Final = 4
_LONGEST_MEANT: Final = 8
_LONGEST_AGAIN: Final = 9
_LONGEST_EMPTY_TALK: Final = 6
_LONGEST_FOREIGN_QUESTION: Final = 8
_LONGEST_FOREIGN: Final = 14
_LONG_RANGE: Final = timedelta(days=28)
_ANY_TIME: Final = datetime(2001, 6, 13, tzinfo=UTC)
_ENOUGH_COMMAS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """What a message asks for. is_fix_up: the last answer once more, whatever the operation. reasons: rules that met."""

    operation: Operation
    is_fix_up: bool = False
    reasons: tuple[Reason, ...] = ()


def classify(text: str, *, after_failure: bool = False, after_question: bool = False) -> Classified:
    """Return what `text` asks for. 5 to 20 us for a message of a few words; only the first and last 2,000 characters count.

    after_failure: the turn before did not get its answer, so that "and now?" asks for it again.
    after_question: the answer before ended in a question, so that a bare "yes" is an answer and needs what it is about.
    """
    head = text[:_READ_CHARACTERS]
    words = _WORD.findall(head.lower())
    if not words:
        return Classified(operation="trivial", reasons=("empty",))
    line = " ".join(words)
    is_unsegmented = not head.isascii() and _UNSEGMENTED.search(head) is not None
    fix_up = _fix_up(head, words, line, after_failure=after_failure)
    if fix_up is not None:
        return Classified(operation="moderate", is_fix_up=True, reasons=(fix_up,))
    if _is_trivial(head, words, line, is_unsegmented=is_unsegmented):
        if after_question and not phrases.BARE_REPLIES.isdisjoint(words):
            return Classified(operation="moderate", reasons=("reply",))
        return Classified(operation="trivial", reasons=("small talk",))
    if _is_analytical(text, line, is_unsegmented=is_unsegmented):
        return Classified(operation="analytical", reasons=("over time",))
    reasons = _complexities(text, words, line, is_unsegmented=is_unsegmented)
    if reasons:
        return Classified(operation="complex", reasons=reasons)
    if _is_empty_talk(head, words):
        return Classified(operation="trivial", reasons=("small talk",))
    return Classified(operation="moderate", reasons=("one thing",))


def _fix_up(head: str, words: list[str], line: str, *, after_failure: bool) -> Reason | None:
    if len(words) > _LONGEST_FIX_UP:
        return None
    if phrases.FIX_UP.fullmatch(line) or phrases.FIX_UP_ELSEWHERE.fullmatch(line):
        return "again"
    if not line.isascii() and phrases.FIX_UP_UNSEGMENTED.fullmatch(line):
        return "again"
    if after_failure and phrases.AFTER_FAILURE.fullmatch(line):
        return "after failure"
    if len(words) <= _LONGEST_AGAIN and phrases.FIX_UP_TALK.issuperset(set(words) - phrases.FIX_UP_CORE):
        if not phrases.FIX_UP_CORE.isdisjoint(words):
            return "again"
    meant = phrases.MEANT.fullmatch(line)
    # "No, I meant my sister" asks for something else, which has to be looked up.
    if meant and len(words) <= _LONGEST_MEANT and "?" not in head and not _NAME.search(head[1:]):
        return "meant"
    return None


def _is_trivial(head: str, words: list[str], line: str, *, is_unsegmented: bool) -> bool:
    if is_unsegmented:
        return phrases.TRIVIAL_UNSEGMENTED.fullmatch("".join(words)) is not None
    if len(words) > _LONGEST_SMALL_TALK:
        return False
    if line.isascii() and phrases.ACKNOWLEDGING.issuperset(words):
        return "?" not in head or phrases.GREETING_QUESTIONS.search(line) is not None
    return phrases.TRIVIAL_ELSEWHERE.issuperset(words) or intent_of(head) == "chitchat"


def _is_empty_talk(head: str, words: list[str]) -> bool:
    """Tell whether a few words tell nothing: the writer's rules find nothing to remember, and they ask for nothing."""
    if (
        len(words) > _LONGEST_EMPTY_TALK
        or is_question(head)
        or not phrases.TELLING.isdisjoint(words)
        or _is_foreign(head)
    ):
        return False
    return head.isascii() and words[0] in phrases.ACKNOWLEDGING and decide_extraction(head) == "none"


def _is_analytical(text: str, line: str, *, is_unsegmented: bool) -> bool:
    if is_unsegmented:
        return phrases.ANALYTICAL_UNSEGMENTED.search(line) is not None
    if phrases.ANALYTICAL.search(line) or phrases.ANALYTICAL_OPENING.match(line):
        return True
    if len(text) > _READ_CHARACTERS:
        tail = " ".join(_WORD.findall(text[-_READ_CHARACTERS:].lower()))
        if phrases.ANALYTICAL.search(tail):
            return True
    if _is_foreign(text):
        return phrases.ANALYTICAL_ELSEWHERE.search(line) is not None
    request = phrases.LEADING.sub("", line, count=1) if phrases.LEADING.match(line) else line
    if not (is_question(text[:_READ_CHARACTERS]) or request.startswith(phrases.SHOWING)):
        return False
    if phrases.OVER_TIME.search(request) or phrases.COUNTED.search(request) or phrases.DEVELOPED.search(request):
        return True
    return request.startswith(phrases.OF_A_TIME) and _asks_about_long_time(text)


def _asks_about_long_time(text: str) -> bool:
    asked = find_query_range(text[:_READ_CHARACTERS], reference=_ANY_TIME)
    return asked is not None and asked.end - asked.start >= _LONG_RANGE


def _complexities(text: str, words: list[str], line: str, *, is_unsegmented: bool) -> tuple[Reason, ...]:
    found: list[Reason] = []
    head = text[:_READ_CHARACTERS]
    opening = phrases.LEADING.match(line)
    request = line[opening.end() :] if opening else line
    asks = is_question(head)
    if text.count("?") + text.count("？") > 1 or (asks and phrases.MORE_QUESTIONS.search(request, len("who is"))):
        found.append("several questions")
    if _is_work(head, request, is_unsegmented=is_unsegmented):
        found.append("work or choice")
    if _NUMBERED.search(head) or (asks and text.count(",") >= _ENOUGH_COMMAS) or _SEVERAL_ERRANDS.search(head):
        found.append("list")
    if _CODE.search(head):
        found.append("code")
    if _is_long(head, words, asks=asks, is_unsegmented=is_unsegmented):
        found.append("long")
    return tuple(found)


def _is_long(head: str, words: list[str], *, asks: bool, is_unsegmented: bool) -> bool:
    if is_unsegmented and len(head) > _LONGEST_UNSEGMENTED:
        return True
    if len(_SENTENCE_END.findall(head)) > _MOST_SENTENCES:
        return True
    longest = _LONGEST_MODERATE_QUESTION if asks else _LONGEST_MODERATE
    if len(words) > _LONGEST_FOREIGN_QUESTION and _is_foreign(head):
        longest = _LONGEST_FOREIGN_QUESTION if asks else _LONGEST_FOREIGN
    return len(words) > longest


def _is_work(head: str, request: str, *, is_unsegmented: bool) -> bool:
    if is_unsegmented:
        return phrases.COMPLEX_UNSEGMENTED.search(request) is not None
    if phrases.EASY_TASKS.match(request):
        return False
    if _is_foreign(head):
        return " oder " in request or phrases.COMPLEX_ELSEWHERE.search(request) is not None
    if request.partition(" ")[0] in phrases.TASKS and not phrases.SMALL_TASKS.fullmatch(request):
        return True
    if phrases.COMPLEX.search(request) or phrases.JUDGING.search(request):
        return True
    return "?" in head and " or " in request


def _is_foreign(text: str) -> bool:
    return not looks_english(text) and detect_language(text) != "en"
