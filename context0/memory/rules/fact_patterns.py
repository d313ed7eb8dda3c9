"""The table of facts: which verb with which words behind it says what."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from context0.memory.rules import fact_names, fact_objects
from context0.memory.rules.fact_cuts import Rest
from context0.memory.rules.fact_holdings import pets, relatives
from context0.memory.rules.fact_readers import (
    Finder,
    Found,
    age,
    avoided,
    diets,
    employment,
    found,
    homes,
    intolerances,
    own_name,
    valued,
)
from context0.memory.rules.fact_words import DIETS, DIETS_BESIDE, INTOLERANCES, NATIONALITIES, NUMBERS
from context0.memory.rules.relation_kinds import ANYTHING
from context0.memory.rules.word_set import word_set

Aspect = Literal["state", "begin", "end", "always"]
Form = Literal["base", "ing", "past"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What the words behind a verb say.

    pattern: from the first word on; None reads all of them.  aspect: a state holds while it is said; what begins or
    ends does so at the date of the clause; "always" has neither tense nor date.  past: a state in the past tense is
    over ("I lived in Oslo"); otherwise it says nothing ("I loved the concert").
    """

    pattern: re.Pattern[str] | None
    find: Finder
    aspect: Aspect = "state"
    past: bool = False

    def read(self, rest: Rest) -> tuple[Found, ...]:
        """Return what `rest`, the words behind the verb, says by this rule."""
        if self.pattern is None:
            return self.find(rest)
        match = self.pattern.match(rest.text)
        return self.find(Rest(match.group("object"), rest.loose)) if match else ()


def _rule(pattern: str, find: Finder, aspect: Aspect = "state", *, past: bool = False) -> Rule:
    if pattern == "<>":
        return Rule(None, find, aspect, past)
    return Rule(re.compile(pattern.replace("<>", "(?P<object>.+)"), re.IGNORECASE | re.DOTALL), find, aspect, past)


_likes, _dislikes = valued("likes", fact_objects.things), valued("dislikes", fact_objects.things)
_works_at, _works_as = valued("works_at", fact_names.employers), valued("works_as", fact_objects.jobs)
_studies, _studies_at = valued("studies", fact_objects.subjects_studied), valued("studies_at", fact_names.employers)
_lives_in, _owns = valued("lives_in", fact_names.places), valued("owns", fact_objects.possessions)
_plays, _speaks = valued("plays", fact_objects.played), valued("speaks", fact_objects.languages)
_allergic_to = valued("allergic_to", fact_objects.allergens)
_partner, _spouse, _fiance = (
    valued(f"related_to:{role}", fact_names.names) for role in ("partner", "spouse", "fiance")
)

_lost_work = found(Found("works_at", ANYTHING, was=True))
_retirement = found(Found("works_at", ANYTHING, was=True), Found("works_as", ANYTHING, was=True))

_AWHILE = r"(?:(?:here|there|full-time|part-time|remotely|for \w+ (?:years|months|weeks)(?: now)?) )*"
_JOB = r"(?:(?:a|an|my|his|her|their|the|that) (?:\w+ )?(?:job|position|role|work|career) )"
_DEGREE = r"(?:a|an|my) (?:phd|master'?s|mba|ma|msc|ba|bsc|bachelor'?s|degree|doctorate)(?: degree)?"
_BADLY = r"(?:severe |bad |mild |serious |terrible )?"
_ENDS = r"(?=\s*(?:$|[.,!;]|(?:in|on|last|this|yesterday|today|recently|because|and|to|at the|after)\b))"

_LEAVING = (
    _rule(rf"{_JOB}?(?:as [\w ]+? )?(?:at|with|from) <>", _works_at, "end"),
    _rule(rf"(?P<object>(?:my|his|her|their|the|that) (?:\w+ )?(?:job|position)){_ENDS}", _lost_work, "end"),
)
_GIVEN_UP = _rule("(?:playing )?(?:the )?<>", _plays, "end")

RULES = MappingProxyType(
    {
        "live": (_rule("(?:back |here |over |now )*in <>", homes, past=True),),
        "move": (
            _rule("(?:[\\w' ]+? )??(?:back |over |down |up |out )?to <>", _lives_in, "begin"),
            _rule("(?:back |away |out )?(?:from|of) <>", _lives_in, "end"),
        ),
        "settle": (_rule("(?:down )?in <>", _lives_in, "begin"),),
        "grow": (_rule("up in <>", valued("grew_up_in", fact_names.places), "always"),),
        "work": (
            _rule(f"{_AWHILE}as <>", _works_as, past=True),
            _rule(rf"{_AWHILE}(?:as (?:an?|the) (?:[\w-]+ ){{1,4}}?)?(?:at|for) <>", _works_at, past=True),
        ),
        "start": (
            _rule(f"(?:{_JOB}?at|{_JOB}with) <>", _works_at, "begin"),
            _rule(f"{_JOB}?as <>", _works_as, "begin"),
        ),
        "join": (
            _rule(r"(?P<object>[\w&.' -]+?) as an? ", _works_at, "begin"),
            _rule(r"[\w&.' -]+? as (?=an? )<>", _works_as, "begin"),
        ),
        "quit": (*_LEAVING, _GIVEN_UP),
        "resign": _LEAVING,
        "leave": (*_LEAVING, _rule("<>", valued("works_at", fact_names.left_employers), "end")),
        "lose": (
            _rule(rf"{_JOB}(?:as [\w ]+? )?(?:at|with) <>", _works_at, "end"),
            _rule(f"(?P<object>(?:my|his|her|their) job){_ENDS}", _lost_work, "end"),
        ),
        "retire": (
            _rule(
                r"(?P<object>(?:from (?:work|my job|teaching|the)\b|early|in|last|this|at|\W|$))", _retirement, "end"
            ),
        ),
        "become": (
            _rule("(?:an? )<>", valued("works_as", fact_objects.professions), "begin"),
            _rule("<>", diets, "begin"),
        ),
        "get": (
            _rule(rf"{_JOB}(?:as [\w ]+? )?(?:at|with) <>", _works_at, "begin"),
            _rule(f"{_JOB}as <>", _works_as, "begin"),
            _rule("(?:promoted|hired) (?:to|as) <>", valued("works_as", fact_objects.promotions), "begin"),
            _rule("(?:laid off|fired|made redundant)(?P<object>.*)", _lost_work, "end"),
            _rule("engaged to <>", _fiance, "begin"),
            _rule("married to <>", _spouse, "begin"),
            _rule("<>", pets, "begin"),
            _rule("<>", _owns, "begin"),
        ),
        "change": (_rule("my (?:first |full )?name to <>", valued("name", fact_names.names), "begin"),),
        "switch": (
            _rule(r"(?:my )?majors? (?:from [\w ]+? )?to <>", _studies, "begin"),
            _rule(r"(?:my )?majors? from (?P<object>[\w ]+?) to ", _studies, "end"),
        ),
        "study": (_rule("<>", _studies, past=True), _rule(r"(?:[\w ]+ )?at <>", _studies_at, past=True)),
        "major": (_rule("in <>", _studies, past=True),),
        "do": (_rule(f"{_DEGREE} in <>", _studies), _rule(rf"{_DEGREE}(?: in [\w ]+?)? at <>", _studies_at)),
        "graduate": (_rule("from <>", _studies_at, "end"),),
        "drop": (_rule("out of <>", valued("studies_at", fact_names.left_schools), "end"),),
        "like": (_rule("<>", _likes),),
        "prefer": (_rule(r"(?P<object>(?:to )?.+?)(?:\s(?:to|over|rather than|instead of)\s.*)?$", _likes),),
        "hate": (_rule("<>", _dislikes),),
        "give": (
            _rule("up (?:on )?(?:playing )?(?:the )?<>", _plays, "end"),
            _rule("(?:up|away) (?=my|our|the)<>", pets, "end"),
        ),
        "have": (
            _rule("<>", pets, past=True),
            _rule("<>", relatives),
            _rule(rf"an? {_BADLY}(?P<object>[\w-]+(?: [\w-]+)?) allergy", _allergic_to),
            _rule(rf"(?:an? )?{_BADLY}allerg(?:y|ies) to <>", _allergic_to),
            _rule(f"{_JOB}(?:at|with) <>", _works_at),
            _rule(r"(?=(?:an?|two|three|any|my|our|the)\b)<>", _owns, past=True),
        ),
        "own": (_rule("<>", valued("owns", fact_objects.owned), past=True),),
        "buy": (_rule("<>", _owns, "begin"), _rule("<>", pets, "begin")),
        "sell": (_rule(r"(?=(?:my|our|his|her|their|the)\b)<>", _owns, "end"),),
        "adopt": (_rule("<>", pets, "begin"),),
        "name": (_rule(r"(?=(?:my|our|the)\b)<>", pets, "begin"),),
        "break": (_rule("up with (?:my \\w+ )?<>", _partner, "end"),),
        "divorce": (_rule("<>", _spouse, "end"),),
        "marry": (_rule("<>", _spouse, "begin"),),
        "speak": (_rule("<>", _speaks),),
        "play": (_rule("(?:the )?<>", _plays),),
        "eat": (_rule("<>", avoided), _rule("<>", diets)),
        "go": (_rule("<>", diets, "begin"), _rule("by <>", valued("nickname", fact_names.names))),
        "turn": (_rule("<>", age, "begin"),),
    }
)

# After "be", by the first word behind it, for most of what people are is no fact; "0" is any number, "A" any capital.
_BEING: tuple[tuple[str | frozenset[str], Rule], ...] = (
    ("based located", _rule("(?:based|located) (?:in|out of) <>", homes)),
    (
        "born",
        _rule(
            r"born (?:and raised )?(?:(?:in \d{4}|on [\w ]{3,20}),? )?in <>",
            valued("born_in", fact_names.places),
            "always",
        ),
    ),
    ("from", _rule("from <>", valued("comes_from", fact_names.places))),
    (frozenset(NUMBERS) | {"0"}, _rule("<>", age)),
    ("a an", _rule(r"an? (?P<object>\d+-year-old)", age)),
    ("a an", _rule(r"an? (?:\d+-year-old )?<>", employment, past=True)),
    ("A", _rule(r"[\w' -]{1,40}?, an? (?P<object>\d+-year-old)", age)),
    ("A", _rule(r"[\w' -]{1,40}?, an? (?:\d+-year-old )?<>", employment)),
    ("allergic", _rule("allergic to <>", _allergic_to)),
    (DIETS | DIETS_BESIDE | {"a", "an", "on"}, _rule("<>", diets, past=True)),
    (INTOLERANCES | {name + "-intolerant" for name in INTOLERANCES}, _rule("<>", intolerances)),
    ("a an", _rule(r"an? (?:[\w-]+ ){0,2}(?:fan|lover|enthusiast) of <>", _likes)),
    (
        "into fond crazy mad obsessed keen passionate",
        _rule("(?:into|fond of|crazy about|mad about|obsessed with|keen on|passionate about) <>", _likes),
    ),
    ("fluent", _rule("fluent in <>", _speaks)),
    ("married", _rule("married to <>", _spouse, past=True)),
    ("engaged", _rule("engaged to <>", _fiance)),
    ("dating", _rule("dating <>", _partner)),
    (
        "retired unemployed out between",
        _rule(rf"(?P<object>retired|unemployed|out of work|between jobs){_ENDS}", _lost_work, "always"),
    ),
    ("called named", _rule("(?:called|named) <>", valued("name", fact_names.names))),
    ("A", _rule("<>", own_name)),
    (NATIONALITIES, _rule("<>", valued("nationality", fact_objects.nationalities))),
)


def _by_head() -> dict[str, tuple[Rule, ...]]:
    rules: dict[str, tuple[Rule, ...]] = {}
    for heads, rule in _BEING:
        for head in heads.split() if isinstance(heads, str) else heads:
            rules[head] = (*rules.get(head, ()), rule)
    return rules


_RULES_OF_BEING = MappingProxyType(_by_head())


def rules_for(verb: str, rest: str) -> tuple[Rule, ...]:
    """Return the rules for `verb` that may apply to the words behind it."""
    if verb != "be":
        return RULES.get(verb, ())
    if not rest:
        return ()
    head = rest.split(None, 1)[0].rstrip(",.!;:?)").lower()
    rules = _RULES_OF_BEING.get(head) or _RULES_OF_BEING.get(head.partition("-")[0], ())
    if rest[0].isdecimal():
        return _RULES_OF_BEING["0"]
    return rules + _RULES_OF_BEING["A"] if rest[0].isupper() else rules


# Each verb: its name in RULES, then base and third person | -ing | past and participle.
_VERBS = """
live: live lives reside resides | living residing | lived resided
move: move moves relocate relocates emigrate emigrates | moving relocating | moved relocated emigrated
settle: settle settles | settling | settled
grow: grow grows | growing | grew grown
work: work works | working | worked
start: start starts begin begins | starting beginning | started began begun
join: join joins | joining | joined
quit: quit quits | quitting | quit
resign: resign resigns | resigning | resigned
leave: leave leaves | leaving | left
lose: lose loses | losing | lost
retire: retire retires | retiring | retired
become: become becomes | becoming | became
get: get gets | getting | got gotten
change: change changes | changing | changed
switch: switch switches | switching | switched
study: study studies | studying | studied
major: major majors | majoring | majored
do: | doing | done
graduate: graduate graduates | graduating | graduated
drop: drop drops | dropping | dropped
like: like likes love loves enjoy enjoys adore adores | liking loving enjoying | liked loved enjoyed
prefer: prefer prefers | preferring | preferred
hate: hate hates dislike dislikes detest detests despise despises loathe loathes | hating | hated disliked
stand: stand | |
stop: stop stops | stopping | stopped
give: give gives | giving | gave given
have: have has | having | had
own: own owns | owning | owned
buy: buy buys | buying | bought
sell: sell sells | selling | sold
adopt: adopt adopts | adopting | adopted rescued
name: name names | naming | named
break: break breaks | breaking | broke broken
divorce: divorce divorces | divorcing | divorced
marry: marry marries | marrying | married
speak: speak speaks | speaking | spoke spoken
play: play plays | playing | played
eat: eat eats | eating | ate eaten
go: go goes | going | went gone
turn: turn turns | turning | turned
be: | being | been
"""


_FORMS: tuple[Form, ...] = ("base", "ing", "past")


def _forms() -> dict[str, tuple[str, Form]]:
    forms: dict[str, tuple[str, Form]] = {}
    for line in _VERBS.strip().splitlines():
        verb, _, rest = line.partition(":")
        for form, words in zip(_FORMS, rest.split("|"), strict=True):
            forms.update(dict.fromkeys(words.split(), (verb, form)))
    return forms


VERBS = MappingProxyType(_forms())
"""Every form of a verb that says facts -> the verb's name in RULES and the form. "quit" counts as past."""

BARE_HEADS = frozenset(form for form, (_, kind) in VERBS.items() if kind != "ing" and form not in ("name", "been")) | (
    word_set("allergic vegetarian vegan fluent based married engaged from am is was used do does")
)
"""Words that carry a predicate on without a subject of their own: "… and work at Siemens", "… and allergic to nuts"."""
