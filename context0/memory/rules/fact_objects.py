"""Reading things from the words behind a verb: what is liked, owned, played, spoken, studied, worked as.

Every reader takes the rest of a clause and returns the objects in it, () where nothing there will do.
"""

import re
from collections.abc import Callable, Iterator

from context0.memory.rules.fact_cuts import (
    DEICTIC,
    EDGES,
    MAX_ITEMS,
    MAX_READ,
    WORD,
    Rest,
    clean,
    cut,
    cut_place,
    fits,
    items_of,
    points,
    without_time,
)
from context0.memory.rules.fact_words import LANGUAGES, NATIONALITIES, OWNED, PLAYED, PROFESSIONS, ROLES
from context0.memory.rules.time_words import QUANTITIES
from context0.memory.rules.word_set import word_set

Reader = Callable[[Rest], tuple[str, ...]]

_MAX_NOUN_WORDS = 4
_NARROWED = re.compile(r"\s(?:that|which|who|whose|where|when|whenever|if|unless)\b", re.IGNORECASE)
_LOOSE_END = word_set("to with about in of for from on into between at by the a an and or as")
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
_DULL = word_set("old new little beloved first used brand-new second second-hand beautiful nice shiny lovely cute own")
_TONGUES_END = re.compile(r"[.;!?]|\b(?:but|not|because|with|since|so|and (?:i|my|we))\b", re.IGNORECASE)
_NOT_STUDIED = word_set("""
hard for at in with all late every together harder well more less abroad alone tonight too from by to on and until
""")
_ASIDE = re.compile(r"\s(?:with|in|at|on|for|by|to|from)\s")


def things(rest: Rest) -> tuple[str, ...]:
    """What is liked: "jazz", "hiking and swimming", "to paint"; nothing that only points ("that", "your hat").

    A thing that is narrowed down ("books that make me think") is left to those who can say it whole.
    """
    head = cut(rest.text)
    return () if _NARROWED.match(rest.text, len(head)) else _all_of(_thing, items_of(without_time(head)))


def _all_of(read: Callable[[str], str], items: list[str]) -> tuple[str, ...]:
    """Return what `read` makes of the items, up to the first that will not do."""
    return tuple(_until_empty(map(read, items)))


def _until_empty(values: Iterator[str]) -> Iterator[str]:
    for value in values:
        if not value:
            return
        yield value


def _thing(item: str) -> str:
    words = WORD.findall(item.lower())
    if not words or points(words) or words[-1] in _LOOSE_END:
        return ""
    if words[0] == "to":
        return "" if len(words) == 1 or words[1] in _SAYING else _fitting(item.strip()[3:])
    if words[0] == "the" and len(words) > 1 and not _is_generic(words, item.strip(EDGES)[4:]):
        return ""
    if words[0] in ("my", "our") and len(words) > 1 and (words[1] in ROLES or words[1] in ("kids", "family")):
        return ""
    return _fitting(item)


def _is_generic(words: list[str], rest: str) -> bool:
    """Tell "the sea", "the Beatles" and "the smell of rain" from "the plan"."""
    if words[1] in _EMPTY_HEADS:
        return False
    return rest[:1].isupper() or words[-1] in _GENERIC or "of" in words


def _fitting(item: str) -> str:
    thing = clean(item)
    return thing if fits(thing) else ""


def any_thing(rest: Rest) -> tuple[str, ...]:
    """One thing of any kind, as favourites and possessions are."""
    thing = _fitting(cut(rest.text))
    return (thing,) if thing and not points(WORD.findall(thing.lower())) else ()


def thing_list(rest: Rest) -> tuple[str, ...]:
    """Several things of any kind: "red and gold"."""
    return tuple(thing for item in items_of(cut(rest.text)) for thing in any_thing(Rest(item)))


def jobs(rest: Rest) -> tuple[str, ...]:
    """What somebody works as, any noun behind an article, a known profession without one."""
    job = _job(rest.text)
    has_article = rest.text.lstrip().lower().startswith(("a ", "an ", "the "))
    return (job,) if job and (has_article or job.split()[-1].lower() in PROFESSIONS) else ()


def promotions(rest: Rest) -> tuple[str, ...]:
    """What somebody was promoted to: any noun."""
    job = _job(rest.text)
    return (job,) if job else ()


def professions(rest: Rest) -> tuple[str, ...]:
    """A job only if its last word is a known profession, and nobody is praised: "a good cook" is no job."""
    job = _job(rest.text)
    words = job.lower().split()
    return (job,) if words and words[-1] in PROFESSIONS and _FLATTERY.isdisjoint(words) else ()


def _job(text: str) -> str:
    job = clean(cut_place(text)).split(" of ")[0]
    words = job.split()
    is_noun = 0 < len(words) <= _MAX_NOUN_WORDS and all(word[0].isalpha() for word in words)
    return job if is_noun and words[0].lower() not in DEICTIC else ""


def languages(rest: Rest) -> tuple[str, ...]:
    """Every language that is named."""
    spoken = WORD.findall(_TONGUES_END.split(rest.text[:MAX_READ], maxsplit=1)[0])
    return tuple(dict.fromkeys(word for word in spoken if word.lower() in LANGUAGES))[:MAX_ITEMS]


def nationalities(rest: Rest) -> tuple[str, ...]:
    """A nationality with nothing else beside it."""
    word = cut(rest.text).strip(EDGES)
    return (word,) if word.lower() in NATIONALITIES else ()


def played(rest: Rest) -> tuple[str, ...]:
    """Instruments, sports and games; titles of games by their capital."""
    return _all_of(_game, items_of(without_time(cut(rest.text))))


def _game(item: str) -> str:
    game = clean(_ASIDE.split(item, maxsplit=1)[0])
    if not game or not fits(game):
        return ""
    last = game.lower().rpartition(" ")[2]
    return game if last in PLAYED or last == "games" or game[0].isupper() else ""


def possessions(rest: Rest) -> tuple[str, ...]:
    """What is worth owning, by its last word: car, house, guitar."""
    return _all_of(_possession, items_of(_ASIDE.split(cut(rest.text), maxsplit=1)[0]))


def _possession(item: str) -> str:
    thing = _undulled(clean(item))
    return thing if fits(thing) and thing.lower().rpartition(" ")[2] in OWNED else ""


def owned(rest: Rest) -> tuple[str, ...]:
    """Anything behind an article or a number: what is said to be owned."""
    head = rest.text.lower().partition(" ")[0]
    is_thing = head in QUANTITIES or head in ("the", "my", "any") or head in OWNED
    return tuple(_undulled(thing) for thing in any_thing(rest)) if is_thing else ()


def _undulled(thing: str) -> str:
    """Take "my old car" for "car": an adjective must not keep the two apart."""
    words = thing.split()
    while len(words) > 1 and words[0].lower() in _DULL:
        words = words[1:]
    return " ".join(words)


def allergens(rest: Rest) -> tuple[str, ...]:
    """What somebody is allergic to: up to four words each."""
    return _all_of(_allergen, items_of(without_time(cut(rest.text))))


def _allergen(item: str) -> str:
    thing = clean(item)
    words = thing.lower().split()
    return thing if 0 < len(words) <= _MAX_NOUN_WORDS and not points(words) else ""


def subjects_studied(rest: Rest) -> tuple[str, ...]:
    """What is studied: "physics", "computer science"; neither how hard nor where nor for what."""
    thing = clean(cut_place(rest.text))
    words = thing.lower().split()
    if not words or len(words) > _MAX_NOUN_WORDS or words[0] in _NOT_STUDIED or words[0].endswith("ly"):
        return ()
    return (thing,) if DEICTIC.isdisjoint(words) and all(word[0].isalpha() for word in words) else ()
