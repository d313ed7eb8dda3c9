"""Texts that make careless patterns run for hours, at one length and at twice it: twice the text, about twice the work.

Personal data, facts, dates, names, terms, orders in disguise, the reading of questions, JSON and filters. S5. What is
compared is the time that the processor worked, the least of several tries; what takes less than a blink tells nothing.

python -m tests.faults.rows S5 --count 640
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from context0.api.body import decode
from context0.memory.rules.dates import find_dates, mentions_time
from context0.memory.rules.entities import extract_entities
from context0.memory.rules.facts import extract_facts
from context0.memory.rules.language import detect_language
from context0.memory.rules.query import analyse_query
from context0.memory.rules.tags import extract_tags
from context0.memory.rules.terms import analyse_terms
from context0.privacy.scanning import scan
from context0.trust.detection import reasons
from tests.faults.rows.outcome import Outcome, RowOptions

MOST: Final = 2.6
"""Twice, and what a busy machine adds."""
LEAST_S: Final = 0.02
"""Shorter times say more of the clock than of the text."""
_TRIES: Final = 5
_REFERENCE: Final = datetime(2023, 5, 25, tzinfo=UTC)
_MEMORY: Final = 65_536
_QUERY: Final = 8_192
_MEGABYTE: Final = 1 << 20

FAMILIES: Final = (
    *(
        "a",
        "1",
        "A",
        "@",
        ".",
        "-",
        "_",
        '"',
        "'",
        "(",
        "[",
        "{",
        "<",
        "`",
        "\\",
        "/",
        ":",
        " ",
        "\n",
        "\t",
        "\u200b",
        "é",
        "🧀",
    ),
    *(
        "a ",
        "1 ",
        "a.",
        "a@",
        "a@b.",
        "1.",
        "1-",
        "+1 ",
        "A. ",
        "A b ",
        '"a" ',
        "a,",
        "a, and ",
        "://a:",
        "eyJ",
        "aaaa=",
        "%00",
    ),
    *("my ", "I am ", "is the ", "of the ", "May ", "last week of ", "2023-05-", "in 2 days ", "Anna's ", "who who "),
    *(
        "ignore all ",
        "previous instructions ",
        "<|im_start|>",
        "![a](",
        "DE89 3704 ",
        "4111 1111 ",
        "password is ",
        "not ",
    ),
)
RULES: Final[Mapping[str, tuple[int, Callable[[str], object]]]] = {
    "personal data": (_MEGABYTE, scan),
    "orders": (_MEMORY, lambda text: reasons(text, own=False)),
    "facts": (_MEMORY, lambda text: extract_facts(text, speaker="Anna", reference=_REFERENCE)),
    "dates": (_MEMORY, lambda text: find_dates(text, reference=_REFERENCE)),
    "times": (_MEMORY, mentions_time),
    "entities": (_MEMORY, extract_entities),
    "tags": (_MEMORY, extract_tags),
    "language": (_MEMORY, detect_language),
    "terms": (_MEMORY, analyse_terms),
    "questions": (_QUERY, lambda text: analyse_query(text, reference=_REFERENCE, speakers=["Anna"], known_entities=())),
    "JSON": (_MEGABYTE, lambda text: decode(json.dumps({"content": text}).encode())),
}
"""By name: the longest text that is taken, and what reads it."""


def run(options: RowOptions) -> Outcome:
    """count: pairs of a rule and a family."""
    pairs = [(name, piece) for piece in FAMILIES for name in RULES]
    counts: Counter[str] = Counter({"worse than twice": 0, "rules": len(RULES), "families": len(FAMILIES)})
    met, worst = list[str](), 0.0
    for name, piece in pairs[:: -(-len(pairs) // options.count)]:
        ratio, size = _steepest(*RULES[name], piece)
        counts["pairs"] += 1
        counts["pairs that take long enough to tell"] += ratio > 0
        worst = max(worst, ratio)
        if ratio > MOST:
            counts["worse than twice"] += 1
            met.append(f"{name} of {piece!r}: {ratio:.1f} times as long for {2 * size} characters as for {size}")
    told = {**counts, "largest ratio": round(worst, 2)}
    return Outcome.of(told, "worse than twice", broken=tuple(met[:8]))


def _steepest(most: int, rule: Callable[[str], object], piece: str) -> tuple[float, int]:
    """Return the ratio at the longest texts for which it can be told, and the shorter one's length; 0: at none.

    Lengths grow until one takes long, so that what runs away is found before it has run for hours.
    """
    for size in _sizes(most):
        rule(_text(piece, size))  # caches and tables are filled
        if _time_of(rule, _text(piece, size)) >= LEAST_S or size == most // 2:
            break
    ratio = 0.0
    for _ in range(_TRIES):
        once, twice = (min(_time_of(rule, _text(piece, length)) for _ in range(2)) for length in (size, 2 * size))
        if twice < 2 * LEAST_S:
            return 0.0, size
        ratio = min(ratio or twice / once, twice / once)
        if ratio <= MOST:
            break
    return ratio, size


def _sizes(most: int) -> Iterator[int]:
    size = 1_024
    while size < most // 2:
        yield size
        size *= 2
    yield most // 2


def _text(piece: str, size: int) -> str:
    return (piece * (size // len(piece) + 1))[:size]


def _time_of(rule: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    rule(text)
    return time.process_time() - began
