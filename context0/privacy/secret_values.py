"""Tells a secret value from an ordinary word, a date, a version or a stand-in such as <your-password>."""

import re
from collections import Counter
from math import log2
from typing import Final

from context0.privacy.report import FINDING_KINDS

PLACEHOLDERS: Final = frozenset(f"[{kind}]" for kind in FINDING_KINDS)

_STAND_IN: Final = re.compile(
    r"[<${%\[(*#]|.{0,8}?(?:your|my|the|some|example|changeme|placeholder|dummy|insert|redacted"
    r"|process\.env|os\.environ|getenv)[-_. (\[]"
    r"|(?:.{0,8}[-_])?(?:xxx|XXX|\*\*\*|\.\.\.|…|•)|null$|none$|nil$|true$|false$|undefined$|n/a$",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(  # dates, times, versions, prices, URLs, file paths, e-mail addresses, calls in code
    r"\d{4}-\d{1,2}-\d{1,2}(?:T.*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{1,2}:\d{2}(?::\d{2})?(?:[ap]m)?|v?\d+(?:\.\d+){1,8}"
    r"|[$€£]?\d+(?:[.,]\d+)?[%kKmM€]?|[a-z][a-z0-9+.-]{1,20}://\S*|(?:\.{0,2}|~)/[\w./-]*|[\w.+-]+@[\w.-]+\.[a-z]{2,}"
    r"|[A-Za-z_][\w.]*\(.*|\d+(?:st|nd|rd|th|x|d|h|m|s|ms|kb|mb|gb)|\d+[-–]\d+|\d+-\w[\w-]*|[A-Z]{2,6}-\d{1,6}",
    re.IGNORECASE,
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NAMES: Final = frozenset(
    {
        "1password",
        "oauth2",
        "sha256",
        "sha-256",
        "sha512",
        "bcrypt2",
        "base64",
        "ed25519",
        "rsa-2048",
        "rsa2048",
        "aes256",
        "aes-256",
        "web3",
        "fido2",
        "pbkdf2",
        "argon2id",
        "utf-8",
        "k8s",
        "level2",
    }
)
_JUDGED_CHARACTERS: Final = 96  # the beginning of a value tells enough, and bounds what each costs
_MIN_DIFFERENT: Final = 5
_MIN_ENTROPY_BITS: Final = 2.8
_LONG_LETTERS: Final = 20
_LONG_LETTERS_ENTROPY_BITS: Final = 3.8


def starts_with_placeholder(value: str) -> bool:
    """Say whether a placeholder of ours begins `value`: what was masked before stays as it is."""
    return value.startswith("[") and any(map(value.startswith, PLACEHOLDERS))


def is_placeholder(value: str) -> bool:
    """Say whether `value` stands for a secret without being one: a variable, a template, a mask, one of our own."""
    return _STAND_IN.match(value) is not None or len(set(value[-24:])) < _MIN_DIFFERENT


def is_plain(value: str) -> bool:
    """Say whether `value` is a date, a time, a version, a price, a URL, a path or the name of a method."""
    value = value[:_JUDGED_CHARACTERS]
    return value.lower() in _NAMES or _PLAIN.fullmatch(value) is not None


def is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def looks_random(value: str, *, min_characters: int) -> bool:
    """Say whether `value` looks made by a machine: mixed letters and digits, or many and very mixed letters."""
    if len(value) < min_characters or is_placeholder(value) or is_plain(value):
        return False
    value = value[:_JUDGED_CHARACTERS]
    digits = sum(map(str.isdigit, value))
    letters = sum(map(str.isalpha, value))
    if digits and letters:
        return entropy_bits(value) >= _MIN_ENTROPY_BITS
    mixed = value != value.lower() and value != value.upper()
    return mixed and letters >= _LONG_LETTERS and entropy_bits(value) >= _LONG_LETTERS_ENTROPY_BITS


def entropy_bits(value: str) -> float:
    """Return the bits of Shannon entropy per character of `value`, from its own counts; `value` must not be empty."""
    total = len(value)
    return -sum(count / total * log2(count / total) for count in Counter(value).values())
