"""What a cache hands out to many: read like plain JSON data, changed by nobody."""

import copy
import json
import pickle
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.cache.frozen import FrozenDict, FrozenList, frozen

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_it_reads_like_the_plain_data(value: dict[str, Any]) -> None:
    held = frozen(value)
    assert held == value
    assert json.loads(json.dumps(held)) == orjson.loads(orjson.dumps(held)) == value
    for plain in (copy.deepcopy(held), pickle.loads(pickle.dumps(held))):
        assert plain == value
        assert type(plain) is dict
        assert not [one for one in below(plain) if isinstance(one, FrozenDict | FrozenList)]


def below(value: Any) -> list[Any]:
    children = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    return [value, *(one for child in children for one in below(child))]


def test_no_way_of_changing_it_is_left() -> None:
    held = frozen({"a": 1, "b": [2, 1]})
    inner = held["b"]
    changes: list[Any] = [
        *(lambda name=name, arguments=arguments: getattr(held, name)(*arguments)
          for name, arguments in {"__setitem__": ("a", 2), "__delitem__": ("a",), "__ior__": ({"c": 1},), "clear": (),
                                  "pop": ("a",), "popitem": (), "setdefault": ("c", 1), "update": ({"c": 1},)}.items()),
        *(lambda name=name, arguments=arguments: getattr(inner, name)(*arguments)
          for name, arguments in {"__setitem__": (0, 2), "__delitem__": (0,), "__iadd__": ([1],), "__imul__": (2,),
                                  "append": (1,), "extend": ([1],), "insert": (0, 1), "pop": (), "remove": (1,),
                                  "clear": (), "sort": (), "reverse": ()}.items()),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(TypeError, match="change a copy"):
            change()
    assert held == {"a": 1, "b": [2, 1]}
    mine = dict(held) | {"c": 3}
    assert mine["c"] == 3
