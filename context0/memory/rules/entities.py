"""Entities of a text by rule: capitalised names, quoted titles and names that the owner already has.

A capital says "name" only where grammar does not ask for one: at the head of a sentence an ordinary English word
counts for nothing. Capitals are found by one regex; every match is judged by sets, so the cost is linear in the text.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter

from context0.memory.rules.capitals import (
    is_calendar_word,
    is_common,
    is_emphasis,
    leads_to_name,
    never_a_name,
    opens_sentence,
)
from context0.memory.rules.language import detect_language, looks_english
from context0.memory.rules.names import MAX_NAME_CHARACTERS, MAX_NAME_WORDS, NameTable, entity_key, table_of
from context0.memory.rules.stop_words import STOP_WORDS
from context0.memory.rules.word_set import word_set

MAX_ENTITIES = 32
MAX_SHOUTED_WORDS = 3  # a longer text without a small letter is loud, not full of acronyms

# Where it begins, minus where it ends, and the name: sorted, the first mention and then the longest leads.
_Found = tuple[int, int, str]

_BY_PLACE = itemgetter(0, 1)

# Every capital of Latin, Greek, Cyrillic, Armenian and Vietnamese: the scripts that have them.
_CAPITALS = "".join(chr(code) for code in (*range(0x41, 0x588), *range(0x1E00, 0x2000)) if chr(code).isupper())
_TITLE = r"(?:(?<=[DM])r|(?<=M)rs|(?<=M)s|(?<=P)rof|(?<=[SM])t)\.(?=\s)"
_INITIALS = rf"(?:\.[{_CAPITALS}]){{1,7}}\."
_LETTERS = r"[\w\u0300-\u036f]*+(?:(?:['’](?![sS]\b)|[.&-])[\w\u0300-\u036f]++)*+"
# The charset leads, so that the regex engine skips to the next capital by itself (5.2 -> 2.4 µs).
_WORD = rf"[{_CAPITALS}](?:{_TITLE}|{_INITIALS}|{_LETTERS})"
_JOINTS = r"of(?: the)?|de(?: la| los| las|l)?|d[aiou]s?|v[ao]n(?: der?| den)?|zu|l[ae]|al|bin|ibn|y|&"
_RUN = re.compile(rf"{_WORD}(?:[ \u00a0](?:(?:{_JOINTS}) |(?:[A-HJ-Z]\. ?){{1,3}})?{_WORD}){{0,5}}")

_QUOTED = re.compile(r'"([^"\n]{2,80})"')
_QUOTED_ELSEWHERE = re.compile(r"“([^”\n]{2,80})”|„([^“”\n]{2,80})[“”]|«([^»\n]{2,80})»|《([^》\n]{1,80})》")
_MARKS_OF_TITLES = "«»《》"
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_LONGEST_LOWER_HEAD = 3
_HEADING_WINDOW = 4
_BEFORE_SPEECH = (",", ":", "say", "says", "said", "saying", "ask", "asked", "told", "replied", "yelled", "whispered")
_SPEECH_WINDOW = 12

_GERMAN_NOUN_ENDINGS = ("ung", "heit", "keit", "schaft", "tion", "chen", "lein", "tät", "nis", "ling")
_GERMAN_OPENERS = word_set("danke gestern guten gute hallo heute ja leider morgen nein vielleicht vielen")
_GERMAN_ARTICLES = word_set(
    """
am ans beim das dem den der des die diese diesem diesen dieser ein eine einem einen einer eines im ins jede jeden kein
keine keinen viel viele vom zum zur
"""
)
_LONGEST_ARTICLE = 8


def extract_entities(text: str, *, known: Collection[str] | NameTable = ()) -> tuple[str, ...]:
    """Return the names in `text` as written, in order of first appearance, one a key, at most 32.

    known: names of the owner, found in any case and reported as given; a `NameTable` is prepared once, any other
    collection on every call. Inside a quoted title no further capitals are read.
    """
    titles = _quoted_titles(text) if '"' in text or not text.isascii() else []
    found: list[_Found] = [*titles, *_capitalised(text, titles)]
    if known:
        found[:0] = [(span.start, -span.end, span.name) for span in table_of(known).find(text)]
    if len(found) > 1:
        found.sort(key=_BY_PLACE)  # stable: at one place the owner's spelling leads
    unique: dict[str, str] = {}
    for _, _, name in found:
        key = entity_key(name)
        if key and key not in unique:
            unique[key] = name
            if len(unique) == MAX_ENTITIES:
                break
    return tuple(unique.values())


def _quoted_titles(text: str) -> list[_Found]:
    titles: list[_Found] = []
    if '"' in text:
        titles += _titles_of(text, _QUOTED)
    if any(mark in text for mark in "“„«《"):
        titles += _titles_of(text, _QUOTED_ELSEWHERE)
    return titles[: MAX_ENTITIES * 2]


def _titles_of(text: str, pattern: re.Pattern[str]) -> Iterator[_Found]:
    for match in pattern.finditer(text):
        start, end = match.span(match.lastindex or 1)
        title = text[start:end].strip(" .,;:!")
        opening = match.start()
        if title and _is_title(title, marked=text[opening] in _MARKS_OF_TITLES):
            before = text[max(0, opening - _SPEECH_WINDOW) : opening].rstrip().lower()
            if " " not in title or not before.endswith(_BEFORE_SPEECH):
                yield start, -end, title


def _is_title(title: str, *, marked: bool) -> bool:
    """Tell a title from a quoted remark: it opens with a capital or digit, and half of its words have a capital.

    marked: the quotation marks («», 《》) are themselves the mark of a title.
    """
    words = title.split()
    if len(words) > MAX_NAME_WORDS or title.endswith("?"):
        return False
    if marked:
        return True
    if title[0].islower() or not title[0].isalnum():
        return False
    if len(words) == 1:
        return not never_a_name(title)
    return sum(not word[0].islower() for word in words) * 2 >= len(words)


def _capitalised(text: str, titles: Sequence[_Found]) -> Iterator[_Found]:
    """Yield the runs of capitalised words that are names, at most twice the limit."""
    if "```" in text:
        text = _CODE.sub(lambda block: "\n" * len(block.group()), text)
    if text.isupper() and len(text.split(None, MAX_SHOUTED_WORDS)) > MAX_SHOUTED_WORDS:
        return
    left = MAX_ENTITIES * 2
    language, is_marked = "", "#" in text or "**" in text
    for match in _RUN.finditer(text):
        start, end = match.span()
        if titles and any(begin <= start < -stop for begin, stop, _ in titles):
            continue
        start = _head_of(text, start)
        if start < 0 or (is_marked and _is_heading(text, start)):
            continue
        judged = _name_in(text, start, end)
        if judged is None:
            continue
        start, name = judged
        if " " not in name:
            language = language or ("en" if looks_english(text) else detect_language(text))
            if language != "en" and _is_foreign_word(text, start, name, language):
                continue
        yield start, -(start + len(name)), name
        left -= 1
        if not left:
            return


def _head_of(text: str, start: int) -> int:
    """Return where the word that holds the capital at `start` begins (iPhone, macOS); -1 for an identifier of code."""
    if start and text[start - 1] == " ":
        return start
    head = start
    while head and (text[head - 1].isalnum() or text[head - 1] == "_"):
        head -= 1
    length = start - head
    is_word = length < _LONGEST_LOWER_HEAD or (length == _LONGEST_LOWER_HEAD and text[start : start + 2].isupper())
    return head if is_word else -1


def _is_heading(text: str, start: int) -> bool:
    """Tell the words of a markdown heading, or in bold at the head of a line or sentence."""
    if not start or text[start - 1] not in "*# ":
        return False
    marks = text[max(0, start - _HEADING_WINDOW) : start].rstrip(" ")
    return marks.endswith(("#", "**")) and opens_sentence(text, start)


def _name_in(text: str, start: int, end: int) -> tuple[int, str] | None:
    """Cut a run of capitalised words down to the name in it; return its place and itself."""
    run = text[start:end].replace("\u00a0", " ")
    if " " not in run:
        return (start, run) if _is_single_name(text, start, run) else None
    words = run.split(" ")
    skipped = 0
    while skipped < len(words) and (never_a_name(words[skipped]) or words[skipped].islower()):
        skipped += 1
    if not skipped and is_common(words[0]) and opens_sentence(text, start):
        if all(is_common(word) for word in words[1:]):
            return None
        skipped = int(leads_to_name(words[0]))
    start += sum(len(word) + 1 for word in words[:skipped])
    kept = _without_tail(words[skipped:])
    if not kept or is_emphasis(kept):
        return None
    name = " ".join(kept)
    if len(kept) == 1 and not _is_single_name(text, start, name):
        return None
    return (start, name) if len(name) <= MAX_NAME_CHARACTERS else None


def _without_tail(words: list[str]) -> list[str]:
    """End the run before "I" and leave out what no name ends with; "Black Friday" keeps its day."""
    if "I" in words:
        words = words[: words.index("I")]
    while words and (words[-1].islower() or (never_a_name(words[-1]) and not is_calendar_word(words[-1]))):
        words = words[:-1]
    return words


def _is_single_name(text: str, start: int, word: str) -> bool:
    if not 1 < len(word) <= MAX_NAME_CHARACTERS or "_" in word or never_a_name(word):
        return False
    return not is_common(word) or not (word.isupper() or opens_sentence(text, start))


def _is_foreign_word(text: str, start: int, word: str, language: str) -> bool:
    """Tell a function word at the head of a sentence, or a German noun by its article or ending."""
    low = word.lower()
    if low in STOP_WORDS.get(language, ()):
        return True
    if language != "de":
        return False
    if low in _GERMAN_OPENERS or low.endswith(_GERMAN_NOUN_ENDINGS):
        return True
    before = text[max(0, start - _LONGEST_ARTICLE) : start].split()
    return bool(before) and before[-1].lower() in _GERMAN_ARTICLES
