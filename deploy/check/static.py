"""What needs neither an engine nor a cluster: the files, rendered and held against schemas, rules and linters."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from devstack import place

from deploy.check.kube import secrets_of_local
from deploy.check.manifests import K8S, OVERLAYS, rendered
from deploy.check.report import HERE, Failed, Report
from deploy.check.tools import KUBERNETES, call, schemas, tool
from deploy.observability.operator import HEAD

LINE = 120
CRITICAL = 1
ACCEPTED = {
    "container-ephemeral-storage-request-and-limit": "roots are read-only, and each emptyDir has its sizeLimit",
    "container-image-pull-policy": "images are named by digest, or by a tag that never moves",
    "container-resources": "a limit on processor time would halt a process beside a core that is free",
    "container-security-context-user-group-id": "official images say which account is theirs; it is below 10,000",
    "networkpolicy-targets-pod": "the pods of Postgres and Kafka are made by their operators",
    "pod-probes-identical": "there is one question that a probe can ask Postgres or Kafka",
}
"""What kube-score finds critical and is so on purpose."""


def run(report: Report) -> None:
    secrets_of_local()
    with report.check("YAML has no line over 120 characters and no key twice") as check:
        check.found(f"{read_strictly()} files")
    for overlay in OVERLAYS:
        folder = K8S / "overlays" / overlay
        with report.check(f"overlays/{overlay} renders and fits the schemas of Kubernetes {KUBERNETES}") as check:
            check.found(conforms(rendered(folder)))
        with report.check(f"overlays/{overlay}: kube-score has nothing critical to say") as check:
            check.found(scored(rendered(folder)))
    with report.check("The rules of deploy/tests hold for what is rendered") as check:
        check.found(ruled())
    with report.check("hadolint has nothing to say to the Dockerfile") as check:
        call(tool("hadolint"), place.root() / "Dockerfile")
        check.found("no finding")


def read_strictly() -> int:
    """How many files. Raises Failed."""
    wrong = [sentence for file in files() for sentence in objections(file)]
    if wrong:
        raise Failed("\n".join(wrong))
    return len(list(files()))


def files() -> Iterator[Path]:
    yield from sorted(file for kind in ("*.yaml", "*.yml") for file in HERE.rglob(kind))
    yield from sorted(place.root().glob("docker-compose*.yml"))


def objections(file: Path) -> Iterator[str]:
    shown = file.relative_to(place.root())
    made = file.read_text().startswith(HEAD)
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if len(line) > LINE and not made:
            yield f"{shown}:{number}: {len(line)} characters"
    try:
        for document in yaml.compose_all(file.read_text(), yaml.CSafeLoader):
            yield from (f"{shown}:{where}: the key {key} is there twice" for where, key in doubled(document))
    except yaml.YAMLError as error:
        yield f"{shown}: {error}"


def doubled(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that are in a mapping twice, of which a parser keeps one and says nothing."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, key.value
            seen.add(key.value)
            yield from doubled(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from doubled(each)


def conforms(manifests: str) -> str:
    """Raises Failed."""
    if not schemas().is_dir():
        raise Failed("There are no schemas in .devstack/tools: run `python -m deploy.check tools`.")
    told = call(
        tool("kubeconform"),
        "-strict",
        "-summary",
        "-kubernetes-version",
        KUBERNETES,
        "-schema-location",
        f"{schemas()}/{{{{.NormalizedKubernetesVersion}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
        "-schema-location",
        f"{schemas()}/{{{{.Group}}}}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json",
        "-",
        stdin=manifests,
    )
    counted = re.search(r"Valid: (\d+), Invalid: 0, Errors: 0, Skipped: 0", told)
    if counted is None:
        raise Failed(told)
    return f"{counted[1]} manifests"


def scored(manifests: str) -> str:
    """Raises Failed."""
    told = json.loads(call(tool("kube-score"), "score", "--output-format", "json", "-", stdin=manifests, ok=(0, 1)))
    critical = [
        f"{each['object_name']}: {check['check']['id']}: {check['comments']}"
        for each in told
        for check in each["checks"]
        if check["grade"] == CRITICAL and not check["skipped"] and check["check"]["id"] not in ACCEPTED
    ]
    if critical:
        raise Failed("\n".join(critical))
    return f"{len(told)} objects; accepted, with reasons in deploy/check/static.py: {', '.join(ACCEPTED)}"


def ruled() -> str:
    """Raises Failed."""
    told = call(sys.executable, "-m", "pytest", "-n0", "-q", HERE / "tests", cwd=place.root())
    return told.strip().splitlines()[-1]
