"""Reading what a fact is about from the words behind its verb: places, names, jobs, lists of things.

Every reader takes the rest of a clause as written and returns the objects in it, () where nothing there will do.
`loose` says that the whole clause is in small letters, so that a name needs no capital.
"""

import re
from collections.abc import Callable
from types import MappingProxyType

from context0.memory.rules.capitals import is_calendar_word, is_common, never_a_name
from context0.memory.rules.fact_words import (
    COUNTRIES,
    LANGUAGES,
    NATIONALITIES,
    NOT_PLACES,
    OWNED,
    PLAYED,
    PROFESSIONS,
    ROLES,
)
from context0.memory.rules.time_words import MONTHS, QUANTITIES, SEASONS, TRIGGERS
from context0.memory.rules.word_set import word_set

Reader = Callable[[str, bool], tuple[str, ...]]

_MAX_CHARACTERS, _MAX_WORDS, _MAX_ITEMS, _MAX_READ = 80, 8, 8, 240
_MAX_NAMES = 4

# Where any object ends: at a mark, at one of these words, or at one that another follows.
_PIECE = re.compile(r"[\w'-]+|[.;!?()\[\]\n…—–|:]|\s-+\s")
_ENDING = word_set("""
because cause cuz 'cause when whenever where which who whose that so if though although while until now anymore
nowadays again too either instead lately currently together every each last next yesterday today tonight tomorrow ago
lol haha btw but especially particularly please actually during than however not recently already just like unless
except besides always often since i i'm i've we he she they
""")
_ENDING_BEFORE = MappingProxyType(
    {
        "any": word_set("more longer"),
        "all": word_set("my the year"),
        "these": word_set("days"),
        "at": word_set("the"),
        "right": word_set("now"),
        "as": word_set("well"),
        "a": word_set("lot year month week day few couple"),
        "an": word_set("hour"),
        "very": word_set("much"),
        "the": word_set("most"),
        "more": word_set("than"),
        "better": word_set("than"),
        "less": word_set("than"),
        "ever": word_set("since"),
        "this": word_set("week month year morning evening afternoon summer winter spring autumn fall weekend"),
        "for": frozenset(QUANTITIES) | word_set("the about over almost many several now years months weeks days ages"),
    }
)
_SPANS_OF_TIME = word_set("year years month months week weeks day days hour hours")
_PLACE_STOP = re.compile(r",|\s(?:and|or|with|for|from|near|by|after|before|on|at|to|in|as|over|around|about|alone)\b")
_THING_TIME = re.compile(r"\s(?:in|on|at) (?:the )?([a-z]+)", re.IGNORECASE)
_JOINED = re.compile(r"\s*,\s*(?:and\s|or\s|&\s)?\s*|\s+(?:and|or|nor|&)\s+", re.IGNORECASE)
_JOINT = re.compile(r"\s(?:and|or|nor|&)\s", re.IGNORECASE)
_PREPOSITION = re.compile(r"\s(?:with|about|in|of|for|to|from|on|into|between|at)\s")
_NARROWED = re.compile(r"\s(?:that|which|who|whose|where|when|whenever|if|unless)\b", re.IGNORECASE)
_LOOSE_END = word_set("to with about in of for from on into between at by the a an and or as")
_PAIRS = re.compile(
    r"\b(?:fish and chips|rock and roll|mac and cheese|salt and pepper|dungeons and dragons|black and white|drum and bass"
    r"|peanut butter and jelly|bed and breakfast|arts and crafts|country and western|track and field|bread and butter)\b",
    re.IGNORECASE,
)
_DETERMINER = re.compile(
    r"(?:a|an|the|my|our|some|any|all|both|his|her|their|lots of|a lot of|a little|a bit of)\s+", re.IGNORECASE
)
_WITHIN = re.compile(r"\b(?:in|outside|near) ((?:the )?[^\W\d_a-z][\w'.-]*(?: [^\W\d_a-z][\w'.-]*){0,3})")
_WORD = re.compile(r"[\w'-]+")
_EDGES = " \t\r\n,.;:!?\"'“”„«»()[]{}*_~-–—"

_DEICTIC = word_set("""
it that this these those you your yours him her them me us myself yourself how what when where why who everything
anything nothing something someone everyone one ones both here there mine his hers its their each other such neither
""")
_NEVER_INSIDE = word_set("""
is are was were am be been can can't cannot will won't would wouldn't could should might may do does did don't doesn't
i i'm i've it you you're it's that's he she they we we're they're n't not need think guess hope them him me us myself
""")
_EMPTY_HEADS = word_set("idea fact way thought look looks sound concept plan notion suggestion point part thing things")
_SAYING = word_set("say hear think see admit break know tell disappoint bother believe be ask interrupt let imagine")
_GENERIC = word_set("""
beach sea ocean mountains outdoors countryside rain snow sun cold heat forest woods desert summer winter spring autumn
city circus opera theatre theater cinema gym guitar piano violin cello drums blues weekend holidays night stars sky
environment sauna
""")
_FLATTERY = word_set("""
good bad great terrible decent slow fast big lousy awful amazing excellent better poor huge fellow wannabe natural born
""")
_NO_EMPLOYERS = word_set("""
home night nights noon midnight least first last all it them him her you me us myself yourself free food money weekends
once living years hours days ages weeks months work this that these those my your peace everyone people me what which
""")
_AFTER_NAME = re.compile(
    r"\s*(?:$|[^\w\s'’]|\b(?:and|but|now|btw|by|who|which|not|so|too|though|actually|again|because|since)\b)"
)
_DULL = word_set("old new little beloved first used brand-new second second-hand beautiful nice shiny lovely cute own")


def cut(text: str) -> str:
    """Return `text` up to where any object ends, at most 240 characters of it."""
    text = text[:_MAX_READ]
    before, start = "", 0
    for piece in _PIECE.finditer(text):
        word = piece.group().lower()
        if (before in _ENDING_BEFORE and word in _ENDING_BEFORE[before]) or (
            word in _SPANS_OF_TIME and (before in QUANTITIES or before.isdecimal())
        ):
            return text[:start].rstrip(", ")
        if word in _ENDING or not (word[0].isalnum() or word[0] == "'"):
            if word == ":" and text[piece.end() : piece.end() + 1].strip():
                continue
            return text[: piece.start()].rstrip(", ")
        before, start = word, piece.start()
    return text


def clean(text: str) -> str:
    """Return `text` without the article or possessive at its head and the marks at its edges."""
    text = text.strip(_EDGES)
    while found := _DETERMINER.match(text):
        text = text[found.end() :].lstrip()
    return text


def fits(text: str) -> bool:
    return 0 < len(text) <= _MAX_CHARACTERS and text.count(" ") < _MAX_WORDS


def items_of(text: str) -> list[str]:
    """Split "tea, coffee and milk" in its items; parts with nothing but commas between them are no list.

    In "trips with friends and family" the preposition holds both nouns, so it is one item.
    """
    if " " not in text.strip():
        return [text]
    if " and " in text and _PAIRS.search(text):
        text = _PAIRS.sub(lambda pair: pair.group().replace(" ", "\0"), text)
    parts = [part.replace("\0", " ") for part in _JOINED.split(text, _MAX_ITEMS)][:_MAX_ITEMS]
    if len(parts) > 1 and not _JOINT.search(text):
        is_adjective = " " not in parts[0].strip() and " " in parts[1].strip()  # "simple, small parts"
        return [] if is_adjective else parts[:1]
    if len(parts) == 2 and _PREPOSITION.search(parts[0]) and not parts[1].split(" ")[0].endswith("ing"):
        return [text.replace("\0", " ")]
    return parts


def things(text: str, loose: bool) -> tuple[str, ...]:
    """What is liked: "jazz", "hiking and swimming", "to paint"; nothing that only points ("that", "your hat").

    A thing that is narrowed down ("books that make me think") is left to those who can say it whole.
    """
    head = cut(text)
    if _NARROWED.match(text, len(head)):
        return ()
    found: list[str] = []
    for item in items_of(_without_time(head)):
        thing = _thing(item, loose)
        if thing is None:
            break
        found.append(thing)
    return tuple(found)


def _without_time(text: str) -> str:
    """Cut "skiing in winter" before its time."""
    found = _THING_TIME.search(text)
    return text[: found.start()] if found and found.group(1).lower().rstrip("s") in TRIGGERS else text


def _thing(item: str, loose: bool) -> str | None:
    words = _WORD.findall(item.lower())
    if not words or words[0] in _DEICTIC or words[-1] in _DEICTIC or not _NEVER_INSIDE.isdisjoint(words):
        return None
    if words[-1] in _LOOSE_END:
        return None
    if words[0] == "to":
        return None if len(words) == 1 or words[1] in _SAYING else _fitting(item.strip()[3:])
    if words[0] == "the" and len(words) > 1 and not _is_generic(words, item.strip(_EDGES)[4:]):
        return None
    if words[0] in ("my", "our") and len(words) > 1 and (words[1] in ROLES or words[1] in ("kids", "family")):
        return None
    return _fitting(item)


def _is_generic(words: list[str], rest: str) -> bool:
    """Tell "the sea", "the Beatles" and "the smell of rain" from "the plan"."""
    if words[1] in _EMPTY_HEADS:
        return False
    return rest[:1].isupper() or words[-1] in _GENERIC or "of" in words


def _fitting(item: str) -> str | None:
    thing = clean(item)
    return thing if fits(thing) else None


def any_thing(text: str, loose: bool) -> tuple[str, ...]:
    """One thing of any kind, as favourites and possessions are."""
    thing = _fitting(cut(text))
    words = _WORD.findall(thing.lower()) if thing else []
    if not words or words[0] in _DEICTIC or words[-1] in _DEICTIC or not _NEVER_INSIDE.isdisjoint(words):
        return ()
    return (thing,) if thing else ()


def places(text: str, loose: bool) -> tuple[str, ...]:
    """Where somebody lives: "Graz", "the Netherlands"; of "a flat in Lisbon" it is Lisbon."""
    head = cut(text).strip()
    low = head.lower()
    if low.startswith(("a ", "an ", "my ", "our ", "the ", "his ", "her ", "their ")) and not head[4:5].isupper():
        within = _WITHIN.search(head)
        if within is None:
            return ()
        head = within.group(1)
    stop = _PLACE_STOP.search(head)
    place = (head[: stop.start()] if stop else head).strip(_EDGES)
    words = place.lower().split()
    if (
        not words
        or not fits(place)
        or not NOT_PLACES.isdisjoint(words)
        or words[0] in _DEICTIC
        or words[0] in QUANTITIES
    ):
        return ()
    if words[0] in MONTHS or words[0] in SEASONS:
        return ()
    is_named = place[0].isupper() or (words[0] == "the" and place[4:5].isupper())
    if not is_named and (not loose or len(words) > 2 or not place.replace(" ", "").isalpha() or words[0] == "the"):
        return ()
    return (place,) if words[0].isalpha() or "-" in place or "." in place or "'" in place else ()


def is_region(place: str) -> bool:
    """Tell whether `place` is a country or larger, so that a town in it is no other place."""
    return place.lower().removeprefix("the ") in COUNTRIES


def employers(text: str, loose: bool) -> tuple[str, ...]:
    head = cut(text)
    stop = _PLACE_STOP.search(head)
    head = head[: stop.start()] if stop else head
    words = head.lower().split()
    if (
        not words
        or words[0] in _NO_EMPLOYERS
        or words[0] in QUANTITIES
        and words[0] not in ("a", "an")
        or words[0][0].isdecimal()
    ):
        return ()
    name = clean(head)
    low = name.lower()
    if (
        not fits(name)
        or low in _NO_EMPLOYERS
        or low in TRIGGERS
        or low in ("moment", "same time", "office", "same place")
    ):
        return ()
    return (name,)


def names(text: str, loose: bool) -> tuple[str, ...]:
    """One name of a person or a pet: up to four capitalised words."""
    words = text.strip(_EDGES + "“”").split()[:_MAX_NAMES]
    kept: list[str] = []
    for word in words:
        bare = word.strip(_EDGES)
        if not bare or not bare[0].isalpha() or not (bare[0].isupper() or (loose and not kept)):
            break
        if not kept and not _may_be_name(bare, loose):
            return ()
        if kept and (bare == "I" or is_calendar_word(bare)):
            break
        kept.append(bare.removesuffix("'s"))
        if bare != word.rstrip('"') and not word.endswith("."):
            break
    return (" ".join(kept),) if kept else ()


def _may_be_name(word: str, loose: bool) -> bool:
    if never_a_name(word) or is_calendar_word(word):
        return False
    low = word.lower()
    return low not in NATIONALITIES and low not in ROLES and not (loose and is_common(word))


def whole_names(text: str, loose: bool) -> tuple[str, ...]:
    """One name with nothing behind it that would make it something else: not "Clara's best friend"."""
    found = names(text, loose)
    return found if found and _AFTER_NAME.match(text, text.find(found[0]) + len(found[0])) else ()


def name_list(text: str, loose: bool) -> tuple[str, ...]:
    """Several names: "Tom and Max"."""
    found: list[str] = []
    for item in items_of(cut(text)):
        name = names(item, loose)
        if not name:
            break
        found += name
    return tuple(found)


def jobs(text: str, loose: bool) -> tuple[str, ...]:
    """What somebody works as, any noun behind an article, a known profession without one."""
    job = _job(text)
    if job is None:
        return ()
    has_article = text.lstrip().lower().startswith(("a ", "an ", "the "))
    return (job,) if has_article or job.split()[-1].lower() in PROFESSIONS else ()


def professions(text: str, loose: bool) -> tuple[str, ...]:
    """A job only if its last word is a known profession, and nobody is praised: "a good cook" is no job."""
    job = _job(text)
    if job is None:
        return ()
    words = job.lower().split()
    return (job,) if words[-1] in PROFESSIONS and _FLATTERY.isdisjoint(words) else ()


def _job(text: str) -> str | None:
    head = cut(text)
    stop = _PLACE_STOP.search(head)
    job = clean(head[: stop.start()] if stop else head).split(" of ")[0]
    words = job.split()
    if not words or len(words) > _MAX_NAMES or not all(word[0].isalpha() for word in words):
        return None
    return job if words[0].lower() not in _DEICTIC else None


def languages(text: str, loose: bool) -> tuple[str, ...]:
    spoken = _WORD.findall(_TONGUES_END.split(text[:_MAX_READ], maxsplit=1)[0])
    return tuple(dict.fromkeys(word for word in spoken if word.lower() in LANGUAGES))[:_MAX_ITEMS]


_TONGUES_END = re.compile(r"[.;!?]|\b(?:but|not|because|with|since|so|and (?:i|my|we))\b", re.IGNORECASE)


def nationalities(text: str, loose: bool) -> tuple[str, ...]:
    word = cut(text).strip(_EDGES)
    return (word,) if word.lower() in NATIONALITIES else ()


def played(text: str, loose: bool) -> tuple[str, ...]:
    """Instruments, sports and games; titles of games by their capital."""
    found: list[str] = []
    for item in items_of(_without_time(cut(text))):
        game = clean(re.split(r"\s(?:with|in|at|on|for|by|to)\s", item, maxsplit=1)[0])
        words = game.lower().split()
        if not words or not fits(game) or not (words[-1] in PLAYED or words[-1] == "games" or game[0].isupper()):
            break
        found.append(game)
    return tuple(found)


def possessions(text: str, loose: bool) -> tuple[str, ...]:
    """What is worth owning, by its last word: car, house, guitar."""
    found: list[str] = []
    for item in items_of(re.split(r"\s(?:in|on|at|from|with|for|to|by)\s", cut(text), maxsplit=1)[0]):
        thing = _undulled(clean(item))
        words = thing.lower().split()
        if not words or not fits(thing) or words[-1] not in OWNED:
            break
        found.append(thing)
    return tuple(found)


def owned(text: str, loose: bool) -> tuple[str, ...]:
    """Anything behind an article or a number: what is said to be owned."""
    words = text.lower().split(None, 1)
    if not words or (words[0] not in QUANTITIES and words[0] not in ("the", "my", "any") and words[0] not in OWNED):
        return ()
    return tuple(_undulled(thing) for thing in any_thing(text, loose))


def _undulled(thing: str) -> str:
    words = thing.split()
    while len(words) > 1 and words[0].lower() in _DULL:
        words = words[1:]
    return " ".join(words)


def allergens(text: str, loose: bool) -> tuple[str, ...]:
    found: list[str] = []
    for item in items_of(_without_time(cut(text))):
        thing = clean(item)
        words = thing.lower().split()
        if (
            not words
            or len(words) > _MAX_NAMES
            or not _DEICTIC.isdisjoint(words)
            or not _NEVER_INSIDE.isdisjoint(words)
        ):
            break
        found.append(thing)
    return tuple(found)


def subjects_studied(text: str, loose: bool) -> tuple[str, ...]:
    """What is studied: "physics", "computer science"; neither how hard nor where nor for what."""
    head = _PLACE_STOP.split(cut(text), maxsplit=1)[0]
    thing = clean(head)
    words = thing.lower().split()
    if not words or len(words) > _MAX_NAMES or words[0] in _NOT_STUDIED or not _DEICTIC.isdisjoint(words):
        return ()
    return (thing,) if all(word[0].isalpha() for word in words) and not words[0].endswith("ly") else ()


_NOT_STUDIED = word_set("""
hard for at in with all late every together harder well more less abroad alone tonight too from by to on and until
""")


def promotions(text: str, loose: bool) -> tuple[str, ...]:
    job = _job(text)
    return (job,) if job else ()


def left_employers(text: str, loose: bool) -> tuple[str, ...]:
    """Whom somebody left for good: a name, and no hour or day at which one leaves a place."""
    if not text[:1].isupper() or _LEFT_TODAY.search(text) or " for " in text:
        return ()
    return employers(text, loose)


def left_schools(text: str, loose: bool) -> tuple[str, ...]:
    school = employers(text, loose)
    return school if school and (any(map(str.isupper, school[0])) or _SCHOOL.search(school[0])) else ()


_LEFT_TODAY = re.compile(
    r"\b(?:today|yesterday|tonight|morning|evening|afternoon|night|ago|at \d|early|late|again|alone)\b"
)
_SCHOOL = re.compile(r"\b(?:university|college|school|uni)\b")
