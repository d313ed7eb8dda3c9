"""S11: names of cached things are injective; nothing that differs in anything shares one."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from context0.cache.keys import Field, digest, encoded

FIELDS = st.lists(
    st.one_of(
        st.text(max_size=6),
        st.binary(max_size=6),
        st.integers(-(10**20), 10**20),
        st.floats(allow_nan=False),
        st.none(),
        st.booleans(),
    ),
    max_size=5,
)


@settings(max_examples=3_000)
@given(FIELDS, FIELDS)
def test_two_lists_of_fields_have_one_encoding_only_if_they_are_the_same(one: list[Field], other: list[Field]) -> None:
    same = [(type(field), repr(field)) for field in one] == [(type(field), repr(field)) for field in other]
    assert (encoded(*one) == encoded(*other)) == same


@settings(max_examples=2_000)
@given(st.text(min_size=2, max_size=20), st.data())
def test_where_a_text_is_cut_matters(text: str, data: st.DataObject) -> None:
    cuts = sorted({0, len(text), data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))})
    parts = [text[start:end] for start, end in itertools.pairwise(cuts)]
    assert (digest(*parts) == digest(text)) == (parts == [text])


def test_half_a_million_keys_of_few_letters_are_all_different() -> None:
    draw = random.Random(5)
    letters = ["", "a", "b", "-", "ab", "a-b", "\x00", "a\x00", 1, 1.0, True, None, b"a", b""]
    lists: set[tuple[tuple[type, str], ...]] = set()
    seen: set[bytes] = set()
    for _ in range(500_000):
        fields = draw.choices(letters, k=draw.randrange(7))
        lists.add(tuple((type(field), repr(field)) for field in fields))
        seen.add(digest(*fields))  # type: ignore[arg-type]  # bool is an int here
    assert len(seen) == len(lists) > 150_000


def test_owner_model_dimension_version_and_text_each_make_another_key() -> None:
    base: list[Field] = ["anna", "model", 384, 1, "text"]
    changed: list[list[Field]] = [[*base[:at], "other", *base[at + 1 :]] for at in range(5)]
    assert len({digest(*fields) for fields in [base, *changed, ["annamodel", "", 384, 1, "text"]]}) == 7
