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
        report.figure("memory of a pod that idles, by role", meter.shown(memory=True))
        with report.check(
            f"{RACERS} more migrations of one service at once, beside the running service, all succeed"
        ) as check:
            check.found(raced(cluster))
        with report.check(f"The sample passes: each {ONLY_EVERY}th establishment up to {UNTIL}") as check:
            check.found(asyncio.run(journey(up)))
        rollout.run(report, up)
        report.figure("memory of a pod, the highest of both, by role", meter.shown(memory=True))
        report.figure("processor of a pod, the highest 10 s of both, by role", meter.shown(memory=False))


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
        self._highest: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        nodes = [node["metadata"]["name"] for node in self._cluster.items("nodes")]
        while not self._ended.wait(10):
            for node in nodes:
                told = json.loads(self._cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
                for pod in told["pods"]:
                    if pod["podRef"]["namespace"] == self._cluster.namespace:
                        self._take(pod)

    def _take(self, pod: Mapping[str, Any]) -> None:
        role = role_of(pod["podRef"]["name"])
        memory, cpu = self._highest.get(role, (0, 0))
        memory = max(memory, pod.get("memory", {}).get("workingSetBytes", 0))
        self._highest[role] = memory, max(cpu, pod.get("cpu", {}).get("usageNanoCores", 0))

    def shown(self, *, memory: bool) -> str:
        """Raises Failed where nothing could be measured."""
        if not self._highest:
            raise Failed("The kubelets told nothing of what pods take (GET /api/v1/nodes/.../proxy/stats/summary).")
        told = sorted(self._highest.items())
        return ", ".join(
            f"{role} {m / 1e6:.0f} MB" if memory else f"{role} {c / 1e9:.2f} cores" for role, (m, c) in told
        )


def role_of(pod: str) -> str:
    """`partner-api-7d9f-x` is one of the pods of partner-api, `postgres-0` of postgres."""
    return "-".join(pod.split("-")[:2]) if pod.split("-")[0] in NAMES else pod.split("-")[0]
