"""How a question is read: by rules, and a complex one by a further analyser too, where one is plugged in."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Final, Protocol

from cachetools import TTLCache

from context0.errors import Context0Error
from context0.memory.progress import Progress
from context0.memory.query import SearchRequest
from context0.memory.rules.complexity import is_complex
from context0.memory.rules.query import QueryAnalysis, analyse_query
from stores.blocking import in_thread_if

log = logging.getLogger(__name__)

ANALYSIS: Final = "analysis"
"""The name of this stage in `degraded` and in `timings_ms`."""
LONG_QUESTION: Final = 500
"""Characters from which reading a question, and looking for its words, takes more than about a millisecond."""
_READINGS: Final = 2_048
_READING_S: Final = 3_600.0
_SHARE_OF_DEADLINE: Final = 0.5


class QueryAnalyser(Protocol):
    """Reads questions that the rules cannot read to the end. Safe for concurrent use on one event loop."""

    async def analyse(self, question: str, *, reference: datetime, speakers: Sequence[str]) -> QueryAnalysis:
        """Return what `question` asks for.

        reference: what "yesterday" counts from. speakers: whose words the owner's memories hold; of no others may the
        answer speak. Raises Context0Error: the rules then stand alone.
        """


class QuestionReader:
    """Reads every question by rules (0.1 ms, no I/O), and asks `further` beside that about complex ones only.

    `further` has `deadline_s`, and at most half of what the search has; when it is late or fails, what the rules read
    counts, and the search is told so. Its readings are kept for an hour: asking again costs no call.
    """

    def __init__(
        self,
        further: QueryAnalyser | None = None,
        *,
        deadline_s: float = 2.0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._further = further
        self._deadline_s = deadline_s
        self._readings: TTLCache[object, QueryAnalysis] = TTLCache(_READINGS, _READING_S, timer=timer)

    def forget(self) -> None:
        """Forget all that was read, whoever asked it."""
        self._readings.clear()

    async def read(self, request: SearchRequest, speakers: tuple[str, ...], progress: Progress) -> QueryAnalysis:
        """Return the analysis of the request's question. Never raises Context0Error."""
        reference = _reference(request)
        reading = partial(_by_rules, request.text, reference, speakers)
        by_rules = await in_thread_if(len(request.text) > LONG_QUESTION, reading)
        if self._further is None or not is_complex(request.text, by_rules.range):
            return by_rules
        key = (request.text, reference.date(), reference.tzinfo, speakers)
        known = self._readings.get(key)
        if known is not None:
            return known
        if request.after is not None:  # a further page is read as the first one was
            return by_rules
        started = time.perf_counter()
        try:
            async with asyncio.timeout(min(self._deadline_s, request.deadline_s * _SHARE_OF_DEADLINE)):
                further = await self._further.analyse(request.text, reference=reference, speakers=speakers)
        except (TimeoutError, Context0Error) as exc:
            reason = exc.code if isinstance(exc, Context0Error) else "deadline"
            progress.substituted[ANALYSIS] = reason
            log.warning("search.analysis_by_rules", extra={"reason": reason})
            return by_rules
        finally:
            progress.timed(ANALYSIS, started)
        self._readings[key] = further
        return further


def speakers_named(request: SearchRequest, speakers: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the speakers the question names, by rules."""
    return _by_rules(request.text, _reference(request), speakers).speakers


def _reference(request: SearchRequest) -> datetime:
    """Return what "yesterday" counts from, to the minute: so what was read once is known again."""
    return request.reference_time.replace(second=0, microsecond=0)


@lru_cache(maxsize=2_048)
def _by_rules(text: str, reference: datetime, speakers: tuple[str, ...]) -> QueryAnalysis:
    return analyse_query(text, reference=reference, speakers=speakers, known_entities=())
