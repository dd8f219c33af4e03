"""What the services measure, as tables: `python -m service.metrics_catalogue partner ...` makes docs/metrics.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.metrics import Registry
from fastapi import FastAPI
from prometheus_client.metrics import MetricWrapperBase

from service.matrix import line, unstarted

HEAD = """\
# Metrics

Made from the services' own declarations by `make docs`; do not edit. Every service has them at `/metrics`, without a
token. What is wrong when one of them says so: the alerts and their runbooks in [operations.md](operations.md).

A histogram of the name `x` is the series `x_bucket` (with the label `le`), `x_sum` and `x_count`. Lag, parked streams
and overdue timers are of the service and not of the process: each process tells what the database says, so take the
highest. All other figures are the process's own: add them up. The labels `job`, `service` and `instance` are the
scraper's; see [deploy/observability](../deploy/observability/README.md).
"""

UNITS = {"seconds": "seconds", "bytes": "bytes", "ratio": "0 to 1", "info": "always 1"}


@dataclass(frozen=True, order=True)
class Metric:
    """A metric by the name it is asked for (a histogram's is the stem of its series), and the labels of its own."""

    name: str
    kind: str
    labels: tuple[str, ...]
    says: str

    @property
    def unit(self) -> str:
        either = "0 or 1" if self.says.startswith("1 ") else "count"
        return UNITS.get(self.name.removesuffix("_total").rpartition("_")[2], either)

    @property
    def series(self) -> dict[str, tuple[str, ...]]:
        """What can be asked for, and the labels that it has."""
        if self.kind != "histogram":
            return {self.name: self.labels}
        bucket = {f"{self.name}_bucket": (*self.labels, "le")}
        return bucket | {f"{self.name}_{part}": self.labels for part in ("sum", "count")}


def metrics_of(app: FastAPI) -> Iterator[Metric]:
    """Those that its process has, whether anything was measured yet or not."""
    registry: Registry = app.state.engine.registry
    for collector in registry.collectors:
        # The labels of what was never measured are only there.
        labels = collector._labelnames if isinstance(collector, MetricWrapperBase) else ()
        for family in collector.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Metric(name, family.type, tuple(labels), family.documentation)


def by_service(apps: Iterable[FastAPI]) -> dict[str, set[Metric]]:
    return {app.state.service: set(metrics_of(app)) for app in apps}


def page(apps: Iterable[FastAPI]) -> str:
    found = by_service(apps)
    shared = set.intersection(*found.values())
    told = HEAD + _section("Every service", shared)
    for service, metrics in found.items():
        if own := metrics - shared:
            told += _section(f"{service} only", own)
    return told


def _section(title: str, metrics: Iterable[Metric]) -> str:
    head = line(["metric", "type", "labels", "unit", "what it says"]) + line(["---"] * 5)
    rows = [line([f"`{m.name}`", m.kind, _labels(m), m.unit, m.says]) for m in sorted(metrics)]
    return f"\n## {title}\n\n{head}{''.join(rows)}"


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels)


if __name__ == "__main__":
    sys.stdout.write(page(unstarted(sys.argv[1:])))
