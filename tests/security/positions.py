"""Every place of every route where an id could stand, read from the service's own description. S1.

A new route, parameter or field is here by itself; what cannot be reached with a sample request, the probes tell.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

from context0.api.body import LINES

Place = Literal["path", "query", "header", "body"]
Key = tuple[str | int, ...]

SMUGGLED: Final[Mapping[Place, Sequence[str]]] = {
    "query": ("user_id", "owner", "source_user_id", "user_id[$ne]", "user", "id"),
    "header": ("x-user-id", "x-forwarded-user", "x-owner", "cookie", "forwarded"),
    "body": ("user_id", "owner", "source_user_id", "_id", "id", "scope"),
}
"""Names that no route takes from a request: whose memory it is, the credential says."""
FILTERS: Final[Sequence[Any]] = (
    {"session_id": None},
    {"speaker": None},
    {"metadata.key": None},
    {"user_id": None},
    {"source_user_id": None},
    {"_id": None},
    {"id": {"eq": None}},
    {"OR": [{"session_id": None}, {"NOT": {"speaker": "nobody"}}]},
    {"session_id": {"in": [None]}},
    {"session_id": {"ne": None}},
    {"$or": [{"source_user_id": None}]},
)
"""Filters, with None where the id goes."""
_OBJECTS: Final = {"metadata": {"key": "value", "session_id": "x"}, "response_format": {"type": "text"}}
_LINE: Final = {
    "kind": "memory",
    "record": {
        **dict.fromkeys(("id", "user_id", "speaker", "session_id", "superseded_by"), "x"),
        "content": "What is the secret word?",
    },
}
NO_ONE: Final = "no-such-id"
QUESTION: Final = "What is the secret word?"


@dataclass(frozen=True, slots=True)
class Position:
    """One place of one request. place: where. key: the parameter's name, or the way to the field of the body.

    template: for filters, what goes around the id.
    """

    operation: "Operation"
    place: Place
    key: Key
    template: Any = None
    streams: bool = False

    def __str__(self) -> str:
        at = ".".join(map(str, self.key))
        return f"{self.operation.method} {self.operation.path} {self.place} {at}{' stream' * self.streams}"


@dataclass(slots=True)
class Wire:
    """A request that is being made. path: by parameter."""

    path: dict[str, str]
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None


@dataclass(frozen=True, eq=False)
class Operation:
    """A route and method, with its parameters and the sample of its body. lines: the body is a line of JSON."""

    method: str
    path: str
    parameters: Sequence[Mapping[str, Any]]
    body: Any
    lines: bool = False

    def wire(self, own: Mapping[str, str]) -> Wire:
        """Return a request with one's own ids; what deletes is given none that is there."""
        names = [one["name"] for one in self.parameters if one["in"] == "path"]
        ids = {name: NO_ONE if self.method == "DELETE" else own[name] for name in names}
        return Wire(path=ids, json=_pruned(self.body))

    def positions(self) -> Iterator[Position]:
        for one in self.parameters:
            templates = FILTERS if one["name"] == "filters" else (None,)
            yield from (Position(self, one["in"], (one["name"],), template) for template in templates)
        for place, names in SMUGGLED.items():
            if place != "body" or isinstance(self.body, dict):
                yield from (Position(self, place, (name,)) for name in names)
        if self.body is not None:
            yield from self._fields(self.body, ())

    def _fields(self, sample: Any, at: Key) -> Iterator[Position]:
        if at and at[-1] == "filters":
            yield from (Position(self, "body", at, template) for template in FILTERS)
        elif isinstance(sample, dict | list):
            for key, value in sample.items() if isinstance(sample, dict) else enumerate(sample):
                yield from self._fields(value, (*at, key))
        else:
            yield Position(self, "body", at)
            if isinstance(self.body, dict) and "stream" in self.body:
                yield Position(self, "body", at, streams=True)


def put(position: Position, wire: Wire, value: Any) -> Wire:
    """Put a value in its position; None takes away what is there. Outside of a body it becomes text."""
    told = _filled(position.template, value) if position.template is not None else value
    if position.place == "body":
        _set(wire.json, position.key, told)
        if position.streams:
            wire.json["stream"] = True
        return wire
    name = str(position.key[0])
    text = told if isinstance(told, str) else json.dumps(told)
    if position.place == "path":
        wire.path[name] = text or NO_ONE
    elif told is not None and position.place == "query":
        wire.query[name] = text
    elif told is not None:
        wire.headers[name] = f"user_id={text}" if name == "cookie" else text
    return wire


def request_of(operation: Operation, wire: Wire) -> tuple[str, dict[str, Any]]:
    """Return the path to ask for, and the options of an HTTP client."""
    path, headers = operation.path, {name: told.replace("\0", "").strip() for name, told in wire.headers.items()}
    for name, told in wire.path.items():
        path = path.replace(f"{{{name}}}", quote(told, safe=""))
    if operation.lines:
        headers["content-type"] = LINES
        return path, {"params": wire.query, "headers": headers, "content": f"{json.dumps(wire.json)}\n"}
    return path, {"params": wire.query, "headers": headers, **({} if wire.json is None else {"json": wire.json})}


def _pruned(value: Any) -> Any:
    """Return a copy without the fields that are not sent."""
    match value:
        case dict():
            return {key: _pruned(item) for key, item in value.items() if item is not None}
        case list():
            return [_pruned(item) for item in value]
    return value


def _set(body: Any, key: Key, value: Any) -> None:
    for step in key[:-1]:
        body = body.setdefault(step, {}) if isinstance(body, dict) else body[step]
    if value is None and isinstance(body, dict):
        body.pop(key[-1], None)
    else:
        body[key[-1]] = value


def _filled(template: Any, value: Any) -> Any:
    match template:
        case None:
            return value
        case dict():
            return {key: _filled(item, value) for key, item in template.items()}
        case list():
            return [_filled(item, value) for item in template]
    return template


def operations_of(schema: Mapping[str, Any]) -> list[Operation]:
    """Return every route and method of a description, the ones that erase everything last."""
    found = [
        Operation(method.upper(), path, told.get("parameters", ()), *_body_of(told, schema))
        for path, methods in schema["paths"].items()
        for method, told in methods.items()
    ]
    return sorted(found, key=erases)


def erases(operation: Operation) -> bool:
    return (operation.method, operation.path) == ("DELETE", "/v1/me")


def _body_of(told: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Any, bool]:
    content = told.get("requestBody", {}).get("content", {})
    if LINES in content:
        return deepcopy(_LINE), True
    return sample(content["application/json"]["schema"], schema) if content else None, False


def sample(told: Mapping[str, Any], schema: Mapping[str, Any], name: str = "") -> Any:
    """Return a value that fits; None for a field that is not sent, where an id may stand all the same."""
    if "$ref" in told:
        return sample(schema["components"]["schemas"][told["$ref"].rpartition("/")[2]], schema, name)
    if "anyOf" in told:
        return sample(told["anyOf"][0], schema, name)
    if name != "role" and ("enum" in told or "const" in told):
        return told["enum"][0] if "enum" in told else told["const"]
    match told.get("type"):
        case "object" if "properties" in told:
            return {key: sample(value, schema, key) for key, value in told["properties"].items()}
        case "object":
            return deepcopy(_OBJECTS.get(name, {}))
        case "array":
            return [sample(told["items"], schema, name)] if told.get("items") else None
        case "string":
            return _text(told, name)
        case "boolean":
            return False
    return None


def _text(told: Mapping[str, Any], name: str) -> str | None:
    if told.get("format") == "date-time" or name == "cursor":
        return None
    return {"role": "user", **dict.fromkeys(("content", "message", "query"), QUESTION)}.get(name, "x")
