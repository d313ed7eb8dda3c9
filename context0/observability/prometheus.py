"""What was measured as Prometheus reads it, by a registry of its own."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from context0.observability.measurements import Measurements, Timing
from context0.observability.metrics import METRICS
from context0.observability.process import read_process

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_MS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)
"""Upper bounds of the histograms. A duration within 1 % of one may count on its other side."""


class PrometheusPage:
    """The text of /metrics: everything that is measured, and the process. A page of 100 series costs about 5 ms."""

    def __init__(self, measurements: Measurements, versions: dict[str, str]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Measured(measurements, versions))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Measured(Collector):
    def __init__(self, measurements: Measurements, versions: dict[str, str]) -> None:
        self._measurements = measurements
        self._versions = versions

    def describe(self) -> list[Metric]:
        """Nothing: what there is depends on what was measured."""
        return []

    def collect(self) -> Iterator[Metric]:
        for name, metric in METRICS.items():
            match metric.kind:
                case "timing":
                    yield from self._timing(name)
                case "counter":
                    counter = CounterMetricFamily(name, metric.says, labels=metric.labels)
                    for labels, value in self._measurements.counters(name).items():
                        counter.add_metric(labels, value)
                    yield counter
                case "gauge":
                    gauge = GaugeMetricFamily(name, metric.says, labels=metric.labels)
                    for labels, value in self._measurements.gauges(name).items():
                        gauge.add_metric(labels, value)
                    yield gauge
        yield from self._caches()
        yield from self._process()

    def _timing(self, name: str) -> Iterator[Metric]:
        metric = METRICS[name]
        seconds = HistogramMetricFamily(f"{name}_seconds", metric.says, labels=metric.labels)
        failures = CounterMetricFamily(f"{name}_failures", f"{metric.says}: those that failed", labels=metric.labels)
        slow = CounterMetricFamily(f"{name}_slow", f"{metric.says}: those that were slow", labels=metric.labels)
        for labels, timing in self._measurements.timings(name):
            _add_histogram(seconds, labels, timing)
            failures.add_metric(labels, timing.whole().failures)
            slow.add_metric(labels, timing.slow)
        yield seconds
        yield failures
        if metric.slow != "never":
            yield slow

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
        for name, reading in self._measurements.caches().items():
            hits.add_metric([name], reading.hits)
            misses.add_metric([name], reading.misses)
            evictions.add_metric([name], reading.evictions)
            entries.add_metric([name], reading.entries)
            held.add_metric([name], reading.bytes)
        yield from (hits, misses, evictions, entries, held)

    def _process(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("context0_uptime_seconds", "Since the start", value=self._measurements.uptime_s)
        yield GaugeMetricFamily("context0_tasks", "Tasks of the event loop", value=read_process().tasks)
        about = GaugeMetricFamily("context0_versions", "Always 1; versions are the labels", labels=list(self._versions))
        about.add_metric(list(self._versions.values()), 1)
        yield about


def _add_histogram(family: HistogramMetricFamily, labels: tuple[str, ...], timing: Timing) -> None:
    whole = timing.whole()
    counts = whole.up_to(BOUNDS_MS)
    buckets = [(f"{bound / 1000:g}", float(count)) for bound, count in zip(BOUNDS_MS, counts, strict=True)]
    family.add_metric(labels, [*buckets, ("+Inf", float(whole.count))], sum_value=whole.total / 1000)
