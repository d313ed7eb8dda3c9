"""Which fact ends which: a newer one closes, repeats or contradicts an older one, or leaves it alone.

Closing is the exception and needs a reason: the same subject, and one of
- another value of a relation that has one at a time, both facts said as the only one;
- the end of the same thing, or of whatever it was ("*");
- the opposite of the same thing (likes, dislikes), or the next bond with the same person (fiancé, spouse);
- an explicit correction ("it's Graz, not Munich").
Whatever else was said stays. Nothing is deleted: an older fact gets an end, and taking the newer one back removes it.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from context0.memory.rules.fact import Fact
from context0.memory.rules.names import entity_key
from context0.memory.rules.relation_kinds import (
    ANYTHING,
    BONDS,
    HAS_PET,
    INSTEAD_OF,
    OPPOSITES,
    PETS_AT_ALL,
    RELATED_TO,
    UNCHANGING,
    kind_of,
)
from stores.records import Relation

Verdict = Literal["closes", "repeats", "independent", "contradicts"]

_DENIED: Final = "not:"
_BESIDE: Final = "also:"
_ANOTHER_TIME: Final = timedelta(days=366)
"""What ended longer than this before the older fact was said to hold, was another time of the same: "in 2010"."""
_SHORTEST_PLURAL: Final = 4
_CACHED_NAMES: Final = 1 << 10


def closes(new: Fact, old: Fact | Relation, *, at: datetime | None = None, old_at: datetime | None = None) -> Verdict:
    """Return what `new`, said later, does to `old`.

    closes: the world has changed, `old` held until `new.valid_from`, or until `new` was said.  repeats: nothing new.
    contradicts: `new` denies what `old` says, or the other way round, or gives another value to what never changes;
    the newer word holds, so the caller ends `old` as well, and may ask.  independent: both hold.
    at, old_at: when each was said, if known; of a Relation it is. Without `at` a plan of the past ("I'm moving in
    August") counts as begun.
    """
    if isinstance(old, Relation):
        old_at = old.created_at if old_at is None else old_at
        old = fact_of(old)
    if old.ended or entity_key(new.subject) != entity_key(old.subject):
        return "independent"
    if new.relation.startswith(INSTEAD_OF):
        is_meant = not old.negated and fold(old.object) == fold(new.relation.removeprefix(INSTEAD_OF))
        return "closes" if is_meant and not old.relation.startswith("remember") else "independent"
    if new.ended:
        return "closes" if _ends(new, old, old_at) else "independent"
    if new.beside or old.beside:
        same = new.relation == old.relation and new.negated == old.negated and _same_object(new, old)
        return "repeats" if same else "independent"
    if new.negated or old.negated:
        return _weigh_denial(new, old)
    return _weigh_values(new, old, new.valid_from or at)


def _ends(new: Fact, old: Fact, old_at: datetime | None) -> bool:
    """Tell whether `new`, an end, ends `old`, and not another time of the same."""
    if old.negated or not (_same_object(new, old) or new.object == ANYTHING):
        return False
    if not (new.relation == old.relation or (_bond(new) and _bond(old))):
        return False
    if new.valid_from is None:
        return True
    if old.valid_from is not None and new.valid_from < old.valid_from:
        return False
    return old_at is None or old_at - new.valid_from <= _ANOTHER_TIME


def _weigh_denial(new: Fact, old: Fact) -> Verdict:
    """Weigh two facts of which at least one is denied."""
    if not (_same_relation(new, old) and (_same_object(new, old) or ANYTHING in (new.object, old.object))):
        return "independent"
    if new.negated != old.negated:
        return "contradicts"
    return "repeats" if _same_object(new, old) else "independent"


def _weigh_values(new: Fact, old: Fact, since: datetime | None) -> Verdict:
    """Weigh two facts that both are said to hold, `new` since `since`."""
    if _same_object(new, old):
        if new.relation == old.relation:
            return "closes" if len(fold(new.object)) > len(fold(old.object)) else "repeats"
        if OPPOSITES.get(new.relation) == old.relation:
            return "closes"
        if _bond(new) and _bond(old):
            return "closes" if _bond(new) > _bond(old) else "repeats"
        return "independent"
    if (
        new.relation != old.relation
        or "multi" in (new.kind, old.kind, kind_of(new.relation))
        or is_older_news(since, old)
    ):
        return "independent"
    return "contradicts" if new.relation in UNCHANGING else "closes"


def is_older_news(since: datetime | None, old: Fact) -> bool:
    """Tell whether what was said later held earlier: "I moved to Graz in 2015" behind "… to Munich in 2021"."""
    return since is not None and old.valid_from is not None and since < old.valid_from


def _same_relation(new: Fact, old: Fact) -> bool:
    if new.relation == old.relation:
        return True
    either = new.relation, old.relation
    return PETS_AT_ALL in either and all(name.startswith(PETS_AT_ALL) for name in either)


def _bond(fact: Fact) -> int:
    """Return the rank of a bond between two people, or 0."""
    return BONDS.get(fact.relation.removeprefix(RELATED_TO), 0) if fact.relation.startswith(RELATED_TO) else 0


def _same_object(new: Fact, old: Fact) -> bool:
    """Tell whether both speak of the same thing; of birthdays one may lack the year."""
    one, other = fold(new.object), fold(old.object)
    if one == other:
        return True
    return new.relation == old.relation == "birthday" and (one.startswith(other + " ") or other.startswith(one + " "))


def fold(name: str) -> str:
    """Return the key under which two names mean the same thing: without case, article-less, in the singular."""
    key = entity_key(name)
    is_plural = len(key) >= _SHORTEST_PLURAL and key.endswith("s") and not key.endswith("ss")
    return key[:-1] if is_plural else key


def edge_of(fact: Fact, *, created_at: datetime) -> Relation:
    """Return the edge that keeps `fact`: its target is the object's key, and its name says what is denied or beside.

    One that begins when it was said, for want of a date, has `valid_from` equal to `created_at`. An end becomes an
    edge that is over.
    """
    beside = _BESIDE if fact.beside or (fact.kind == "multi" and kind_of(fact.relation) == "single") else ""
    since = fact.valid_from or created_at
    return Relation(
        source=fact.subject,
        relation=(_DENIED if fact.negated else "") + beside + fact.relation,
        target=entity_key(fact.object) or fact.object,
        created_at=created_at,
        valid_from=None if fact.ended else since,
        invalid_at=since if fact.ended else None,
    )


def relation_of(edge: Relation) -> str:
    """Return the relation of the fact that `edge` keeps."""
    return edge.relation.removeprefix(_DENIED).removeprefix(_BESIDE)


def fact_of(edge: Relation) -> Fact:
    """Return the fact that `edge` keeps, its object as a key; one with an end is over."""
    name = edge.relation.removeprefix(_DENIED)
    relation = name.removeprefix(_BESIDE)
    return Fact(
        subject=edge.source,
        relation=relation,
        object=edge.target,
        kind="multi" if name != relation else kind_of(relation),
        beside=name != relation,
        text_span=(0, 0),
        negated=name != edge.relation,
        ended=edge.invalid_at is not None,
        valid_from=edge.invalid_at or (None if edge.valid_from == edge.created_at else edge.valid_from),
    )


def names_of(family: str) -> Collection[str]:
    """Return every name under which edges of a family of relations are kept."""
    relations = [family]
    if family in OPPOSITES:
        relations.append(OPPOSITES[family])
    if family == RELATED_TO:
        relations = [RELATED_TO + role for role in BONDS]
    return [denied + beside + name for name in relations for denied in ("", _DENIED) for beside in ("", _BESIDE)]


@lru_cache(maxsize=_CACHED_NAMES)
def against(name: str, *, is_end: bool) -> tuple[Collection[str], Collection[str]]:
    """Return what an edge of many values by this name ends or is ended by: the names of open edges, being of the same
    value, and those of ends.

    One kind of animal says nothing of another, but "no pets" of all.
    """
    plain = name.removeprefix(_DENIED)
    relation = plain.removeprefix(_BESIDE)
    ends = tuple(denied + beside + relation for denied in ("", _DENIED) for beside in ("", _BESIDE))
    if is_end:
        return (relation, _BESIDE + relation), ()
    names = (relation, PETS_AT_ALL) if relation.startswith(HAS_PET) else (relation,)
    if relation != plain:  # beside others
        return (), ends
    if plain != name:
        return names, ()
    opposite = OPPOSITES.get(relation)
    return (*(_DENIED + one for one in names), *(() if opposite is None else (opposite,))), ends
