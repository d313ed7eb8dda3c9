"""Work of several callers that one function does at once, and the order in which works are done."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Generic, TypeVar

import apsw

G = TypeVar("G")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Joined(Generic[G, T]):
    """A work of which those that wait together are one call: `func` takes what each is given, and returns in their
    order what each has for an outcome, or an exception.
    """

    func: Callable[[Sequence[G], apsw.Connection], Sequence[T | Exception]]
    given: G

    def __call__(self, connection: apsw.Connection) -> T:
        """Do it alone."""
        (outcome,) = self.func([self.given], connection)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def outcomes_of(works: Sequence[Any], connection: apsw.Connection) -> Iterator[Any]:
    """Yield the outcome of each work, in order; what an unjoined one raises is raised."""
    for func, run in groupby(works, key=lambda work: work.func if isinstance(work, Joined) else None):
        if func is None:
            for work in run:
                yield work(connection)
        else:
            yield from func([work.given for work in run], connection)
