"""Whether a write was begun before its owner was erased: then it comes too late, and must leave nothing.

`begun_s` of a write is the `time.time()` of its own machine when the work began that leads to it: a request, a turn of
a chat, a message that waits in a journal. None, or nothing, is now. It is never compared with another machine's clock.
"""

from hashlib import blake2b
from typing import Final

from stores.errors import Erased

_REFUSAL: Final = "the owner was erased after this write had begun: nothing of it is kept; begin it anew"


def digest_of(owner: str) -> str:
    """Return under what an erasure is remembered: no name outlives it."""
    return blake2b(owner.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def is_late(begun_s: float | None, erased_s: float | None, now_s: float) -> bool:
    """Say whether the erasure came after the beginning; one that lies ahead, as the clock was set back, does not count.

    All three by the same clock.
    """
    return begun_s is not None and erased_s is not None and begun_s < erased_s <= now_s


def refusal() -> Erased:
    return Erased(_REFUSAL)
