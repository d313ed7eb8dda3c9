"""The words that the extractive answers are made by: what a message is, and what in it carries its subject."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

MessageKind = Literal["question", "statement", "greeting", "thanks", "farewell"]
Wanted = Literal["time", "place", "person", "number", "list", "any"]

_WORD: Final = re.compile(r"[^\W_]+")
_CLITIC: Final = re.compile(r"['’](?:s|m|d|re|ve|ll|t)\b", re.IGNORECASE)
_SENTENCE: Final = re.compile(r"[^.!?…。！？\n]+(?:[.!?…。！？]+[\"'”»)]*|\n|$)")
_ABBREVIATED: Final = re.compile(r"\b(?:[A-Z]|\d{1,2}|Dr|Mr|Mrs|Ms|St|Prof|No|vs|e\.g|i\.e|etc)\.\s*$")
_MARKS: Final = re.compile(r"[\u0300-\u036f]+")
_SHORTEST_STEMMED: Final = 3
_CACHED_WORDS: Final = 1 << 14


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS: Final = _words("""
a about again all also am an and any are as at be been before being both but by can could did do does doing done else
ever for from get got had has have having he her here hers him his how i if in into is it its just know let like many
may me might mine more most much must my myself no not now of off on one only or other our ours out over own please
remember remind said say shall she should so some still such tell than that the their theirs them then there these they
this those to told too under until up us very was we were what when where which while who whom whose why will with
would yet you your yours aber als am an auch auf aus bei bin das dass dein dem den der des die du ein eine einem einen
er es für hat habe ich ihr im in ist ja mein meine mich mir mit nach nicht noch nun oder sein sich sie sind so um und
uns von wann war warum was wer wie wir wird wo woher wohin zu zum zur le la les de des du un une et est qui que quoi où
el los las y es en qué quién dónde cuándo
""")
_PAST: Final = re.compile(
    r"\b(?:used to|previous(?:ly)?|former(?:ly)?|before|earlier|back then|old|past|originally|no longer|any ?more"
    r"|was|were"
    r"|at first|history|changed?|did \w+ (?:\w+ )?(?:live|work|have|own|drive|use|like|prefer|study)"
    r"|früher|vorher|ehemals|avant|antes)\b",
    re.IGNORECASE,
)
_SORTS: Final = _words(
    "city town country place street date day time year month person people name number stadt ort land"
)
_OPENERS: Final = _words("""
who whom whose what when where which why how is are am was were do does did can could will would should shall has have
had list name describe explain find summarize wer wen wem was wo wohin woher wie warum welche welcher welches wann qui
que quoi où comment pourquoi quand quel quelle combien quién qué dónde cómo cuál cuándo chi che cosa dove come perché
quando quale кто что где когда как почему
""")
_REQUESTS: Final = frozenset(
    {*(("tell", "me"), ("remind", "me"), ("show", "me"), ("give", "me"), ("let", "me")), ("do", "you"), ("may", "i")}
)
_HELLOS: Final = _words("hi hiya hello hey heya howdy yo greetings hallo bonjour salut hola ciao olá hej moin servus")
_THANKS: Final = _words("thanks thank thx ty cheers danke merci gracias grazie obrigado obrigada tack")
_FAREWELLS: Final = _words("bye goodbye goodnight tschüss adieu adiós ciao")
_SMALL: Final = _words("""
good morning afternoon evening night day there again so very much a lot you all everyone my friend how are is it going
what up s things today see later soon for the your help and guten morgen abend tag beaucoup muchas
""")
_LONGEST_SMALL_TALK: Final = 8
_WANTED: Final[tuple[tuple[re.Pattern[str], Wanted], ...]] = (
    (re.compile(r"\bhow (?:many|much|old|often)\b|\bwie (?:viele?|alt|oft)\b|\bcombien\b", re.IGNORECASE), "number"),
    (
        re.compile(r"\bwhen\b|\bwhat (?:date|day|time|year|month)\b|\bhow long\b|\bwann\b|\bquand\b", re.IGNORECASE),
        "time",
    ),
    (
        re.compile(r"\bwhere\b|\b(?:which|what) (?:city|town|country|place|street)\b|\bwo\b|\bdove\b", re.IGNORECASE),
        "place",
    ),
    (re.compile(r"\bwho(?:m|se)?\b|\bwer\b|\bqui\b|\bquién\b", re.IGNORECASE), "person"),
    (
        re.compile(
            r"\b(?:list|which|what)\b.{0,24}\b(?:all|everything|every|[a-z]{3,}s are|things)\b|^list\b", re.IGNORECASE
        ),
        "list",
    ),
)
_TIME_WORD: Final = re.compile(
    r"\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday"
    r"|wednesday|thursday|friday|saturday|sunday|yesterday|today|tomorrow|week|month|year|spring|summer|autumn|winter)",
    re.IGNORECASE,
)
_NUMBER_WORD: Final = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|once|twice|daily|weekly|every)\b",
    re.IGNORECASE,
)
_PLACE_WORD: Final = re.compile(r"\b(?:in|at|to|from|near|nach|aus|à|en)\s+(?:the\s+)?[^\W\d_a-z]\w+")
_PRONOUN: Final = re.compile(
    r"(?:he|she|it|they|his|her|their|this|that|there|er|sie|es|il|elle|ils|elles)\b", re.IGNORECASE
)
_NAME_WORD: Final = re.compile(r"(?<=[^\W\d_.!?]\s)[^\W\d_a-z][^\W\d_]+")


def kind_of(message: str) -> MessageKind:
    """Tell what `message` is; in doubt between asking and telling, it tells."""
    words = _WORD.findall(_CLITIC.sub("", message.lower()))
    if words and len(words) <= _LONGEST_SMALL_TALK:
        rest = set(words) - _SMALL
        if rest and rest <= _THANKS:
            return "thanks"
        if rest and rest <= _HELLOS | _FAREWELLS:
            return "greeting" if rest & _HELLOS else "farewell"
        if not rest and words[0] == "good":
            return "farewell" if "night" in words else "greeting"
    if any(mark in message for mark in "?？؟¿"):
        return "question"
    asks = bool(words) and (words[0] in _OPENERS or tuple(words[:2]) in _REQUESTS)
    return "question" if asks else "statement"


def wanted_by(question: str) -> Wanted:
    """Tell what sort of thing the question asks for."""
    return next((wanted for pattern, wanted in _WANTED if pattern.search(question)), "any")


def asks_about_the_past(question: str) -> bool:
    return _PAST.search(question) is not None


def offers(sentence: str, wanted: Wanted) -> bool:
    """Tell whether the sentence holds something of the sort that is wanted."""
    match wanted:
        case "time":
            return _TIME_WORD.search(sentence) is not None
        case "number":
            return _NUMBER_WORD.search(sentence) is not None
        case "place":
            return _PLACE_WORD.search(sentence) is not None
        case "person":
            return _NAME_WORD.search(sentence) is not None
        case _:
            return False


def sentences_of(text: str) -> list[str]:
    """Return the sentences of `text` in order, trimmed; a text without an end mark is one."""
    found: list[str] = []
    open_ended = False
    for match in _SENTENCE.finditer(text):
        piece = match.group()
        if open_ended and found:
            found[-1] += piece
        else:
            found.append(piece)
        open_ended = _ABBREVIATED.search(piece) is not None
    return [sentence.strip() for sentence in found if any(map(str.isalnum, sentence))]


def passages_of(text: str) -> list[str]:
    """Return the sentences of `text`; one that opens with a pronoun also together with the sentence before it."""
    passages: list[str] = []
    before, start = "", 0
    for sentence in sentences_of(text):
        passages.append(sentence)
        end = text.index(sentence, start) + len(sentence)
        if before and _PRONOUN.match(sentence):
            passages.append(text[text.rindex(before, 0, end - len(sentence)) : end])
        before, start = sentence, end
    return passages


def asked_for(question: str) -> frozenset[str]:
    """Return the subjects of a question but for the sort of thing that it wants, which answers seldom name."""
    return subjects_of(question) - (frozenset() if wanted_by(question) == "any" else frozenset(map(_stem, _SORTS)))


def subjects_of(text: str) -> frozenset[str]:
    """Return the stems of the words that carry the subject; of a text of stop words alone, nothing."""
    words = _WORD.findall(_CLITIC.sub("", unicodedata.normalize("NFKC", text).casefold()))
    return frozenset(_stem(word) for word in words if word not in STOP_WORDS)


@lru_cache(maxsize=_CACHED_WORDS)
def _stem(word: str) -> str:
    # Imported late: the package loads all its languages (20 ms). A stemmer serves one call, so that none is shared.
    import snowballstemmer

    plain = _MARKS.sub("", unicodedata.normalize("NFKD", word))
    if len(plain) < _SHORTEST_STEMMED or not (plain.isascii() and plain.isalpha()):
        return plain
    return str(snowballstemmer.stemmer("english").stemWord(plain))
