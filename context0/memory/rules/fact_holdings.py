"""Reading whom and what somebody has: pets and relatives, with their number and their names."""

import re
from collections.abc import Callable

from context0.memory.rules.fact_cuts import Rest
from context0.memory.rules.fact_names import name_list, names
from context0.memory.rules.fact_readers import Found
from context0.memory.rules.fact_words import FAMILY, PETS, PLURAL_PETS, PLURAL_ROLES, ROLES
from context0.memory.rules.relation_kinds import ANYTHING, HAS_PET, PETS_AT_ALL, RELATED_TO
from context0.memory.rules.word_set import word_set

_MOST_HOLDINGS = 6
_HOLDING = re.compile(
    r"(?P<count>an?|one|two|three|four|five|six|seven|\d{1,2}|several|no|any|some|another|my|our|the)\s"
    r"(?P<plain>(?:[\w-]+\s){0,2}?)(?P<noun>[\w'-]+)"
    r"(?P<named>(?:,? (?:named|called)|,? whose names? (?:is|are)|:|,)?\s)?",
    re.IGNORECASE,
)
_JOINT = re.compile(r"\s*(?:,\s*(?:and\s)?|and\s|&\s|plus\s)(?:also\s)?", re.IGNORECASE)
_ENDS_NOUN = re.compile(
    r"\s*(?:$|[^\w\s]|(?:and|or|who|which|that|with|at|in|on|now|too|but|as|since|for|from|whose|when|so|because|last|"
    r"next|this|yesterday|today|again|anymore|any|living|ago|to|back|recently|already|together|here|there)\b)"
)
_NO_COUNTS = word_set("no any some my our the")
_QUALITY = word_set("""
new little big small old young older younger cute lovely rescue pet male female black white brown ginger grey gray tabby
golden german border french siamese persian maine guinea baby twin elder wonderful beautiful adorable tiny best close
""")


def pets(rest: Rest) -> tuple[Found, ...]:
    """Read "a dog", "two cats named Tom and Jerry", "no pets"; the object is the name or, without one, the species."""
    return _holdings(rest, _pet)


def relatives(rest: Rest) -> tuple[Found, ...]:
    """Read "a sister", "two brothers, Tom and Max"; without a name only the family counts."""
    return _holdings(rest, _relative)


def _pet(noun: str) -> tuple[str, str]:
    """Return the relation that `noun` has and what it is called without a name."""
    species = PETS.get(noun) or PLURAL_PETS.get(noun, "")
    return (HAS_PET + species, species) if species else ("", "")


def _relative(noun: str) -> tuple[str, str]:
    role = ROLES.get(noun) or PLURAL_ROLES.get(noun, "")
    return (RELATED_TO + role, role if role in FAMILY else "") if role else ("", "")


def _holdings(rest: Rest, kind_of_noun: Callable[[str], tuple[str, str]]) -> tuple[Found, ...]:
    text, at = rest.text, 0
    found: list[Found] = []
    while len(found) < _MOST_HOLDINGS:
        match = _HOLDING.match(text, at)
        if match is None:
            break
        count, noun = match.group("count").lower(), match.group("noun").lower()
        if noun == "pets" and count in ("no", "any"):
            return (Found(PETS_AT_ALL, ANYTHING, denied=count == "no"),)
        relation, unnamed = kind_of_noun(noun)
        if not relation or not _QUALITY.issuperset(match.group("plain").lower().split()):
            break
        plural = noun in PLURAL_PETS or noun in PLURAL_ROLES
        known, at = _names_behind(rest, match, plural=plural)
        if not known:
            if not _ENDS_NOUN.match(text, match.end("noun")):
                break
            at = match.end("noun")
            known = (f"{count} {noun}" if plural and count not in _NO_COUNTS else unnamed,)
        found += (Found(relation, name, denied=count == "no") for name in known if name)
        joint = _JOINT.match(text, at)
        if joint is None:
            break
        at = joint.end()
    return tuple(found)


def _names_behind(rest: Rest, match: re.Match[str], *, plural: bool) -> tuple[tuple[str, ...], int]:
    """Return the names behind a noun, and where they end."""
    end = match.end()
    behind = Rest(rest.text[end:], rest.loose)
    named = match.group("named")
    if not named or not (named.strip(" ,:") or behind.text[:1].isupper()):
        return (), end
    found = name_list(behind) if plural else names(behind)
    for name in found:
        end = rest.text.find(name, end) + len(name)
    return found, end
