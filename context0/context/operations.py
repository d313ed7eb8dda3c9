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
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from context0.context import operation_talk as talk
from context0.context import operation_tasks as tasks
from context0.memory.rules.dates import find_query_range
from context0.memory.rules.facts import decide_extraction
from context0.memory.rules.intents import intent_of, is_question
from context0.memory.rules.language import detect_language, looks_english

Operation = Literal["trivial", "moderate", "complex", "analytical"]
Reason = Literal[
    "empty",
    "small talk",
    "reply",
    "again",
    "meant",
    "after failure",
    "over time",
    "several questions",
    "work or choice",
    "list",
    "code",
    "long",
    "one thing",
]

_WORD: Final = re.compile(r"[^\W_]+")
_UNSEGMENTED: Final = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0e01-\u0e4e]")
_NAME: Final = re.compile(r"(?<=[^\W\d_] )[^\W\d_a-zß-ÿ][^\W\d_]+|\b(?:my|our|his|her|their)\b")
_NUMBERED: Final = re.compile(r"(?:^|\s)(?:2[.)]|b\))\s|^\s*[-*•] .*\n\s*[-*•] ", re.MULTILINE)
_NAMES: Final = re.compile(r"[A-Z]\w+, [A-Z]\w+,? (?:and|or) [A-Z]")
_CODE: Final = re.compile(r"```|\bdef \w+\(|\bfunction \w*\(|[{};]\s*\n|\bSELECT .+ FROM\b")
_SEVERAL_ERRANDS: Final = re.compile(
    r"\b(?:need|have|want|got) to\b[^.?!]*(?:,[^.?!]*,|,[^.?!]*\band\b|\band\b[^.?!]*\band\b)"
)
_SENTENCE_END: Final = re.compile(r"[.!?。！？](?=\s|$|[^\x00-\x7f])")
_READ_CHARACTERS: Final = 1_000
"""What is longer is complex anyway, unless its head or its tail asks for an analysis."""
_LONGEST_SMALL_TALK: Final = 9
_LONGEST_FIX_UP: Final = 14
_LONGEST_MODERATE: Final = 45
_LONGEST_MODERATE_QUESTION: Final = 11
_LONGEST_UNSEGMENTED: Final = 40
_MOST_SENTENCES: Final = 4
_LONGEST_MEANT: Final = 8
_BEFORE_SECOND_QUESTION: Final = 7
_LONGEST_EMPTY_TALK: Final = 6
_LONGEST_FOREIGN_QUESTION: Final = 8
_LONGEST_FOREIGN: Final = 14
_LONG_RANGE: Final = timedelta(days=28)
_ANY_TIME: Final = datetime(2001, 6, 13, tzinfo=UTC)
_ENOUGH_COMMAS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """What a message asks for. is_fix_up: the last answer once more, whatever the operation. reasons: what met."""

    operation: Operation
    is_fix_up: bool = False
    reasons: tuple[Reason, ...] = ()


class _Message:
    """A message as the rules read it: its head, the words of it, and what they show at a glance."""

    __slots__ = ("asks", "head", "is_foreign", "is_unsegmented", "line", "request", "tail", "words")

    def __init__(self, text: str) -> None:
        self.head = head = text[:_READ_CHARACTERS]
        self.tail = text[-_READ_CHARACTERS:] if len(text) > _READ_CHARACTERS else ""
        self.words = _WORD.findall(head.lower())
        self.line = " ".join(self.words)
        self.is_unsegmented = not head.isascii() and _UNSEGMENTED.search(head) is not None
        self.is_foreign = not looks_english(head) and detect_language(head) != "en"
        self.asks = is_question(head)
        opening = tasks.LEADING.match(self.line)
        self.request = self.line[opening.end() :] if opening else self.line

    @property
    def opens_with_task(self) -> bool:
        return self.request.partition(" ")[0] in tasks.TASKS


def classify(text: str, *, after_failure: bool = False, after_question: bool = False) -> Classified:
    """Return what `text` asks for: 5 us for a greeting, 30 us for a question, 0.5 ms for the longest.

    after_failure: the turn before did not get its answer, so that "and now?" asks for it again.
    after_question: the answer before ended in a question, so that a bare "yes" is an answer and needs what it is about.
    Only the first and the last 1,000 characters are read.
    """
    message = _Message(text)
    if not message.words:
        return Classified(operation="trivial", reasons=("empty",))
    again = _fix_up(message, after_failure=after_failure)
    if again is not None:
        return Classified(operation="moderate", is_fix_up=True, reasons=(again,))
    if _is_small_talk(message):
        if after_question and not talk.BARE_REPLIES.isdisjoint(message.words):
            return Classified(operation="moderate", reasons=("reply",))
        return Classified(operation="trivial", reasons=("small talk",))
    if _is_analytical(message):
        return Classified(operation="analytical", reasons=("over time",))
    reasons = tuple(_complexities(message))
    if reasons:
        return Classified(operation="complex", reasons=reasons)
    if _is_empty_talk(message):
        return Classified(operation="trivial", reasons=("small talk",))
    return Classified(operation="moderate", reasons=("one thing",))


def _fix_up(message: _Message, *, after_failure: bool) -> Reason | None:
    line, words = message.line, message.words
    if len(words) > _LONGEST_FIX_UP:
        return None
    if message.is_unsegmented and talk.FIX_UP_UNSEGMENTED.fullmatch(line):
        return "again"
    if after_failure and talk.AFTER_FAILURE.fullmatch(line):
        return "after failure"
    is_about_answer = all(word in talk.FIX_UP_TALK or word in talk.FIX_UP_CORE for word in words)
    if is_about_answer and (not talk.FIX_UP_CORE.isdisjoint(words) or talk.FIX_UP_PHRASES.search(line)):
        return "again"
    # "No, I meant my sister" asks for something else, which has to be looked up.
    is_meant = len(words) <= _LONGEST_MEANT and talk.MEANT.fullmatch(line) is not None
    return "meant" if is_meant and "?" not in message.head and not _NAME.search(message.head[1:]) else None


def _is_small_talk(message: _Message) -> bool:
    words = message.words
    if message.is_unsegmented:
        return talk.TRIVIAL_UNSEGMENTED.fullmatch("".join(words)) is not None
    if len(words) > _LONGEST_SMALL_TALK:
        return False
    if talk.ACKNOWLEDGING.issuperset(words):
        return "?" not in message.head or talk.GREETING_QUESTIONS.search(message.line) is not None
    is_number = all(word.isdecimal() for word in words)  # an answer to something
    return not is_number and (talk.TRIVIAL_ELSEWHERE.issuperset(words) or intent_of(message.head) == "chitchat")


def _is_empty_talk(message: _Message) -> bool:
    """Tell whether a few words tell nothing: the writer's rules find nothing to remember, and they ask for nothing."""
    words = message.words
    if len(words) > _LONGEST_EMPTY_TALK or message.asks or message.is_foreign or not message.head.isascii():
        return False
    if words[0] not in talk.ACKNOWLEDGING or not talk.TELLING.isdisjoint(words):
        return False
    return decide_extraction(message.head) == "none"


def _is_analytical(message: _Message) -> bool:
    line, request = message.line, message.request
    if message.is_unsegmented:
        return tasks.ANALYTICAL_UNSEGMENTED.search(line) is not None
    if tasks.ANALYTICAL.search(line) or tasks.ANALYTICAL_OPENING.match(line):
        return True
    if message.tail and tasks.ANALYTICAL.search(" ".join(_WORD.findall(message.tail.lower()))):
        return True
    if message.is_foreign:
        return tasks.ANALYTICAL_ELSEWHERE.search(line) is not None
    if not (message.asks or message.opens_with_task or request.startswith(tasks.SHOWING)):
        return False
    if tasks.MEMBERS.match(request) or tasks.OVER_TIME.search(request):
        return True
    return request.startswith(tasks.OF_A_TIME) and _asks_about_long_time(message.head)


def _asks_about_long_time(head: str) -> bool:
    asked = find_query_range(head, reference=_ANY_TIME)
    return asked is not None and asked.end - asked.start >= _LONG_RANGE


def _complexities(message: _Message) -> Iterator[Reason]:
    head = message.head
    marks = head.count("?") + head.count("？")
    if marks > 1 or (message.asks and tasks.MORE_QUESTIONS.search(message.request, _BEFORE_SECOND_QUESTION)):
        yield "several questions"
    if _is_work(message):
        yield "work or choice"
    if (
        _NUMBERED.search(head)
        or (message.asks and _NAMES.search(head))
        or (message.asks and head.count(",") >= _ENOUGH_COMMAS)
        or _SEVERAL_ERRANDS.search(head)
    ):
        yield "list"
    if _CODE.search(head):
        yield "code"
    if _is_long(message):
        yield "long"


def _is_work(message: _Message) -> bool:
    request = message.request
    if message.is_unsegmented:
        return tasks.COMPLEX_UNSEGMENTED.search(request) is not None
    if message.is_foreign:
        return tasks.COMPLEX_ELSEWHERE.search(request) is not None
    if tasks.EASY_TASKS.fullmatch(request):
        return False
    if message.opens_with_task or tasks.COMPLEX.search(request) or tasks.JUDGING.search(request):
        return True
    return "?" in message.head and " or " in request


def _is_long(message: _Message) -> bool:
    head, count = message.head, len(message.words)
    if message.tail or (message.is_unsegmented and len(head) > _LONGEST_UNSEGMENTED):
        return True
    if len(_SENTENCE_END.findall(head)) > _MOST_SENTENCES:
        return True
    if message.is_foreign:
        return count > (_LONGEST_FOREIGN_QUESTION if message.asks else _LONGEST_FOREIGN)
    return count > (_LONGEST_MODERATE_QUESTION if message.asks else _LONGEST_MODERATE)
