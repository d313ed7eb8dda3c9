"""Small states as bytes that tell when they were damaged: a kind, a JSON header, a body, a checksum."""

import struct
from typing import Any, Final
from zlib import crc32

import orjson

from context0.errors import Context0Error

KIND_BYTES: Final = 4
_FRAME: Final = struct.Struct(f"<{KIND_BYTES}sII")
"""kind, checksum of all that follows the frame, bytes of the header."""


class DamagedState(Context0Error):
    """Stored bytes are cut, altered or of another kind. What they held can be learned again; nothing depends on it."""

    code = "damaged_state"

    def __init__(self, reason: str) -> None:
        super().__init__(f"a stored state cannot be read ({reason}); forget the user's feedback to start it anew")


def seal(kind: bytes, header: Any, body: bytes = b"") -> bytes:
    """Return one value of `kind` (4 bytes). header: what orjson takes."""
    payload = orjson.dumps(header)
    return _FRAME.pack(kind, crc32(body, crc32(payload)), len(payload)) + payload + body


def unseal(kind: bytes, value: bytes) -> tuple[Any, memoryview]:
    """Return the header and the body that were sealed. Raises DamagedState."""
    if len(value) < _FRAME.size:
        raise DamagedState("cut short")
    found, checksum, size = _FRAME.unpack_from(value)
    if found != kind:
        raise DamagedState(f"of the kind {found!r}, not {kind!r}")
    rest = memoryview(value)[_FRAME.size :]
    if crc32(rest) != checksum or size > len(rest):
        raise DamagedState("its checksum differs")
    try:
        return orjson.loads(rest[:size]), rest[size:]
    except orjson.JSONDecodeError as exc:
        raise DamagedState("its header is not JSON") from exc
