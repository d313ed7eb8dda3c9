"""National identity numbers in a text."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from context0.privacy.national_id_table import ANY_WORD, NAMED_BY_A_WORD, SPEAKING_FOR_THEMSELVES, WITH_LETTERS, IdForm
from context0.privacy.nearby import is_near
from context0.privacy.report import Finding

_WORD_CHARACTERS: Final = 72
_NUMBERED: Final = re.compile(r"[0-9]{2}[ .-]?[0-9]")  # every form has three digits in a row, or a mark between them
_LETTERED: Final = re.compile(r"(?<!\w)(?:[A-Za-z]{1,6}[ -]?[0-9]|[0-9]{6,8}[ -]?[A-Za-z+-])")


def find_national_ids(text: str) -> Iterator[Finding]:
    if _NUMBERED.search(text) is None:
        return
    yield from _find(SPEAKING_FOR_THEMSELVES, text)
    if _LETTERED.search(text):
        yield from _find(WITH_LETTERS, text)
    if ANY_WORD.search(text):
        yield from _find(NAMED_BY_A_WORD, text)


def _find(forms: Iterable[IdForm], text: str) -> Iterator[Finding]:
    for form in forms:
        for match in form.pattern.finditer(text):
            if form.words is not None and not is_near(form.words, text, match.span(), before=_WORD_CHARACTERS):
                continue
            if form.is_valid(match.group()):
                yield Finding(kind="national_id", span=match.span())
