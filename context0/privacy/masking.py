"""Masks a text until the rules find nothing more in it."""

from typing import Final

from context0.privacy.redaction import redact
from context0.privacy.scanning import Scan, Steps, finish, scanning

MAX_PASSES: Final = 6
"""A placeholder is shorter than what it stands for, so that a word may come to stand near a number: look again."""


def mask_text(text: str) -> str:
    """Return `text` with personal data and secrets replaced by placeholders; masking it again changes nothing.

    For what a turn in the mode `redact` sends beside its message: memories, history. Cost: as `scan`, twice where
    something was found.
    """
    return finish(masking(text, None))


def masking(text: str, first: Scan | None) -> Steps[str]:
    """Mask `text` in steps. first: what `scanning` found in it, if that is known."""
    found = first if first is not None else (yield from scanning(text))
    for _ in range(MAX_PASSES):
        if not found.findings:
            break
        text = redact(text, found.findings)
        yield
        found = yield from scanning(text)
    return text
