"""What the relations of facts mean: which hold one value at a time, which exclude each other, which never change.

Single-valued: name, birthday, birth_year, born_in, age, lives_in, works_as, works_at, studies_at, diet,
favourite:<thing>, and related_to:<role> for those that one has one of. Multi-valued: everything else, among it
nickname, nationality, comes_from, grew_up_in, studies, likes, dislikes, has_pet:<species>, owns, speaks, allergic_to,
plays, remember_that and related_to:<any other role>. The relation instead_of:<key> corrects whatever held that value.
"""

from types import MappingProxyType
from typing import Final, Literal

from context0.memory.rules.word_set import word_set

Kind = Literal["single", "multi"]

ANYTHING: Final = "*"
"""An object that stands for every one: "I have no pets", "I lost my job"."""

FAVOURITE: Final = "favourite:"
RELATED_TO: Final = "related_to:"
HAS_PET: Final = "has_pet:"
PETS_AT_ALL: Final = "has_pet"
"""Said of no pet in particular: "I have no pets"."""
INSTEAD_OF: Final = "instead_of:"
EATS: Final = "eats"
"""Read, but never a fact: its denial is a diet, "no pork"."""

OPPOSITES: Final = MappingProxyType({"likes": "dislikes", "dislikes": "likes"})
UNCHANGING: Final = frozenset({"birthday", "birth_year", "born_in"})
"""A second value of these is a mistake or its correction, for the world cannot have changed."""

BONDS: Final = MappingProxyType(
    {
        **dict.fromkeys(("partner", "girlfriend", "boyfriend"), 1),
        "fiance": 2,
        **dict.fromkeys(("spouse", "wife", "husband"), 3),
    }
)
"""Roles that one person passes through, by rank: a higher one follows a lower one, the end of one ends all."""

_SINGLE: Final = word_set("name birthday birth_year born_in age lives_in works_as works_at studies_at diet")
_SINGLE_ROLES: Final = frozenset(BONDS) | {"mother", "father", "boss"}


def kind_of(relation: str) -> Kind:
    """Return whether a subject has one value of `relation` at a time or many."""
    if relation.startswith(FAVOURITE) or relation in _SINGLE:
        return "single"
    return "single" if relation.startswith(RELATED_TO) and relation[len(RELATED_TO) :] in _SINGLE_ROLES else "multi"
