"""Terms are the same at index and at query time, whatever language a short query seems to have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.memory.rules.language import Language
from context0.memory.rules.stop_words import STOP_WORDS
from context0.memory.rules.terms import MAX_WORD_CHARACTERS, analyse_terms, hash_terms

LABELLED: list[tuple[str, list[str]]] = [
    ("The painters were painting the fences", ["painter", "paint", "fenc"]),
    ("I don't know what's Anna's plan", ["know", "anna", "plan"]),
    ("O’Brien met d'Artagnan, don't worry", ["obrien", "met", "artagnan", "worri"]),
    ("I'll be ill", ["ill"]),
    ("to be or not to be", ["to", "be", "or", "not", "to", "be"]),
    ("Jürgen Müller, São Paulo", ["jurgen", "muller", "sao", "paulo"]),
    ("MÜLLER muller", ["muller", "muller"]),
    ("Straße strasse", ["strass", "strass"]),
    ("Smørrebrød in Łódź", ["smorrebrod", "lodz"]),
    ("release v2.3.1 of 2023", ["releas", "v2", "3", "1", "2023"]),
    ("snake_case_name", ["snake", "case", "name"]),
    ("ﬁsh ｆｉｓｈ", ["fish", "fish"]),
    ("北京烤鸭", ["北京", "京烤", "烤鸭"]),
    ("水", ["水"]),
    ("I ate 寿司 today", ["ate", "寿司", "today"]),
    ("ラーメン", ["ラー", "ーメ", "メン"]),
    ("서울에서", ["서울", "울에", "에서"]),
    ("ฉันรัก", ["ฉั", "ัน", "นร", "รั", "ัก"]),
    ("кошки кошка", ["кошк", "кошк"]),
    ("ёлка елка", ["елк", "елк"]),
    ("दुनिया", ["दुनिया"]),
    ("", []),
    ("?! ... —", []),
]


@pytest.mark.parametrize(("text", "terms"), LABELLED)
def test_the_terms_of_a_text(text: str, terms: list[str]) -> None:
    assert analyse_terms(text) == terms


def test_a_text_of_another_language_gives_its_stems_too() -> None:
    assert analyse_terms("die Katzen", language="de") == ["katzen", "katz"]
    assert "katz" in analyse_terms("Ich habe eine Katze und mag sie.")


def test_a_long_word_is_cut_the_same_way_everywhere() -> None:
    word = "x" * (MAX_WORD_CHARACTERS + 5)
    assert analyse_terms(word) == ["x" * MAX_WORD_CHARACTERS, "xxxxx"]


latin_words = st.text(
    st.characters(min_codepoint=0x41, max_codepoint=0x24F, categories=["Ll", "Lu"]), min_size=3, max_size=12
)
languages = st.sampled_from(sorted(STOP_WORDS))


@given(
    latin_words | st.sampled_from(["Gärten", "l'amour", "Katzen", "running", "naïve", "город", "寿司"]),
    languages,
    languages,
)
def test_a_word_meets_itself_whatever_the_languages(word: str, indexed: Language, asked: Language) -> None:
    document = analyse_terms(f"{word} Xylophon", language=indexed)
    query = analyse_terms(word, language=asked)
    is_stop_word = word.casefold() in STOP_WORDS[indexed]
    assert query
    assert is_stop_word or set(query) & set(document)


@given(
    st.text()
    | st.lists(st.sampled_from(["don't", "l'", "s'", "寿", "ा", "\u0301", "é", "_", " ", "İ", "ß"])).map("".join)
)
def test_any_text_gives_clean_terms(text: str) -> None:
    terms = analyse_terms(text)
    assert all(terms)
    assert not any(character.isspace() for term in terms for character in term)
    assert bool(terms) or not any(character.isascii() and character.isalnum() for character in text)


def test_hashes_are_stable_and_keep_order_and_repeats() -> None:
    hashes = hash_terms(["anna", "paint", "anna"])
    assert hashes.dtype == np.uint32
    assert hashes.tolist() == [559726263, 1467646999, 559726263]
    assert hash_terms([]).shape == (0,)


@given(st.lists(st.text(max_size=10), max_size=20))
def test_one_hash_a_term(terms: list[str]) -> None:
    assert hash_terms(terms).shape == (len(terms),)
