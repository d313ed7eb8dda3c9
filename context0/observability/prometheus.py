"""What was measured as Prometheus reads it, by a registry of its own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from context0.observability.measurements import Reading, TimingReading
from context0.observability.metrics import METRICS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_MS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)
"""Upper bounds of the histograms. A duration within 1 % of one may count on its other side."""


def page(reading: Reading, versions: Mapping[str, str], tasks: int) -> bytes:
    """Return the text of /metrics: everything that is measured, and the process. 0.2 ms a series: for a thread."""
    registry = CollectorRegistry()
    registry.register(_Measured(reading, versions, tasks))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Measured(Collector):
    def __init__(self, reading: Reading, versions: Mapping[str, str], tasks: int) -> None:
        self._reading = reading
        self._versions = versions
        self._tasks = tasks

    def describe(self) -> list[Metric]:
        """Nothing: what there is depends on what was measured."""
        return []

    def collect(self) -> Iterator[Metric]:
        for name, series in self._reading.timings.items():
            yield from _timing(name, series)
        for name, counted in self._reading.counters.items():
            counter = CounterMetricFamily(name, METRICS[name].says, labels=METRICS[name].labels)
            for labels, value in counted.items():
                counter.add_metric(labels, value)
            yield counter
        for name, told in self._reading.gauges.items():
            gauge = GaugeMetricFamily(name, METRICS[name].says, labels=METRICS[name].labels)
            for labels, value in told.items():
                gauge.add_metric(labels, value)
            yield gauge
        yield from self._caches()
        yield from self._process()

    def _caches(self) -> Iterator[Metric]:
        hits = CounterMetricFamily("context0_cache_hits", "Asks of a cache that it answered", labels=["cache"])
        misses = CounterMetricFamily(
            "context0_cache_misses", "Asks of a cache that it could not answer", labels=["cache"]
        )
        evictions = CounterMetricFamily(
            "context0_cache_evictions", "Entries pushed out by newer ones", labels=["cache"]
        )
        entries = GaugeMetricFamily("context0_cache_entries", "Entries that a cache holds", labels=["cache"])
        held = GaugeMetricFamily("context0_cache_bytes", "Bytes that a cache holds; 0: not counted", labels=["cache"])
        for name, reading in self._reading.caches.items():
            hits.add_metric([name], reading.hits)
            misses.add_metric([name], reading.misses)
            evictions.add_metric([name], reading.evictions)
            entries.add_metric([name], reading.entries)
            held.add_metric([name], reading.bytes)
        yield from (hits, misses, evictions, entries, held)

    def _process(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("context0_uptime_seconds", "Since the start", value=self._reading.uptime_s)
        yield GaugeMetricFamily("context0_tasks", "Tasks of the event loop", value=self._tasks)
        about = GaugeMetricFamily("context0_versions", "Always 1; versions are the labels", labels=list(self._versions))
        about.add_metric(list(self._versions.values()), 1)
        yield about


def _timing(name: str, series: Sequence[TimingReading]) -> Iterator[Metric]:
    metric = METRICS[name]
    seconds = HistogramMetricFamily(f"{name}_seconds", metric.says, labels=metric.labels)
    failures = CounterMetricFamily(f"{name}_failures", f"{metric.says}: those that failed", labels=metric.labels)
    slow = CounterMetricFamily(f"{name}_slow", f"{metric.says}: those that were slow", labels=metric.labels)
    for timing in series:
        whole = timing.whole()
        counts = whole.up_to(BOUNDS_MS)
        buckets = [(f"{bound / 1000:g}", float(count)) for bound, count in zip(BOUNDS_MS, counts, strict=True)]
        seconds.add_metric(timing.labels, [*buckets, ("+Inf", float(whole.count))], sum_value=whole.total / 1000)
        failures.add_metric(timing.labels, whole.failures)
        slow.add_metric(timing.labels, timing.slow)
    yield seconds
    yield failures
    if metric.slow != "never":
        yield slow
