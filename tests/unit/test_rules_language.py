"""The language of a text is guessed from its script and its stop words; English when in doubt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.memory.rules.language import Language, detect_language, looks_english
from context0.memory.rules.stop_words import STOP_WORDS

LABELLED: list[tuple[str, Language]] = [
    ("I walked to the shop and bought some bread.", "en"),
    ("Don't worry, I'd say it's fine.", "en"),
    ("pizza", "en"),
    ("", "en"),
    ("12345 !!!", "en"),
    ("Ich habe heute mit meiner Schwester gekocht.", "de"),
    ("Wo sind meine Schlüssel?", "de"),
    ("J'ai acheté du pain avec ma sœur hier.", "fr"),
    ("Hoy he comido con mi hermana en el parque.", "es"),
    ("Oggi ho mangiato con mia sorella nel parco.", "it"),
    ("Hoje não fui ao trabalho porque estava doente.", "pt"),
    ("Ik heb vandaag met mijn zus in het park gegeten.", "nl"),
    ("Jag har ätit middag med min syster och det var gott.", "sv"),
    ("Я сегодня ходил в парк с сестрой.", "ru"),
    ("我今天和姐姐去了公园。", "zh"),
    ("今日は姉と公園に行きました。", "ja"),
    ("오늘 언니와 공원에 갔어요.", "ko"),
    ("วันนี้ฉันไปสวนสาธารณะ", "th"),
    ("ذهبت اليوم إلى الحديقة", "ar"),
    ("הלכתי היום לפארק", "he"),
    ("Σήμερα πήγα στο πάρκο", "el"),
    ("मैं आज पार्क गया", "hi"),
    ("I like the word 你好 a lot and use it often", "en"),
]


@pytest.mark.parametrize(("text", "language"), LABELLED)
def test_the_language_of_a_sentence(text: str, language: Language) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(("text", "language"), LABELLED)
def test_a_glance_never_takes_another_language_for_english(text: str, language: Language) -> None:
    assert language == "en" or not looks_english(text)


def test_stop_words_are_casefolded_single_words() -> None:
    for words in STOP_WORDS.values():
        assert all(word == word.casefold() and word.isalpha() for word in words)


def test_a_long_text_is_judged_by_its_head() -> None:
    head = "Ich habe heute mit meiner Schwester im Garten gegessen. " * 40
    assert detect_language(head + "the and you my it " * 5000) == "de"


@given(st.text())
def test_any_text_has_a_language(text: str) -> None:
    assert len(detect_language(text)) == 2
