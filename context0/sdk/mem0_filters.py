"""Mem0's filters in Context0's words: who is meant is taken out, the rest becomes fields and metadata. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from context0.sdk.errors import InvalidInput

_GROUPS: Final[Mapping[str, str]] = {
    **{name: name for name in ("AND", "OR", "NOT")},
    **{f"${name.lower()}": name for name in ("AND", "OR", "NOT")},
}
_FIELDS: Final[Mapping[str, str]] = {
    "agent_id": "agent_id",
    "run_id": "session_id",
    "actor_id": "speaker",
    "role": "speaker",
    "categories": "tags",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
_OPERATORS: Final = frozenset({"eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """user_id: who is meant, None where nobody is named. where: the conditions for the service, None for none."""

    user_id: str | None
    where: Mapping[str, object] | None


def meant_by(
    filters: Mapping[str, object] | None, user_id: str | None, agent_id: str | None, run_id: str | None
) -> Narrowed:
    """Return who and what a call is about: by Mem0's `filters`, and the names beside them.

    Raises InvalidInput for two users, for a user as one of several conditions, and for what has no counterpart.
    """
    if filters is not None and not isinstance(filters, Mapping):
        raise InvalidInput(f"give a dictionary, not {type(filters).__name__}", field="filters")
    users = [user_id if user_id is None else _user(user_id)]
    names = {"agent_id": agent_id, "session_id": run_id}
    conditions: list[dict[str, object]] = [{name: value} for name, value in names.items() if value is not None]
    conditions += _conjunction(filters or {}, users)
    named = sorted({user for user in users if user is not None})
    if len(named) > 1:
        raise InvalidInput("name two users; a key opens one user's memory", field="filters")
    where = None if not conditions else conditions[0] if len(conditions) == 1 else {"AND": conditions}
    return Narrowed(user_id=named[0] if named else None, where=where)


def _conjunction(filters: Mapping[str, object], users: list[str | None]) -> list[dict[str, object]]:
    """Return the conditions that must all hold, and add the users among them to `users`."""
    found: list[dict[str, object]] = []
    for name, value in filters.items():
        if name == "user_id":
            users.append(_user(value))
        elif _GROUPS.get(name) == "AND":
            for one in _conditions(name, value):
                found += _conjunction(one, users)
        else:
            found.append(_condition(name, value))
    return found


def _condition(name: str, value: object) -> dict[str, object]:
    group = _GROUPS.get(name)
    if group == "NOT":
        inner = [_all_of(one) for one in _conditions(name, value)]
        return {"NOT": inner[0] if len(inner) == 1 else {"OR": inner}}
    if group is not None:
        return {group: [_all_of(one) for one in _conditions(name, value)]}
    if name == "user_id":
        raise InvalidInput("user_id can only be required as a whole; a key opens one user's memory", field="filters")
    return {_field(name): _comparison(name, value)}


def _all_of(filters: Mapping[str, object]) -> dict[str, object]:
    conditions = [_condition(name, value) for name, value in filters.items()]
    return conditions[0] if len(conditions) == 1 else {"AND": conditions}


def _conditions(name: str, value: object) -> Sequence[Mapping[str, object]]:
    given = [value] if isinstance(value, Mapping) else list(value) if isinstance(value, list | tuple) else []
    if not given or not all(isinstance(one, Mapping) and one for one in given):
        raise InvalidInput(f"{name}: give a list of conditions", field="filters")
    return given


def _field(name: str) -> str:
    return _FIELDS.get(name) or (name if name.startswith("metadata.") else f"metadata.{name}")


def _comparison(name: str, value: object) -> object:
    if value == "*":
        raise InvalidInput(f"{name}: there is no wildcard here; leave the condition out", field="filters")
    if isinstance(value, Mapping):
        unknown = [operator for operator in value if operator not in _OPERATORS]
        if unknown:
            known = ", ".join(sorted(_OPERATORS))
            raise InvalidInput(f"{name}: {str(unknown[0])[:40]!r} is unknown; known are {known}", field="filters")
        return value
    return {"in": list(value)} if isinstance(value, list | tuple | set) else value


def _user(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or value == "*":
        raise InvalidInput("user_id is one text; a key opens one user's memory", field="filters")
    return value
