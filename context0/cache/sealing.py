"""Values as they stand in a shared cache: with a code that only who has the key can make, readable by the name alone.

A name is a digest of all that a value depends on: a text, an owner's word. The cache is told a hash of it, and values
are encrypted with a key made of it. So what is forgotten there is what the names were made of: when the text is erased,
or the owner's word replaced, nobody can find or read what lies there until its time is over, in a dump neither.
"""

import hmac
from hashlib import blake2b, shake_256
from typing import Final

_VERSION: Final = b"c0\x02"
_CODE_BYTES: Final = 16
_KEY_BYTES: Final = 64
_PLACE_BYTES: Final = 32


class Seal:
    """Makes and checks envelopes. A value is bound to its name: put under another one it is as worthless as garbage.

    The key stream of a name is used for one value; where it changes under the same name, such as an owner's word, it is
    random.
    """

    def __init__(self, key: bytes) -> None:
        """key: at least 16 bytes that only the processes of one store know."""
        if len(key) < _CODE_BYTES:
            raise ValueError("a key of at least 16 bytes is needed")
        self._key = blake2b(key, digest_size=_KEY_BYTES, person=b"context0 cache").digest()

    def place(self, name: bytes) -> str:
        """Return the key under which the store has it; the name cannot be told from it."""
        return blake2b(name, key=self._key, digest_size=_PLACE_BYTES, person=b"context0 place").hexdigest()

    def close(self, name: bytes, value: bytes) -> bytes:
        """Return the envelope of `value` under `name`: 19 bytes more; 10 us a kilobyte."""
        hidden = self._veiled(name, value)
        return _VERSION + self._code(name, hidden) + hidden

    def open(self, name: bytes, envelope: bytes) -> bytes | None:
        """Return the value, or None for what was not sealed so: cut, altered, moved, foreign, of another version."""
        start = len(_VERSION) + _CODE_BYTES
        hidden = envelope[start:]
        code = envelope[len(_VERSION) : start]
        if not envelope.startswith(_VERSION) or not hmac.compare_digest(code, self._code(name, hidden)):
            return None
        return self._veiled(name, hidden)

    def _veiled(self, name: bytes, value: bytes) -> bytes:
        """Encrypt, or decrypt."""
        stream = shake_256(self._key + name).digest(len(value))
        return (int.from_bytes(value, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(value), "big")

    def _code(self, name: bytes, value: bytes) -> bytes:
        return blake2b(len(name).to_bytes(8, "big") + name + value, key=self._key, digest_size=_CODE_BYTES).digest()
