"""The figures of a result: medians, tails, rates, and the rows they are shown in. Pure."""

import statistics
from dataclasses import dataclass

from harness.schedule import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table. `compared`: ours should be the fastest of all in it."""

    key: str
    title: str
    unit: str = "ms"
    compared: bool = False


ROWS = (
    Row(key="vector", title="vector-only search", compared=True),
    Row(key="recall", title="its recall@10 against exact", unit=""),
    Row(key="first_recall", title="recall of the first searches after the load", unit=""),
    Row(key="vector_again", title="vector-only search, question embedded before"),
    Row(key="all_arms", title="all-arms search, hydrated", compared=True),
    Row(key="add", title="single add", compared=True),
    Row(key="search_callers", title="vector-only search of 16 callers at once, a call", compared=True),
    Row(key="add_callers", title="single add of 16 callers at once, an add", compared=True),
    Row(key="bulk", title="bulk add", unit="/s", compared=True),
    Row(key="index_build_s", title="indexes built after it, not in it", unit="s"),
    Row(key="get", title="get", compared=True),
    Row(key="page_first", title="page 1", compared=True),
    Row(key="page_deep", title="page {deep_page}", compared=True),
    Row(key="reopen", title="first search after reopening, imports excluded", compared=True),
    Row(key="reopen_with_imports", title="the same, imports included"),
    Row(key="per_1000_mb", title="resident memory per 1,000 memories", unit="MB"),
    Row(key="held_mb", title="resident memory of the reopened process", unit="MB"),
    Row(key="fsyncs_per_add", title="fsyncs per single add (strace)", unit=""),
)


def figure(result: Result, key: str) -> float | None:
    """Return the figure of a row: the median of its samples, a rate for `bulk`; None when there is none."""
    if key == "recall":
        return statistics.fmean(result.recall) if result.recall else None
    if key == "bulk":
        return result.filled / result.fill_s if result.fill_s else None
    if key in result.figures:
        return result.figures[key]
    samples = result.samples.get(key)
    return statistics.median(samples) if samples else None


def p95(result: Result, key: str) -> float | None:
    """Return the 95th percentile of a row's samples; None for fewer than 20 or where it means nothing."""
    samples = sorted(result.samples.get(key, ()))
    if key == "bulk" or len(samples) < 20:
        return None
    return samples[int(0.95 * (len(samples) - 1) + 0.5)]


def ratio(ours: Result, other: Result, key: str) -> float | None:
    """Return our time over the other's: below 1 we are faster. A rate counts as its time per memory."""
    mine, theirs = figure(ours, key), figure(other, key)
    if not mine or not theirs:
        return None
    return theirs / mine if key == "bulk" else mine / theirs
