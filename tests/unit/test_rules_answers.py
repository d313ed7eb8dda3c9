"""What kind of thing would answer a question, read from its form (A5)."""

import pytest

from context0.memory.rules.answers import answer_kind, tells_number


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did Ada move?", "time"),
        ("How long was the concert?", "time"),
        ("How many cats does Ada have?", "number"),
        ("tell me how much the violin cost", "number"),
        ("How often do they train?", "number"),
        ("Where does she live?", "name"),
        ("Who has the keys?", "name"),
        ("Which city was it?", "name"),
        ("In which band does Bob play?", "name"),
        ("What did she say when she left?", None),
        ("Why did the one who called hang up?", None),
        ("How did Ada meet Bob?", None),
        ("the keys", None),
        ("", None),
        ("Wann beginnt der Kurs?", "time"),
        ("Wie viele Bienen hat Jana?", "number"),
        ("Wo wohnt Felix?", "name"),
        ("Wie heißt die Königin?", None),
        ("Combien de livres ?", "number"),
        ("¿Dónde vive Ana?", "name"),
        ("Где живёт Анна?", "name"),
    ],
)
def test_the_first_question_word_decides(question: str, kind: str | None) -> None:
    assert answer_kind(question) == kind


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("I have 3 cats", True),
        ("three cats, ONE dog", True),
        ("Elf war es nicht, zwölf waren es", True),
        ("we met twice", True),
        ("٣ cats", True),
        ("nobody phoned", False),
        ("often, someone, tent", False),
        ("", False),
    ],
)
def test_a_number_is_met_in_digits_and_as_a_word(text: str, tells: bool) -> None:
    assert tells_number(text) is tells
