"""The table of facts: which verb with which words behind it says what."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from context0.memory.rules import fact_objects as objects
from context0.memory.rules.fact_readers import (
    Finder,
    Found,
    age,
    avoided,
    diets,
    former_work,
    homes,
    intolerances,
    own_name,
    pets,
    relatives,
    valued,
)
from context0.memory.rules.word_set import word_set

Tense = Literal["present", "progressive", "past", "perfect"]
Aspect = Literal["state", "begin", "end", "always"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What the words behind a verb say.

    aspect: a state holds while it is said; what begins or ends does so at the date of the clause; "always" has neither
    tense nor date.  past: a state in the past tense is over ("I lived in Oslo"), else it says nothing ("I loved it").
    """

    pattern: re.Pattern[str]
    find: Finder
    aspect: Aspect = "state"
    past: bool = False

    def read(self, rest: str, *, loose: bool) -> tuple[Found, ...]:
        """Return what `rest`, the words behind the verb, says by this rule."""
        match = self.pattern.match(rest)
        return self.find(match.group("object"), loose) if match else ()


def _rule(pattern: str, find: Finder, aspect: Aspect = "state", *, past: bool = False) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), find, aspect, past)


_ALL = r"(?P<object>.+)"
_FOR_LONG = r"(?:(?:here|there|full-time|part-time|remotely|hard|long|for \w+ (?:years|months|weeks) (?:now )?) )*"
_likes, _dislikes = valued("likes", objects.things), valued("dislikes", objects.things)
_works_at, _works_as = valued("works_at", objects.employers), valued("works_as", objects.jobs)
_studies_at = valued("studies_at", objects.employers)
_lives_in = valued("lives_in", objects.places)
_plays, _speaks = valued("plays", objects.played), valued("speaks", objects.languages)
_owns = valued("owns", objects.possessions)

_LIKING = (_rule(_ALL, _likes),)
_DISLIKING = (_rule(_ALL, _dislikes),)
_AT_WORK = (
    _rule(rf"{_FOR_LONG}as {_ALL}", _works_as, past=True),
    _rule(rf"{_FOR_LONG}(?:as (?:an?|the) (?:[\w-]+ ){{1,4}})?(?:at|for) {_ALL}", _works_at, past=True),
)
_MOVING = (
    _rule(rf"(?:[\w' ]+ )??(?:back |over |down |up |out )?(?:in)?to {_ALL}", _lives_in, "begin"),
    _rule(rf"(?:back |away |out )?(?:from|of) {_ALL}", _lives_in, "end"),
)
_LEAVING = (
    _rule(rf"(?:my |the |a )?(?:\w+ )?(?:job|position|role|work)?\s?(?:as [\w ]+? )?(?:at|with|from) {_ALL}", _works_at, "end"),
    _rule(r"(?:my|the|that) (?:\w+ )?(?P<object>job|position)\s*(?:\.|!|,|$|\s(?:in|on|last|this|yesterday|today))", former_work, "end"),
    _rule(rf"(?:playing )?(?:the )?{_ALL}", _plays, "end"),
)

RULES = MappingProxyType(
    {
        "live": (_rule(rf"(?:back |here |over |now )?in {_ALL}", homes, past=True),),
        "move": _MOVING,
        "settle": (_rule(rf"(?:down )?in {_ALL}", _lives_in, "begin"),),
        "grow": (_rule(rf"up in {_ALL}", valued("grew_up_in", objects.places), "always"),),
        "work": _AT_WORK,
        "start": (
            _rule(rf"(?:(?:a|my) (?:new )?(?:job|position|role) )?(?:at|with) {_ALL}", _works_at, "begin"),
            _rule(rf"(?:(?:a|my) (?:new )?(?:job|position|role) )?as {_ALL}", _works_as, "begin"),
        ),
        "join": (
            _rule(r"(?P<object>[\w&.' -]+?) as an? ", _works_at, "begin"),
            _rule(rf"[\w&.' -]+? as (?=an? ){_ALL}", _works_as, "begin"),
        ),
        "quit": _LEAVING,
        "leave": (
            *_LEAVING[:2],
            _rule(r"(?P<object>[^\W\d_a-z].*)", valued("works_at", objects.left_employer), "end"),
        ),
        "retire": (_rule(r"(?P<object>(?:from (?:work|my job|teaching|the)\b|early|in|last|this|at|\W|$))", former_work, "end"),),
        "become": (
            _rule(rf"{_ALL}", valued("works_as", objects.professions), "begin"),
            _rule(rf"{_ALL}", diets, "begin"),
        ),
        "get": (
            _rule(rf"(?:a|the|my) (?:new |first )?(?:job|position) (?:at|with) {_ALL}", _works_at, "begin"),
            _rule(rf"(?:a|the|my) (?:new |first )?(?:job|position) as {_ALL}", _works_as, "begin"),
            _rule(rf"(?:promoted|hired) (?:to|as) {_ALL}", _works_as, "begin"),
            _rule(rf"(?:laid off|fired|made redundant)(?P<object>.*)", former_work, "end"),
            _rule(rf"engaged to {_ALL}", valued("related_to:fiance", objects.names), "begin"),
            _rule(rf"married to {_ALL}", valued("related_to:spouse", objects.names), "begin"),
            _rule(rf"{_ALL}", pets, "begin"),
            _rule(rf"{_ALL}", _owns, "begin"),
        ),
        "change": (
            _rule(rf"my (?:first |full )?name to {_ALL}", valued("name", objects.names), "begin"),
            _rule(rf"my major (?:from [\w ]+? )?to {_ALL}", valued("studies", objects.subjects_studied), "begin"),
            _rule(r"my major from (?P<object>[\w ]+?) to ", valued("studies", objects.subjects_studied), "end"),
        ),
        "study": (
            _rule(rf"{_ALL}", valued("studies", objects.subjects_studied), past=True),
            _rule(rf"(?:[\w ]+ )?at {_ALL}", _studies_at, past=True),
        ),
        "major": (_rule(rf"in {_ALL}", valued("studies", objects.subjects_studied), past=True),),
        "do": (
            _rule(rf"an? (?:phd|master'?s|mba|ma|msc|ba|bsc|bachelor'?s|degree|doctorate)(?: degree)? in {_ALL}",
                  valued("studies", objects.subjects_studied)),
            _rule(rf"an? (?:phd|master'?s|mba|ma|msc|ba|bsc|bachelor'?s|degree|doctorate)(?: degree)?(?: in [\w ]+?)? at {_ALL}", _studies_at),
        ),
        "graduate": (_rule(rf"from {_ALL}", _studies_at, "end"),),
        "drop": (_rule(rf"out of (?=\S*[A-Z]|the \S*[A-Z]|univ|coll|med|law|grad){_ALL}", _studies_at, "end"),),
        "like": _LIKING,
        "prefer": _LIKING,
        "hate": _DISLIKING,
        "stand": (),
        "give": (
            _rule(rf"up (?:on )?(?:playing )?(?:the )?{_ALL}", _plays, "end"),
            _rule(rf"(?:up|away) (?:my|our|the) {_ALL}", pets, "end"),
            _rule(rf"away {_ALL}", _owns, "end"),
        ),
        "have": (
            _rule(_ALL, pets, past=True),
            _rule(_ALL, relatives),
            _rule(r"an? (?:severe |bad |mild |serious |terrible )?(?P<object>[\w-]+(?: [\w-]+)?) allergy", valued("allergic_to", objects.allergens)),
            _rule(rf"(?:an? )?(?:severe |bad |mild |serious |terrible )?allerg(?:y|ies) to {_ALL}", valued("allergic_to", objects.allergens)),
            _rule(rf"an? (?:new )?(?:job|position) (?:at|with) {_ALL}", _works_at),
            _rule(r"(?=an?\b|two\b|three\b|any\b|my\b|our\b|the\b)(?P<object>.+)", _owns, past=True),
        ),
        "own": (_rule(_ALL, valued("owns", objects.owned), past=True),),
        "buy": (_rule(_ALL, _owns, "begin"), _rule(_ALL, pets, "begin")),
        "sell": (_rule(r"(?=my\b|our\b|the\b){_ALL}".replace("{_ALL}", _ALL), _owns, "end"),),
        "adopt": (_rule(_ALL, pets, "begin"),),
        "name": (_rule(r"(?P<object>(?:my|our|the|her|him) .+)", pets, "begin"),),
        "break": (_rule(rf"up with {_ALL}", valued("related_to:partner", objects.names), "end"),),
        "divorce": (_rule(_ALL, valued("related_to:spouse", objects.names), "end"),),
        "marry": (_rule(_ALL, valued("related_to:spouse", objects.names), "begin"),),
        "speak": (_rule(_ALL, _speaks),),
        "play": (_rule(_ALL, _plays),),
        "eat": (_rule(_ALL, avoided), _rule(_ALL, diets)),
        "go": (
            _rule(_ALL, diets, "begin"),
            _rule(rf"by {_ALL}", valued("nickname", objects.names)),
        ),
        "turn": (_rule(_ALL, age, "begin"),),
        "be": (
            _rule(rf"(?:based|located) (?:in|out of) {_ALL}", homes),
            _rule(rf"born (?:and raised )?in {_ALL}", valued("born_in", objects.places), "always"),
            _rule(rf"(?=from){_ALL}", valued("comes_from", objects.origins)),
            _rule(_ALL, age),
            _rule(rf"(?:\w+ )?allergic to {_ALL}", valued("allergic_to", objects.allergens)),
            _rule(_ALL, diets, past=True),
            _rule(_ALL, intolerances),
            _rule(rf"(?:an?|the) (?=\w){_ALL}", valued("works_as", objects.professions), past=True),
            _rule(rf"(?:an?|the) (?=(?:[\w-]+ ){{1,4}}(?:at|for) [^\W_])(?P<object>.+)", objects_at_work := _works_at, past=True),
            _rule(rf"an? (?:\w+ )?(?:fan|lover|enthusiast) of {_ALL}", _likes),
            _rule(rf"(?:\w+ )?(?:into|fond of|crazy about|mad about|obsessed with|keen on|passionate about|a sucker for) {_ALL}", _likes),
            _rule(rf"fluent in {_ALL}", _speaks),
            _rule(rf"(?:happily )?married to {_ALL}", valued("related_to:spouse", objects.names), past=True),
            _rule(rf"engaged to {_ALL}", valued("related_to:fiance", objects.names)),
            _rule(rf"dating {_ALL}", valued("related_to:partner", objects.names)),
            _rule(r"(?P<object>retired|unemployed|out of work|between jobs)\b", former_work, "end"),
            _rule(rf"(?:called|named) {_ALL}", valued("name", objects.names)),
            _rule(_ALL, own_name),
            _rule(_ALL, valued("nationality", objects.nationalities)),
        ),
    }
)
