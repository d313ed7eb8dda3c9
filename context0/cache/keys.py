"""The names under which things are cached: digests of everything that they depend on, so that no two share one."""

from hashlib import sha256
from typing import Final

Field = str | bytes | int | float | None
_NOTHING: Final = b"n" + bytes(8)


def digest(*fields: Field) -> bytes:
    """Return the SHA-256 of `encoded`: 32 bytes; 2 us for six fields."""
    return sha256(encoded(*fields)).digest()


def encoded(*fields: Field) -> bytes:
    """Return the fields as bytes, injectively: each is led by its kind and its length, so no two lists are alike."""
    return b"".join([_field(field) for field in fields])


def _field(field: Field) -> bytes:
    if isinstance(field, str):
        octets = field.encode("utf-8", "surrogatepass")
        return b"s" + len(octets).to_bytes(8, "big") + octets
    if isinstance(field, bytes):
        return b"b" + len(field).to_bytes(8, "big") + field
    if field is None:
        return _NOTHING
    octets = repr(field).encode()  # exact for floats too; True, 1 and 1.0 differ
    return b"v" + len(octets).to_bytes(8, "big") + octets
