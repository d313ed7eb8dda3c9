"""The rolling summary of a session by rules: what was stated, what was decided, which questions are open.

It is text with three headings and a line for each sentence taken over, as people read it, and it is read back from that
text: a new batch of messages is folded in without the older ones, so that a turn costs the same however long the
session is. Sentences are taken as they stand; what is masked stays masked.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from context0.context.operations import classify
from context0.context.phrases import phrase_pattern
from context0.memory.rules.fact_clauses import sentences_of
from context0.memory.rules.facts import decide_extraction
from context0.memory.rules.intents import is_question
from stores.records import Message, Session

MAX_CHARACTERS: Final = 1_200
WINDOW: Final = 10
"""Messages that prompts show as they are; older ones are in the summary."""
BATCH: Final = 6
_SHARES: Final = {"stated": 720, "decided": 300, "open": 150}
"""Characters of the lines of one kind, at most; with the headings less than MAX_CHARACTERS."""
_SENTENCE_CHARACTERS: Final = 160
_LEAST_WORDS: Final = 3
_READ_CHARACTERS: Final = 4_000
_MOST_OF_MESSAGE: Final = 4

Kind = Literal["stated", "decided", "open"]
_HEADINGS: Final[dict[Kind, str]] = {"stated": "Stated:", "decided": "Decided:", "open": "Open questions:"}

_DECIDED: Final = phrase_pattern(r"""
decided | agreed | let s (?:go|do|take|use|keep|meet|say|stick) | we (?:will|ll) | going with | settled on
i (?:ll|will) (?:take|go with|use|book|buy|do it|accept) | we re going to | the plan is | entschieden | beschlossen
wir machen | ich nehme | décidé | decidido | deciso
""")
_UNANSWERED: Final = phrase_pattern(r"""
(?:do not|don t|does not|doesn t) (?:know|remember|have (?:that|any|anything|enough)) | not sure
no (?:memory|record|information) | nothing (?:about|in memory|remembered) | (?:cannot|can t) (?:tell|say|find)
weiß (?:ich )?(?:es )?nicht | ne sais pas | no (?:lo )?sé | non (?:lo )?so
""")
_WORD: Final = re.compile(r"[^\W_]+")
_SPACES: Final = re.compile(r"\s+")
_SENTENCE_END_ELSEWHERE: Final = re.compile(r"(?<=[。！？])")


class Line(NamedTuple):
    """One line of a summary."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Messages to fold into the summary: those with a number in (after, up_to]."""

    after: int
    up_to: int


def needs_summary(session: Session, *, last_seq: int | None = None) -> Fold | None:
    """Return the messages to fold into the session's summary, or None while the window holds all that it lacks.

    last_seq: the number of the last message written; by default that of the last one given. A batch goes in when the
    first message would leave the window, so that every message is in the window, in the summary, or in both.
    """
    last = session.next_seq - 1 if last_seq is None else last_seq
    if last - session.summary_seq <= WINDOW:
        return None
    return Fold(after=session.summary_seq, up_to=last - WINDOW + BATCH)


def summarise(summary: str, messages: Sequence[Message]) -> str:
    """Return the summary with `messages` (ascending, newer than it) folded in: at most 1,200 characters.

    Of each kind the newest lines stay. What is said again moves to the end; a question leaves when it is answered.
    The same messages give the same text. About 50 us a message.
    """
    lines = list(read_lines(summary))
    pending: list[str] = []
    for message in messages:
        if message.role == "user":
            lines.extend(_lines_of(message.content))
            pending = [line.text for line in _questions_of(message.content)]
        elif pending:
            if message.state == "complete" and not is_unanswered(message.content):
                lines = [line for line in lines if line.kind != "open" or line.text not in pending]
            else:
                lines.extend(Line("open", question) for question in pending)
            pending = []
    lines.extend(Line("open", question) for question in pending)
    return _written(lines)


def read_lines(summary: str) -> Iterator[Line]:
    """Read a summary back; text without our headings, such as a model's, counts as stated."""
    kinds: dict[str, Kind] = {heading: kind for kind, heading in _HEADINGS.items()}
    kind: Kind = "stated"
    for raw in summary.splitlines():
        line = raw.strip()
        if line in kinds:
            kind = kinds[line]
        elif text := line.removeprefix("- ").strip():
            yield Line(kind, text)


def open_questions(messages: Sequence[Message]) -> tuple[str, ...]:
    """Return the user's questions in `messages` (ascending) that no answer settled, oldest first."""
    found = [line.text for line in read_lines(summarise("", messages)) if line.kind == "open"]
    return tuple(found)


def is_unanswered(answer: str) -> bool:
    """Tell whether an answer says that it does not know."""
    return _holds(_UNANSWERED, answer[:_READ_CHARACTERS])


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of the first 4,000 characters of `text`, each in one line."""
    head = text[:_READ_CHARACTERS]
    for start, end in sentences_of(head):
        for piece in _SENTENCE_END_ELSEWHERE.split(head[start:end]):
            if sentence := _SPACES.sub(" ", piece).strip():
                yield sentence


def shortened(sentence: str, limit: int = _SENTENCE_CHARACTERS) -> str:
    """Return `sentence`, cut between two words if it is longer than `limit` characters."""
    if len(sentence) <= limit:
        return sentence
    cut = sentence[: limit - 1]
    space = cut.rfind(" ")
    return f"{cut[:space] if space > limit // 2 else cut}…"


def _lines_of(text: str) -> list[Line]:
    """Return what a message of the user states and decides, at most four sentences of it."""
    found: list[Line] = []
    for sentence in sentences(text):
        if is_question(sentence) or not _tells(sentence):
            continue
        kind: Kind = "decided" if _holds(_DECIDED, sentence) else "stated"
        found.append(Line(kind, shortened(sentence)))
    return found[:_MOST_OF_MESSAGE]


def _questions_of(text: str) -> list[Line]:
    asked = [sentence for sentence in sentences(text) if sentence.endswith(("?", "？"))]
    return [Line("open", shortened(sentence)) for sentence in asked[-_MOST_OF_MESSAGE:]]


def _tells(sentence: str) -> bool:
    if _holds(_DECIDED, sentence):
        return True
    if sentence.isascii() and len(sentence.split()) < _LEAST_WORDS:
        return False
    return decide_extraction(sentence) != "none" and classify(sentence).operation != "trivial"


def _holds(phrases: re.Pattern[str], text: str) -> bool:
    return phrases.search(" ".join(_WORD.findall(text.lower()))) is not None


def _written(lines: Iterable[Line]) -> str:
    by_kind: dict[Kind, list[str]] = {kind: [] for kind in _HEADINGS}
    for line in lines:
        same = line.text.casefold()
        kept = [text for text in by_kind[line.kind] if text.casefold() != same]
        by_kind[line.kind] = [*kept, line.text]
    sections = (
        "\n".join((_HEADINGS[kind], *newest)) for kind, texts in by_kind.items() if (newest := _newest(kind, texts))
    )
    return "\n".join(sections)


def _newest(kind: Kind, texts: Sequence[str]) -> list[str]:
    left, kept = _SHARES[kind], list[str]()
    for text in reversed(texts):
        line = f"- {shortened(text, _SHARES[kind] // 2)}"
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    return kept[::-1]
