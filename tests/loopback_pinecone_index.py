"""What a Pinecone index does with requests: namespaces, cosine top-k, metadata filters, limits and their refusals.

Written from https://github.com/pinecone-io/pinecone-api (2026-07) and the limits in docs.pinecone.io. Writes show
after a lag, as in an eventually consistent store. Matches of equal score come in an order that has nothing to do with
their ids, as they may.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
_MAX_RECORDS: Final = 1_000
_MAX_METADATA_BYTES: Final = 40 * 1024
_MAX_TOP_K: Final = 10_000
_MAX_FILTER_VALUES: Final = 10_000
_MAX_NAME: Final = 512

INVALID: Final = 3
NOT_FOUND: Final = 5
TOO_LARGE: Final = 11
"""Codes of google.rpc.Status."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    values: npt.NDArray[np.float32]
    metadata: Json


class Refusal(Exception):
    """A request that breaks the contract: an HTTP status and a google.rpc.Status."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = json.dumps({"code": code, "message": message, "details": []}).encode()


class Namespaces:
    """The records of an index, and the rules for writing and finding them. Writes show after `lag_s`."""

    def __init__(self, dimension: int, lag_s: float, clock: Callable[[], float]) -> None:
        self._dimension = dimension
        self._lag_s = lag_s
        self._clock = clock
        self._records: dict[str, dict[str, Record]] = {}
        self._known: set[str] = set()
        self._coming: deque[tuple[float, Callable[[], object]]] = deque()

    def shown(self) -> dict[str, dict[str, Record]]:
        """Return what reads see by now."""
        while self._coming and self._coming[0][0] <= self._clock():
            self._coming.popleft()[1]()
        return self._records

    def upsert(self, body: Json) -> Json:
        vectors = body.get("vectors") or []
        require(1 <= len(vectors) <= _MAX_RECORDS, f"The number of vectors must be 1..{_MAX_RECORDS}")
        namespace = body.get("namespace", "")
        require(_is_name(namespace) or namespace == "", "Namespace must be ASCII of at most 512 characters")
        records = {vector["id"]: self._record(vector) for vector in vectors}
        self._known.add(namespace)
        self._later(lambda: self._records.setdefault(namespace, {}).update(records))
        return {"upsertedCount": len(vectors)}

    def query(self, body: Json) -> Json:
        top_k = body["topK"]
        require(1 <= top_k <= _MAX_TOP_K, f"top_k must be 1..{_MAX_TOP_K}")
        asked = self._dense(body["vector"], "query")
        where = body.get("filter") or {}
        _check_filter(where)
        held = self.shown().get(body.get("namespace", ""), {})
        found = {key: record for key, record in held.items() if _passes(record.metadata, where)}
        return {
            "matches": [_match(key, score, found[key], body) for key, score in _nearest(found, asked)[:top_k]],
            "namespace": body.get("namespace", ""),
            "usage": {"readUnits": 1},
        }

    def delete(self, body: Json) -> Json:
        chosen = [name for name in ("ids", "deleteAll", "filter") if body.get(name)]
        require(len(chosen) == 1, "Give one of ids, deleteAll and filter")
        ids = body.get("ids") or []
        require(len(ids) <= _MAX_RECORDS, f"The number of ids must be at most {_MAX_RECORDS}")
        namespace = self._existing(body.get("namespace", ""))
        where = body.get("filter") or {}
        _check_filter(where)

        def forget() -> None:
            held = self._records.get(namespace, {})
            gone = ids or [key for key, record in held.items() if _passes(record.metadata, where)]
            for key in gone:
                held.pop(key, None)

        self._later(forget)
        return {}

    def describe(self, namespace: str) -> Json:
        held = self.shown().get(self._existing(namespace), {})
        return {"name": namespace, "record_count": str(len(held))}

    def drop(self, namespace: str) -> Json:
        self._known.remove(self._existing(namespace))
        self._later(lambda: self._records.pop(namespace, None))
        return {}

    def stats(self, body: Json) -> Json:
        require(not body.get("filter"), "Serverless indexes do not support describing index stats with a filter")
        counts = {name: {"vectorCount": len(records)} for name, records in self.shown().items()}
        total = sum(count["vectorCount"] for count in counts.values())
        return {"namespaces": counts, "indexFullness": 0, "totalVectorCount": total, "dimension": self._dimension}

    def _later(self, change: Callable[[], object]) -> None:
        self._coming.append((self._clock() + self._lag_s, change))
        self.shown()

    def _existing(self, namespace: str) -> str:
        if namespace not in self._known:
            raise Refusal(404, NOT_FOUND, "Namespace not found")
        return namespace

    def _record(self, vector: Json) -> Record:
        key, metadata = vector["id"], vector.get("metadata") or {}
        require(_is_name(key), f"Vector ID must be ASCII of 1..{_MAX_NAME} characters, but got {key!r}")
        size = len(json.dumps(metadata).encode())
        require(
            size <= _MAX_METADATA_BYTES,
            f"Metadata size is {size} bytes, which exceeds the limit of {_MAX_METADATA_BYTES} bytes per vector",
        )
        for name, value in metadata.items():
            require(_is_metadata(value), f"Metadata value must be a string, number, boolean or list of strings: {name}")
        return Record(values=self._dense(vector["values"], key), metadata=metadata)

    def _dense(self, values: Sequence[float], key: str) -> npt.NDArray[np.float32]:
        require(
            len(values) == self._dimension,
            f"Vector dimension {len(values)} does not match the dimension of the index {self._dimension}",
        )
        array = np.array(values, dtype=np.float32)
        require(bool(np.isfinite(array).all()), f"Vector values must be finite: {key}")
        require(bool(array.any()), f"Dense vectors must contain at least one non-zero value: {key}")
        return array


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Refusal(400, INVALID, message)


def _is_name(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and "\0" not in text and 1 <= len(text) <= _MAX_NAME


def _is_metadata(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, (str, bool, int, float))


def _nearest(found: Mapping[str, Record], asked: npt.NDArray[np.float32]) -> list[tuple[str, float]]:
    """Return keys and cosines, best first, ties in an order of their own."""
    if not found:
        return []
    matrix = np.stack([record.values for record in found.values()]).astype(np.float64)
    query = asked.astype(np.float64)
    cosines = (matrix @ query) / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(query))
    scores = zip(found, cosines.astype(np.float32).tolist(), strict=True)
    return sorted(scores, key=lambda pair: (-pair[1], hashlib.sha256(pair[0].encode()).digest()))


def _match(key: str, score: float, record: Record, body: Json) -> Json:
    match: Json = {"id": key, "score": score, "values": record.values.tolist() if body.get("includeValues") else []}
    return match | ({"metadata": record.metadata} if body.get("includeMetadata") else {})


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$eq": lambda held, asked: held == asked,
    "$ne": lambda held, asked: held != asked,
    "$gt": lambda held, asked: held > asked,
    "$gte": lambda held, asked: held >= asked,
    "$lt": lambda held, asked: held < asked,
    "$lte": lambda held, asked: held <= asked,
    "$in": lambda held, asked: held in asked,
    "$nin": lambda held, asked: held not in asked,
}


def _check_filter(where: Json) -> None:
    for name, condition in where.items():
        if name in {"$and", "$or"}:
            for part in condition:
                _check_filter(part)
            continue
        require(not name.startswith("$"), f"Unknown operator {name}")
        for operator, asked in condition.items() if isinstance(condition, dict) else ():
            require(operator in _COMPARISONS or operator == "$exists", f"Unknown operator {operator}")
            too_many = operator in {"$in", "$nin"} and len(asked) > _MAX_FILTER_VALUES
            require(not too_many, f"{operator} takes at most {_MAX_FILTER_VALUES} values")


def _passes(metadata: Json, where: Json) -> bool:
    for name, condition in where.items():
        if name == "$and":
            holds = all(_passes(metadata, part) for part in condition)
        elif name == "$or":
            holds = any(_passes(metadata, part) for part in condition)
        else:
            conditions = condition if isinstance(condition, dict) else {"$eq": condition}
            holds = all(_compares(metadata.get(name), operator, asked) for operator, asked in conditions.items())
        if not holds:
            return False
    return True


def _compares(held: Any, operator: str, asked: Any) -> bool:
    if operator == "$exists":
        return bool(asked) == (held is not None)
    if held is None:
        return operator in {"$ne", "$nin"}
    compare = _COMPARISONS[operator]
    outcomes = [bool(compare(item, asked)) for item in (held if isinstance(held, list) else [held])]
    return all(outcomes) if operator in {"$ne", "$nin"} else any(outcomes)
