"""The words and questions that rules have read lately, in this process: forgotten when somebody is erased."""

from typing import Final

from context0.llm.extractive_words import _stem
from context0.memory.analysis import _by_rules
from context0.memory.answers import _range
from context0.memory.query import _answer_kind, _runs_of_words, _words
from context0.memory.rules.capitals import is_common, never_a_name
from context0.memory.rules.fact_questions import _asked
from context0.memory.rules.names import entity_key
from context0.memory.rules.supersede import against
from context0.memory.rules.terms import _hash, _term, _terms_of

MEMOISED: Final = (
    *(_stem, _by_rules, _range, _answer_kind, _runs_of_words, _words, _asked, _hash, _term, _terms_of),
    *(against, entity_key, is_common, never_a_name),
)


def forget_words() -> None:
    """Forget all of them, whoever's they are; they are read again in microseconds."""
    for cached in MEMOISED:
        cached.cache_clear()
