"""The manifests as a cluster would get them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.check.report import HERE
from deploy.check.tools import call, found, tool

K8S = HERE / "k8s"
OVERLAYS = ("local", "production")
Manifest = Mapping[str, Any]


@cache
def rendered(overlay: Path) -> str:
    """By kubectl, or by kustomize itself. Raises Failed."""
    kubectl = found("kubectl")
    return call(kubectl, "kustomize", overlay) if kubectl else call(tool("kustomize"), "build", overlay)


def manifests(overlay: str) -> list[Manifest]:
    return [each for each in yaml.load_all(rendered(K8S / "overlays" / overlay), yaml.CSafeLoader) if each]


def pod_of(manifest: Manifest) -> Manifest | None:
    """The pod's template of whatever makes pods."""
    template: Manifest | None = manifest.get("spec", {}).get("template")
    return template if manifest["kind"] in ("Deployment", "StatefulSet", "Job") else None


def containers_of(pod: Manifest) -> Iterator[Manifest]:
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def named(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of_kind(kind: str, among: Sequence[Manifest]) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in among if each["kind"] == kind}
