"""A cluster that the caller has named, and what is applied to it: in a namespace of its own, gone at the end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from devstack import place

from deploy.check.manifests import K8S, Manifest
from deploy.check.report import Failed, Skipped
from deploy.check.tools import call, tool

SECRETS = K8S / "overlays" / "local" / "secrets"
LIVE, SCRATCH, LOAD = "CAUCE_VERIFY_CLUSTER", "CAUCE_VERIFY_SCRATCH", "CAUCE_VERIFY_LOAD"


@dataclass(frozen=True)
class Cluster:
    """By its context, which every single call names."""

    context: str
    namespace: str

    def kubectl(self, *words: str | Path, stdin: str | None = None) -> str:
        """Raises Failed."""
        return call(tool("kubectl"), "--context", self.context, "--namespace", self.namespace, *words, stdin=stdin)

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def items(self, *words: str) -> list[Manifest]:
        found: list[Manifest] = self.get(*words)["items"]
        return found

    def apply(self, manifests: str) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=manifests)

    def rolled_out(self, *deployments: str, seconds: int = 300) -> None:
        """Waits until each is there in full and nothing of the one before it is. Raises Failed, with why."""
        for each in deployments:
            try:
                self.kubectl("rollout", "status", each, f"--timeout={seconds}s")
            except Failed as failed:
                raise Failed(f"{failed}\n{self.trouble()}") from None

    def trouble(self) -> str:
        """What pods that are not ready say of themselves, and the last lines of those that ended badly."""
        told = [self.kubectl("get", "pods", "--output", "wide")]
        for pod in self.items("pods"):
            name, status = pod["metadata"]["name"], pod["status"]
            for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
                if each.get("restartCount") or (not each["ready"] and "running" not in each["state"]):
                    told.append(f"{name}/{each['name']}: {json.dumps(each['state'])}")
                    told.append(self._last_words(name, each["name"], again=bool(each.get("restartCount"))))
        return "\n".join(told[:24])

    def _last_words(self, pod: str, container: str, *, again: bool) -> str:
        try:
            return self.kubectl("logs", pod, "--container", container, "--tail=8", *(["--previous"] if again else []))
        except Failed as failed:
            return str(failed)


def secrets_of_local() -> None:
    """What overlays/local is rendered with, made where it is not there yet."""
    call(sys.executable, "-m", "devstack.secret_files", SECRETS, "postgres:5432", cwd=place.root())


def context(variable: str) -> str:
    """The one that the caller named. Raises Skipped."""
    named = os.environ.get(variable)
    if not named:
        raise Skipped(f"{variable} names no cluster (a context of kubectl): nothing is touched that was not named.")
    return named


@contextmanager
def namespace(context: str) -> Iterator[Cluster]:
    """One that nobody else has; it goes with all that is in it."""
    cluster = Cluster(context, f"cauce-verify-{secrets.token_hex(3)}")
    try:
        yield cluster
    finally:
        if os.environ.get("CAUCE_VERIFY_KEEP") != "1":
            cluster.kubectl("delete", "namespace", cluster.namespace, "--ignore-not-found", "--timeout=180s")


@contextmanager
def overlay_of(name: str, cluster: Cluster, **more: Any) -> Iterator[str]:
    """An overlay as it is, in the cluster's namespace and with what more a kustomization says; rendered."""
    (place.run() / "deploy").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=place.run() / "deploy"))
    try:
        base = os.path.relpath(K8S / "overlays" / name, folder)
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": cluster.namespace,
            "resources": [base],
            **more,
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        yield call(tool("kubectl"), "kustomize", folder)
    finally:
        shutil.rmtree(folder)


def load(images: Sequence[str]) -> None:
    """Takes images from the engine into the cluster's nodes, as the caller says. Raises Failed."""
    command = os.environ.get(LOAD)
    if not command:
        return
    with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:  # noqa: S603, S607
        done = subprocess.run(  # noqa: S602 - the caller's own command
            command, shell=True, stdin=saving.stdout, capture_output=True, text=True, check=False
        )
    if done.returncode or saving.returncode:
        raise Failed(f"{LOAD} did not take the images: {done.stderr.strip() or done.stdout.strip()}")
