"""Our rules as the Prometheus operator takes them: `python -m deploy.observability.operator` writes the object (`make
docs` does it). kustomize puts the dashboards beside it as they are."""

from __future__ import annotations

from pathlib import Path

import yaml

from deploy.observability.alerting import FILES

FILE = Path(__file__).with_name("prometheus-rules.yaml")
HEAD = "# Made of rules/*.yaml by `make docs`.\n"


def text() -> str:
    groups = [group for file in FILES for group in yaml.safe_load(file.read_text())["groups"]]
    rules = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "cauce"},
        "spec": {"groups": groups},
    }
    return HEAD + yaml.safe_dump(rules, sort_keys=False, width=80)


if __name__ == "__main__":
    FILE.write_text(text())
