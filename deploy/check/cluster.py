"""overlays/local in a cluster: from nothing to ready, the sample through it, and what its pods take."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devstack import place
from devstack.issuer import ROLES, Issuer, scopes_of
from devstack.services import SERVICES
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from deploy.check import kube, rollout
from deploy.check.images import KAFKA, OFFICIAL, POSTGRES, PYTHON, docker
from deploy.check.images import images as base_images
from deploy.check.kube import LIVE, SECRETS, Cluster, context, namespace, overlay_of
from deploy.check.manifests import Manifest
from deploy.check.report import Failed, Report, Skipped
from sample import history
from sample.load import load as live
from sample.load import selected
from sample.services import Service, Trouble, connect
from sample.story import Story
from sample.verify import differences

NAMES = [service.name for service in SERVICES]
TAG = "verify-deploy"
ONLY_EVERY, UNTIL = 60, 2004
"""Of the sample: each such establishment, up to such a year."""
RACERS = 12
MB = 10**6


@dataclass(frozen=True)
class Up:
    """The overlay as it runs, and where its services are."""

    cluster: Cluster
    urls: Mapping[str, str]

    @property
    def deployments(self) -> list[str]:
        return [f"deployment/{name}-{role}" for name in NAMES for role in ("api", "worker")]

    def services(self) -> dict[str, Service]:
        return {name: connect(name, url, token()) for name, url in self.urls.items()}


def run(report: Report) -> None:
    named = context(LIVE)
    kube.secrets_of_local()
    there = images(report)
    with namespace(named) as cluster, Meter(cluster) as meter:
        up = started(report, cluster, there)
        report.figure("memory of a pod when it has become ready, at most", meter.shown(meter.bytes, MB, "MB"))
        with report.check(
            f"{RACERS} more migrations of one service at once, beside the running service, all succeed"
        ) as check:
            check.found(raced(cluster))
        with report.check(f"The sample passes: each {ONLY_EVERY}th establishment up to {UNTIL}") as check:
            check.found(asyncio.run(journey(up)))
        rollout.run(report, up)
        report.figure("memory of a pod at any time, at most", meter.shown(meter.bytes, MB, "MB"))
        report.figure("processor of a pod in any ten seconds, at most", meter.shown(meter.cores, 1, "cores"))


def images(report: Report) -> list[dict[str, str]]:
    """Builds those of the services, finds those of Postgres and Kafka, and takes all into the nodes; as kustomize wants
    to be told of them. Raises Failed."""
    found = base_images(report)
    stores = {OFFICIAL[variable]: found[variable] for variable in (POSTGRES, KAFKA)}
    ours = {f"cauce-{name}": f"cauce-{name}:{TAG}" for name in NAMES}
    for name in NAMES:
        with report.step(f"building the image of {name}"):
            built(name, found[PYTHON])
    with report.step(f"taking {len(ours) + len(stores)} images into the nodes"):
        kube.load([*ours.values(), *stores.values()])
    return [renamed(there.partition(":")[0], here) for there, here in (ours | stores).items()]


def built(name: str, python: str) -> None:
    """CAUCE_BUILD_NETWORK and CAUCE_BUILD_PIP_CONF say how a build reaches the package index. Raises Failed."""
    told = ["--network", os.environ.get("CAUCE_BUILD_NETWORK", "default")]
    if conf := os.environ.get("CAUCE_BUILD_PIP_CONF"):
        told += ["--secret", f"id=pip.conf,src={conf}"]
    arguments = [f"SERVICE={name}", f"PYTHON_IMAGE={python}"]
    told += [word for each in arguments for word in ("--build-arg", each)]
    docker("build", "--quiet", *told, "--tag", f"cauce-{name}:{TAG}", str(place.root()), seconds=900)


def renamed(name: str, image: str) -> dict[str, str]:
    at, _, tag = image.partition(":")
    return {"name": name, "newName": at, "newTag": tag or "latest"}


def started(report: Report, cluster: Cluster, images: list[dict[str, str]]) -> Up:
    """Raises Failed where it does not come up, Skipped where its services cannot be reached from here."""
    with overlay_of("local", cluster, images=images, patches=kept_nowhere(cluster)) as manifests:
        began = time.monotonic()
        cluster.apply(manifests)
    deployments = [f"deployment/{name}-{role}" for name in NAMES for role in ("api", "worker")]
    with report.check("overlays/local is applied to nothing and becomes ready") as check:
        cluster.rolled_out("statefulset/postgres", "statefulset/kafka", *deployments)
        pods = cluster.items("pods", "--selector=app.kubernetes.io/component in (api, worker)")
        check.found(f"{len(deployments)} deployments of {len(pods)} pods")
    if report.parts[-1].checks[-1].outcome == "fails":
        raise Failed("It did not come up.")
    report.figure("from nothing to ready, images at hand", f"{time.monotonic() - began:.0f} s")
    report.figure("restarts of containers until then", str(restarts(pods)))
    services = {each["metadata"]["name"]: each["spec"]["clusterIP"] for each in cluster.items("services")}
    urls = {name: f"http://{services[f'{name}-api']}" for name in NAMES}
    for name, url in urls.items():
        try:
            socket.create_connection((url.removeprefix("http://"), 80), timeout=5).close()
        except OSError as error:
            raise Skipped(
                f"The address of {name}'s Service cannot be reached from here ({error}): run the check on a node of the"
                " cluster, for requests have to go by its Services."
            ) from None
    return Up(cluster, urls)


def restarts(pods: list[Manifest]) -> int:
    return sum(each["restartCount"] for pod in pods for each in pod["status"].get("containerStatuses", ()))


def kept_nowhere(cluster: Cluster) -> list[dict[str, Any]]:
    """Where the cluster has no storage to give, data lies in the pods."""
    default = "storageclass.kubernetes.io/is-default-class"
    if any(each["metadata"].get("annotations", {}).get(default) == "true" for each in cluster.items("storageclasses")):
        return []
    change = [
        {"op": "remove", "path": "/spec/volumeClaimTemplates"},
        {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {"name": "data", "emptyDir": {}}},
    ]
    return [{"target": {"kind": "StatefulSet"}, "patch": json.dumps(change)}]


def raced(cluster: Cluster) -> str:
    """The migration's own job, many at once. Raises Failed."""
    rendered = next(each for each in cluster.items("jobs") if each["metadata"]["name"] == "partner-migrate")
    template = rendered["spec"]["template"]
    for label in [name for name in template["metadata"]["labels"] if "job-name" in name or "controller-uid" in name]:
        del template["metadata"]["labels"][label]
    template["spec"]["restartPolicy"] = "Never"
    spec = {"parallelism": RACERS, "completions": RACERS, "backoffLimit": 0, "template": template}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "race"}, "spec": spec}
    cluster.kubectl("create", "--filename", "-", stdin=json.dumps(job))
    cluster.kubectl("wait", "job/race", "--for=condition=Complete", "--timeout=180s")
    done = cluster.get("job/race")["status"]
    if done.get("succeeded") != RACERS or done.get("failed"):
        raise Failed(json.dumps(done))
    return f"{RACERS} of {RACERS}"


async def journey(up: Up) -> str:
    """Lives through a part of the sample and compares what came of it. Raises Failed."""
    reports = selected(ONLY_EVERY, UNTIL)
    async with contextlib.AsyncExitStack() as stack:
        services = up.services()
        for service in services.values():
            await stack.enter_async_context(service.client)
        try:
            await live(services, history.years(reports), Story(Console(quiet=True)))
            counted, found = await differences(services, reports)
        except Trouble as trouble:
            raise Failed(str(trouble)) from trouble
    if found:
        raise Failed("\n".join(found))
    return "compared with plain Python: " + ", ".join(f"{count} {what}" for what, count in counted.items())


def token() -> str:
    """Of somebody who may do everything; the issuer is the local overlay's own."""
    scopes = {scope for role in ROLES for scope in scopes_of(role)}
    return Issuer(SECRETS / "issuer").mint("verify-deploy", scopes, ttl=4 * 3600)


class Meter:
    """What the pods of each role take, asked of the kubelets every ten seconds; the highest of each."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self._failed: Exception | None = None
        self._seen: dict[str, tuple[float, float]] = {}
        self.bytes: dict[str, float] = {}
        self.cores: dict[str, float] = {}

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        try:
            nodes = [node["metadata"]["name"] for node in self._cluster.items("nodes")]
            while not self._ended.wait(10):
                for node in nodes:
                    self._take(self._cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics/resource"))
        except Exception as error:  # noqa: BLE001 - told where the figures are wanted
            self._failed = error

    def _take(self, metrics: str) -> None:
        now = time.monotonic()
        for family in text_string_to_metric_families(metrics):
            for sample in family.samples:
                if sample.labels.get("namespace") != self._cluster.namespace:
                    continue
                pod, role = sample.labels["pod"], role_of(sample.labels["pod"])
                if sample.name == "pod_memory_working_set_bytes":
                    self.bytes[role] = max(sample.value, self.bytes.get(role, 0))
                elif sample.name == "pod_cpu_usage_seconds_total":
                    before, at = self._seen.get(pod, (sample.value, now - 1))
                    self.cores[role] = max((sample.value - before) / (now - at), self.cores.get(role, 0))
                    self._seen[pod] = sample.value, now

    def shown(self, of: dict[str, float], unit: float, name: str) -> str:
        """Raises Failed where nothing could be measured."""
        if self._failed is not None or not of:
            raise Failed(f"The kubelets told nothing of what pods take: {self._failed}")
        return ", ".join(f"{role} {most / unit:.3g} {name}" for role, most in sorted(of.items()))


def role_of(pod: str) -> str:
    """`partner-api-7d9f-x` is one of the pods of partner-api, `postgres-0` of postgres."""
    return "-".join(pod.split("-")[:2]) if pod.split("-")[0] in NAMES else pod.split("-")[0]
