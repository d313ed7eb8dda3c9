"""What is memoised of texts is forgotten with whom it was of: a new memoised function cannot be left out. S17."""

import gc
from functools import _lru_cache_wrapper

import context0.api.opening
import context0.cli.application
import context0.evaluation.runner
import context0.sdk.client
import context0.tasks.worker  # noqa: F401 - so that all of these are loaded, with what they import
from context0.memory.word_caches import MEMOISED, forget_words

OF_NO_TEXT = frozenset({"_index_state", "_executor", "_is_program", "_openers"})


def test_every_memoised_function_of_texts_is_in_the_list() -> None:
    ours = [
        found
        for found in gc.get_objects()
        if isinstance(found, _lru_cache_wrapper) and found.__module__.startswith(("context0", "stores"))
    ]
    assert {found for found in ours if found.__name__ not in OF_NO_TEXT} == set(MEMOISED)


def test_they_are_empty_when_they_have_forgotten() -> None:
    forget_words()
    assert [cached.cache_info().currsize for cached in MEMOISED] == [0] * len(MEMOISED)
