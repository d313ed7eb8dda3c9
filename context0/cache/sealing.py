"""Values as they stand in a shared cache: encrypted by AES-GCM, so that who has no key can neither read nor make one.

A name is a digest of all that a value depends on: a text, an owner's word. The cache is told a hash of it, and values
are encrypted with a key made of it. So what is forgotten there is what the names were made of: when the text is erased,
or the owner's word replaced, nobody can find or read what lies there until its time is over, in a dump neither.
"""

import os
from hashlib import blake2b
from typing import Final

_VERSION: Final = b"c0\x03"
_NONCE_BYTES: Final = 12
_LEAST_KEY_BYTES: Final = 16
_KEY_BYTES: Final = 32
_PLACE_BYTES: Final = 32


class Seal:
    """Makes and opens envelopes. A value is bound to its name: put under another one it is as worthless as garbage."""

    def __init__(self, key: bytes) -> None:
        """key: at least 16 bytes that only the processes of one store know."""
        if len(key) < _LEAST_KEY_BYTES:
            raise ValueError("a key of at least 16 bytes is needed")
        from cryptography.exceptions import InvalidTag  # here, since few have a shared cache: 25 ms
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher, self._forged = AESGCM, InvalidTag
        self._key = blake2b(key, person=b"context0 cache").digest()

    def place(self, name: bytes) -> str:
        """Return the key under which the store has it; the name cannot be told from it."""
        return blake2b(name, key=self._key, digest_size=_PLACE_BYTES, person=b"context0 place").hexdigest()

    def close(self, name: bytes, value: bytes) -> bytes:
        """Return the envelope of `value` under `name`: 31 bytes more; 12 us, and half a microsecond a kilobyte."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher(self._key_of(name)).encrypt(nonce, value, None)

    def open(self, name: bytes, envelope: bytes) -> bytes | None:
        """Return the value, or None for what was not sealed so: cut, altered, moved, foreign, of another version."""
        start = len(_VERSION) + _NONCE_BYTES
        if not envelope.startswith(_VERSION) or len(envelope) < start:
            return None
        try:
            return self._cipher(self._key_of(name)).decrypt(envelope[len(_VERSION) : start], envelope[start:], None)
        except self._forged:
            return None

    def _key_of(self, name: bytes) -> bytes:
        return blake2b(name, key=self._key, digest_size=_KEY_BYTES, person=b"context0 value").digest()
