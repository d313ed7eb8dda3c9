"""Thirty varied memories, and the filters to ask them by: kinds that look alike, and characters with a meaning."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from stores.filters import FIELDS, OPERATORS
from stores.records import Document
from tests.contracts.builders import NOW, PAST, build_document, named

TEXTS: Final = (
    "Munich",
    "munich",
    "München",
    "Mu\u0308nchen",
    "",
    "100%",
    "100x",
    "a_b",
    "axb",
    "a.b",
    ".*",
    "[x]",
    "(x|y)",
    "^x$",
    "*",
    "?",
    "O'Brien",
    '"quoted"',
    "back\\slash",
    "$where",
    "$gt",
    "null",
    "true",
    "1",
    "3",
    "2.5",
    "[1]",
    '{"a":1}',
    "two\nlines",
    "👩‍👩‍👧 🇩🇪",
    "שלום",
    "\U0010ffff",
    "\uffff",
    "2026-05-01T00:00:00Z",
)
NUMBERS: Final = (0, -0.0, 1, 1.0, -1, 3, 2.5, 0.1, 0.5, 2**53, 2**53 + 1, -(2**62), 5e-324)
TRUTHS: Final = (True, False)
MOMENTS: Final = tuple(
    PAST + delta
    for delta in (
        timedelta(0),
        timedelta(milliseconds=1),
        timedelta(seconds=1),
        timedelta(days=30),
        timedelta(days=-40_000),
        timedelta(days=40_000),
    )
)
METADATA_FIELDS: Final = (
    "metadata.value",
    "metadata.list",
    "metadata.nested",
    "metadata.nested.value",
    "metadata.nested.deep.value",
    "metadata.people.name",
    "metadata.list.0",
    "metadata.0",
    "metadata.a b",
    "metadata.100%",
    "metadata.a_b",
    "metadata.O'Brien",
    "metadata.back\\slash",
    "metadata.[0]",
    "metadata.*",
    "metadata.größe",
    "metadata.👍",
    "metadata.missing",
    "metadata.value.missing",
)
ALL_FIELDS: Final = (*FIELDS, *METADATA_FIELDS)
VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "text": TEXTS[::2],
    "list": TEXTS[1::2],
    "number": NUMBERS,
    "time": MOMENTS,
    "any": (*TEXTS[::3], *NUMBERS[::2], *TRUTHS),
}
KEYS: Final = ("value", "a b", "100%", "a_b", "axb", "O'Brien", "back\\slash", "[0]", "*", "größe", "👍", "0")


def varied_documents() -> list[Document]:
    """Return memories whose fields are taken from the values above, with gaps."""
    return [_text_document(n) for n in range(len(TEXTS))] + [
        build_document(f"extra {n}", id=named(1000 + n), at=MOMENTS[n % 4], metadata=metadata)
        for n, metadata in enumerate(_ODD_METADATA)
    ]


def _text_document(n: int) -> Document:
    text, number, moment = TEXTS[n], NUMBERS[n % len(NUMBERS)], MOMENTS[n % len(MOMENTS)]
    after = TEXTS[(n + 1) % len(TEXTS)]
    return build_document(
        f"memory {n}",
        id=named(n),
        at=MOMENTS[n % 4],
        memory_type=("semantic", "episodic", "preference")[n % 3],
        agent_id=text if n % 2 else None,
        session_id=after if n % 3 else None,
        speaker=text if n % 4 else None,
        tags=(text, after)[: n % 3],
        entities=(after,) * (n % 2),
        importance=(0.0, 0.1, 0.5, 1.0, 1)[n % 5],
        confidence=(0.5, 1.0)[n % 2],
        occurred_at=moment if n % 3 else None,
        expires_at=NOW + timedelta(days=40_000) if n % 4 == 0 else None,
        metadata={
            KEYS[n % len(KEYS)]: text,
            "nested": {"value": number, "deep": {"value": (text, number, True, None)[n % 4]}},
            "list": [text, number, n % 2 == 0],
        },
    )


_ODD_METADATA: Final[tuple[dict[str, Any], ...]] = (
    {},
    *({"value": number} for number in (*NUMBERS, 2**63 - 1, 1e300)),
    {"value": True, "list": [True], "nested": {"value": True}},
    {"value": False, "list": [False], "nested": {"value": False}},
    {"value": None, "list": [None], "nested": None},
    {"value": [], "list": [], "nested": {}},
    {"value": {}, "list": {}, "nested": []},
    {"value": ["Munich", 1, "100%"], "nested": ["Munich", {"value": 1}]},
    {"value": [["Munich"], [1]], "nested": {"value": ["Munich", 1, True]}},
    {"value": {"Munich": 1, "missing": "Munich"}, "list": {"0": "Munich"}},
    {"people": [{"name": "Munich"}, {"name": 1}], "list": [{"0": "Munich"}]},
    {"people": {"name": "Munich"}, "nested": [{"value": "Munich", "deep": {"value": 1}}]},
    {"nested": {"deep": [{"value": "Munich"}], "value": {"value": "Munich"}}},
    {"nested.value": "Munich", "metadata": {"value": "Munich"}},
    {"value": "2026-04-30T12:00:00+00:00", "list": ["2026-04-30T12:00:00Z"]},
    {"value": "x" * 5000 + "Munich"},
)


def spec_of(field: str, operator: str, values: list[Any]) -> dict[str, Any]:
    return {field: {operator: values if operator in ("in", "nin") else values[0]}}


def allowed_operators(field: str, value: Any) -> list[str]:
    """Return the operators that the language takes between `field` and `value`."""
    kind = FIELDS.get(field, "any")
    ordered = kind != "list" and not isinstance(value, bool)
    return sorted(
        OPERATORS
        - (set() if ordered else {"gt", "gte", "lt", "lte"})
        - ({"contains"} if kind in ("number", "time") else set())
    )


@st.composite
def _conditions(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(ALL_FIELDS))
    values = draw(st.lists(st.sampled_from(VALUES[FIELDS.get(field, "any")]), min_size=1, max_size=4))
    return spec_of(field, draw(st.sampled_from(allowed_operators(field, values[0]))), values)


def filter_specs() -> st.SearchStrategy[dict[str, Any]]:
    """Filters of one to a handful of conditions, joined by AND, OR and NOT."""
    return st.recursive(
        _conditions(),
        lambda inner: st.one_of(
            st.builds(lambda items: {"AND": items}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda items: {"OR": items}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda item: {"NOT": item}, inner),
            st.builds(lambda left, right: left | right, inner, inner),
        ),
        max_leaves=6,
    )
