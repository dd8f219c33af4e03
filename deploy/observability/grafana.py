"""What a Grafana dashboard is made of, as far as ours need it, and the JSON that Grafana takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

WIDTH = 24
"""Columns of Grafana's grid."""
HEIGHT = 8
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Unit = Literal["short", "s", "bytes", "percentunit", "reqps", "ops", "bool"]


@dataclass(frozen=True)
class Query:
    """`legend` may use labels as {{service}}."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One chart, or with `kind` a row of figures or a table of what the queries say now."""

    title: str
    says: str
    queries: Sequence[Query]
    unit: Unit = "short"
    kind: Literal["timeseries", "stat", "table"] = "timeseries"


@dataclass(frozen=True)
class Row:
    """Panels beside each other, of equal width."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """`choices` are variables: a name, and the query of the values to choose from."""

    uid: str
    title: str
    says: str
    rows: Sequence[Row]
    choices: Sequence[tuple[str, str]] = ()

    def expressions(self) -> Iterator[str]:
        for row in self.rows:
            for panel in row.panels:
                yield from (query.expr for query in panel.queries)

    def json(self) -> str:
        return json.dumps(self._told(), indent=1) + "\n"

    def _told(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.says,
            "tags": ["cauce"],
            "schemaVersion": 39,
            "editable": False,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [_SOURCES, *(_choice(name, query) for name, query in self.choices)]},
            "links": [
                {"type": "dashboards", "title": "Cauce", "tags": ["cauce"], "asDropdown": True, "includeVars": True}
            ],
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[dict[str, Any]]:
        number, y = 0, 0
        for row in self.rows:
            number += 1
            place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
            yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
            y += 1
            width = WIDTH // len(row.panels)
            for column, panel in enumerate(row.panels):
                number += 1
                yield _panel(panel, number, {"x": column * width, "y": y, "w": width, "h": HEIGHT})
            y += HEIGHT


_SOURCES = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,  # whenever the range of time changes
        "sort": 1,
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    now = panel.kind != "timeseries"
    targets = [
        {
            "refId": chr(ord("A") + n),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "instant": now,
            "range": not now,
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for n, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": _unit(panel.unit), "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": targets,
    } | ({"transformations": [{"id": "merge", "options": {}}]} if panel.kind == "table" else {})


def _unit(unit: Unit) -> dict[str, Any]:
    if unit == "bool":
        words = {"0": {"text": "no", "color": "red", "index": 0}, "1": {"text": "yes", "color": "green", "index": 1}}
        return {"unit": "short", "mappings": [{"type": "value", "options": words}]}
    return {"unit": unit, "min": 0}


_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name", "colorMode": "value"},
    "table": {"showHeader": True},
}
