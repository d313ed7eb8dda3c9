"""What a question wants, read from its words in order.

The rules are tried in this order and the first that holds decides; the more specific a wish, the earlier it stands:
1. chitchat    greetings, thanks and farewells that ask for nothing else
2. when        "when", "which year", "how long", "how many weeks": a point or a length in time
3. list        "how many", "how often", "list all": counting needs every member
4. opinion     "what does she think of", "how does he feel about"
5. preference  "favourite", "prefer", "what does she like", "can you recommend"
6. list        "what books …", "what are her hobbies", "who else": a plural is asked for
7. fact        everything else, and every language that has no rules here
Only the first question word counts: "what did she do when …" asks for no time.
"""

from typing import Literal

from context0.memory.rules.word_set import letter_words, word_set

Intent = Literal["fact", "when", "list", "preference", "opinion", "chitchat"]

_MAX_WORDS = 64  # what a question wants stands at its head

_GREETINGS = word_set("""
hi hiya hello hey heya howdy yo greetings morning thanks thank thx ty cheers bye goodbye goodnight ok okay cool nice
great awesome lol haha hahaha wow sure yes no yeah yep nope hallo danke tschüss bonjour salut merci hola gracias ciao
grazie olá obrigado obrigada hej tack
""")
_SMALL_TALK = _GREETINGS | word_set("""
how are is you it going what up s things life doing do good afternoon evening night day today there again so very much
a lot later soon everyone all my friend then to meet see ya take care have one too that sounds for the help your and i
m fine well guten tag abend morgen
""")
_SMALL_TALK_HEADS = (
    "how are you",
    "how is it going",
    "how s it going",
    "what s up",
    "how do you do",
    "good ",
    "see you",
    "nice to",
)
_LONGEST_SMALL_TALK = 12

_QUESTION_WORDS = word_set("who whom whose what when where which why how")
_WHEN_ELSEWHERE = word_set("wann quand cuándo cuando quando wanneer när когда")
_TIME_NOUNS = word_set("date day days month months year years time week weekend season decade weekday deadline")
_TIME_UNITS = word_set("years months weeks days hours minutes decades weekends")
_BEFORE_TIME_NOUN = word_set("is was s were the exact of in on at and start end due")
_AFTER_TIME_NOUN = word_set(
    """
did does do is was will are were of has have had would it in for should can could and when by am shall may might
"""
)
_HOW_TIME = frozenset({"long", "old", "soon", "recently", "late", "early"})

_LISTING_VERBS = frozenset({"list", "name", "enumerate"})
_VIEWS = word_set(
    """
opinion opinions thoughts view views stance attitude impression impressions perspective feelings take
"""
)
_ON = word_set("of on about towards toward regarding when after during for with")
_THINKING = word_set("think thinks thought feel feels felt feeling react reacted respond responded")

_LIKING = word_set("like love enjoy hate dislike want crave prefer")
_LIKINGS = word_set("""
likes loves enjoys hates dislikes prefers prefer preferred preference preferences favorite favorites favourite
favourites fave faves fav rather lieblings lieblingsessen préféré préférée favorito favorita preferito preferita
allergic
""")
_ADVISING = word_set("recommend suggest advise")
_AUXILIARIES = word_set("do does did would will don doesn might could is are was were has have had can should")
_NO_LIKING_AFTER = word_set(
    """
look looks looked looking sound sounds sounded feel feels felt seem seems smell taste be is was something anything
someone
"""
)

_DETERMINERS = word_set("the a an my your his her their our this that it he she they i you we s")
_PLURALS = frozenset({"people", "children", "men", "women"})
_AFTER_PLURAL = _AUXILIARIES | word_set("of in on at from for or and that i you we they")
_SINGULAR_ENDINGS = ("ss", "us", "is", "news", "series")
_SHORTEST_PLURAL = 4
_WORDS_TO_NOUN = 5

_OPENERS = (
    _QUESTION_WORDS
    | _WHEN_ELSEWHERE
    | word_set("""
is are am was were do does did can could will would should shall has have had list name describe explain find
summarize wer wen wem was wo wohin woher wie warum welche welcher welches qui que quoi où comment pourquoi quel quelle
quién qué dónde cómo cuál chi che cosa dove come perché quale quem onde wie waar waarom vem vad var hur кто что где
как почему
""")
)
_REQUESTS = frozenset({("tell", "me"), ("remind", "me"), ("show", "me"), ("give", "me"), ("may", "i"), ("let", "me")})
_QUESTION_MARKS = ("?", "？", "؟", "¿")


def intent_of(question: str) -> Intent:
    """Return what `question` wants, by the order at the head of this module."""
    words = letter_words(question)[:_MAX_WORDS]
    if question and _is_chitchat(words):
        return "chitchat"
    asked = next((at for at, word in enumerate(words) if word in _QUESTION_WORDS), len(words))
    if _asks_time(words, asked):
        return "when"
    if _asks_count(words, asked):
        return "list"
    if _asks_opinion(words, asked):
        return "opinion"
    if _asks_preference(words):
        return "preference"
    return "list" if _asks_plural(words, asked) else "fact"


def is_chitchat(text: str) -> bool:
    """Tell greetings, thanks and farewells that ask for nothing else."""
    return _is_chitchat(letter_words(text)[:_MAX_WORDS])


def is_question(text: str) -> bool:
    """Tell whether `text` asks: it holds a question mark, or opens as questions and requests do."""
    if any(mark in text for mark in _QUESTION_MARKS):
        return True
    words = letter_words(text[:80])[:2]
    return bool(words) and (words[0] in _OPENERS or tuple(words) in _REQUESTS)


def _is_chitchat(words: list[str]) -> bool:
    if len(words) > _LONGEST_SMALL_TALK or not _SMALL_TALK.issuperset(words):
        return False
    return not words or words[0] in _GREETINGS or " ".join(words).startswith(_SMALL_TALK_HEADS)


def _asks_time(words: list[str], asked: int) -> bool:
    if words and (words[0] in _WHEN_ELSEWHERE or words[1:2] == ["wann"]):
        return True
    rest = words[asked + 1 :]
    match words[asked : asked + 1]:
        case ["when"]:
            return True
        case ["how"]:
            return bool(rest) and (
                rest[0] in _HOW_TIME or (rest[0] == "many" and not _TIME_UNITS.isdisjoint(rest[1:3]))
            )
        case ["what"] | ["which"]:
            place = next((at for at, word in enumerate(rest[:_WORDS_TO_NOUN]) if word not in _BEFORE_TIME_NOUN), 0)
            is_noun = rest[place : place + 1] != [] and rest[place] in _TIME_NOUNS
            return is_noun and (len(rest) == place + 1 or rest[place + 1] in _AFTER_TIME_NOUN)
        case _:
            return False


def _asks_count(words: list[str], asked: int) -> bool:
    if words[asked : asked + 1] == ["how"] and words[asked + 1 : asked + 2] in (["many"], ["often"], ["frequently"]):
        return True
    return bool(words) and (words[0] in _LISTING_VERBS or ("all" in words and "list" in words))


def _asks_opinion(words: list[str], asked: int) -> bool:
    is_how = words[asked : asked + 1] == ["how"]
    for at, word in enumerate(words):
        if word in _VIEWS and not _ON.isdisjoint(words[at + 1 : at + 2]):
            return True
        if word in _THINKING and (is_how or not _ON.isdisjoint(words[at + 1 : at + 4])):
            return True
    return False


def _asks_preference(words: list[str]) -> bool:
    if not _LIKINGS.isdisjoint(words):
        return True
    for at, word in enumerate(words):
        if word in _ADVISING and (not at or words[at - 1] in ("you", "please")):
            return True
        if word in _LIKING and at and words[at - 1] not in _NO_LIKING_AFTER and not _AUXILIARIES.isdisjoint(words[:at]):
            return True
    return False


def _asks_plural(words: list[str], asked: int) -> bool:
    head, rest = words[asked : asked + 1], words[asked + 1 : asked + 1 + _WORDS_TO_NOUN]
    if not head or not rest:
        return False
    if rest[0] in ("else", "all"):
        return True
    if head[0] not in ("what", "which", "whose"):
        return False
    if rest[0] in ("are", "were"):
        return rest[1:2] != ["you"] and not any(word.endswith("ing") for word in rest[1:])
    for at, word in enumerate(rest):
        if word in _AUXILIARIES or word in _DETERMINERS:
            return False
        if word in _PLURALS or (_is_plural(word) and not _AFTER_PLURAL.isdisjoint(rest[at + 1 : at + 2])):
            return True
    return False


def _is_plural(word: str) -> bool:
    return len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith(_SINGULAR_ENDINGS)
