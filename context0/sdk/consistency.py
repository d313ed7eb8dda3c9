"""Keeps what the service told of this client's writes, so that every read sees them, whoever answers it. No I/O."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from context0.sdk.requests import Answer

HEADER: Final = "context0-consistency"
_PROCESSES: Final = 8
_REFUSED: Final = b"invalid_consistency_token"


class SeenWrites:
    """The latest token of each of the last eight processes that answered. Safe for several threads.

    A token begins with its process and a number; a greater number of the same process covers the smaller ones.
    """

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._lock = threading.Lock()

    def headers(self) -> Mapping[str, str]:
        """Return what a request says of the writes that it wants to see."""
        with self._lock:
            told = ",".join(token for _, token in self._tokens.values())
        return {HEADER: told} if told else {}

    def take(self, answer: Answer) -> None:
        """Take note of the writes that an answer tells of; forget them all when the service knows them no more."""
        token = answer.headers.get(HEADER, "")
        process, _, rest = token.partition(".")
        number = rest.partition(".")[0]
        with self._lock:
            if answer.status == 400 and _REFUSED in answer.body:
                self._tokens.clear()
            elif number.isdecimal() and len(token) <= 256:
                self._tokens[process] = max(self._tokens.get(process, (0, "")), (int(number), token))
                self._tokens.move_to_end(process)
                if len(self._tokens) > _PROCESSES:
                    self._tokens.popitem(last=False)
