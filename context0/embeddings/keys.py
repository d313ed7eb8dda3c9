"""The name under which a vector is cached: a digest of everything that the vector depends on."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSource:
    """Where vectors come from; two sources that may differ in one vector must differ here.

    provider: its name, with the address for one that has several.  dimension: as configured, 0 when it is not.
    version: raised whenever the same four would give other vectors.
    """

    provider: str
    model: str
    dimension: int = 0
    version: int = _VERSION


def key_prefix(source: VectorSource) -> bytes:
    """Return the part of the encoding that all texts of a source share."""
    fields = (source.provider, source.model, str(source.dimension), str(source.version))
    return b"".join(_field(field) for field in fields)


def cache_key(prefix: bytes, text: str) -> bytes:
    """Return the SHA-256 of `encoded`: 32 bytes; 0.5 us. The owner has no part in it: equal texts, equal vectors."""
    return sha256(encoded(prefix, text)).digest()


def encoded(prefix: bytes, text: str) -> bytes:
    """Return prefix and text, injectively: every field is led by its length, so no two lists of fields collide."""
    return prefix + _field(text)


def _field(text: str) -> bytes:
    octets = text.encode("utf-8", "surrogatepass")
    return len(octets).to_bytes(8, "big") + octets
