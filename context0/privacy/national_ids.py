"""National identity numbers in a text."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from context0.privacy.national_id_table import ANY_WORD, NAMED_BY_A_WORD, SPEAKING_FOR_THEMSELVES, WITH_LETTERS, IdForm
from context0.privacy.nearby import is_near
from context0.privacy.report import Finding

_WORD_CHARACTERS: Final = 72
_NUMBERED: Final = re.compile(r"[0-9](?:[ .+-]?[0-9AB]){8}")  # what every form without a letter is at least
_LETTERED: Final = re.compile(  # the heart of each form with letters: nine in ten messages with figures have none
    r"[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2}|[0-9]{7}[ 0-9A-Z-]|[0-9]{6}[-+A-Z][0-9]|[A-Z]{4}[A-Z0-9][0-9]{4}"
    r"|[A-Za-z]{6}[0-9]{2}[A-Za-z]|[A-Z]{6}[0-9LMNP-V]{2}[A-Z]"
)


def find_national_ids(text: str) -> Iterator[Finding]:
    if _LETTERED.search(text):
        yield from _find(WITH_LETTERS, text)
    if _NUMBERED.search(text):
        yield from _find(SPEAKING_FOR_THEMSELVES, text)
        if ANY_WORD.search(text):
            yield from _find(NAMED_BY_A_WORD, text)


def _find(forms: Iterable[IdForm], text: str) -> Iterator[Finding]:
    for form in forms:
        for match in form.pattern.finditer(text):
            if form.words is not None and not is_near(form.words, text, match.span(), before=_WORD_CHARACTERS):
                continue
            if form.is_valid(match.group()):
                yield Finding(kind="national_id", span=match.span())
