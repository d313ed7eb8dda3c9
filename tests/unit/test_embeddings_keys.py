"""Cache keys never collide."""

from hypothesis import given, settings
from hypothesis import strategies as st

from context0.embeddings.keys import VectorSource, cache_key, encoded, key_prefix

text = st.text(st.characters(codec=None), max_size=12)
source = st.builds(VectorSource, provider=text, model=text, dimension=st.integers(0, 20), version=st.integers(0, 20))


@given(source, text, source, text)
@settings(deadline=None)
def test_different_sources_or_texts_are_encoded_differently(one, one_text, other, other_text):
    same = (one, one_text) == (other, other_text)
    assert (encoded(key_prefix(one), one_text) == encoded(key_prefix(other), other_text)) is same


@given(text, text, text)
@settings(deadline=None)
def test_moving_characters_between_fields_changes_the_key(a, b, c):
    keys = {
        cache_key(key_prefix(VectorSource(provider=provider, model=model)), content)
        for provider, model, content in {(a + b, c, ""), (a, b + c, ""), (a, b, c), ("", a + b, c), ("", "", a + b + c)}
    }
    assert len(keys) == len({(a + b, c, ""), (a, b + c, ""), (a, b, c), ("", a + b, c), ("", "", a + b + c)})


def test_every_part_of_the_source_is_in_the_key():
    base = {"provider": "openai", "model": "m", "dimension": 256, "version": 1}
    others = [
        {"provider": "opena", "model": "im"},
        {"model": "n"},
        {"dimension": 257},
        {"version": 2},
        {"dimension": 0},
    ]
    keys = {cache_key(key_prefix(VectorSource(**{**base, **other})), "text") for other in [{}, *others]}
    assert len(keys) == 6
    assert {len(key) for key in keys} == {32}


def test_composed_and_decomposed_letters_are_different_texts():
    prefix = key_prefix(VectorSource(provider="p", model="m"))
    assert cache_key(prefix, "\u00e9") != cache_key(prefix, "e\u0301")
