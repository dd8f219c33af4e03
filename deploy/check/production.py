"""overlays/production as a real API server takes it, with the operators' own definitions; and budgets under a drain.

Both want a cluster that may be changed: definitions are installed in it, and its nodes are emptied. Nothing has to run
there: nodes that only pretend to (as kwok makes them) do.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.check.kube import SCRATCH, Cluster, context, namespace, overlay_of, secrets_of_local
from deploy.check.report import Failed, Report
from deploy.check.tools import crds, tool


def run(report: Report) -> None:
    named = context(SCRATCH)
    secrets_of_local()
    with report.check("The operators' definitions are taken") as check:
        check.found(f"{define(Cluster(named, 'default'))} of them")
    with (
        namespace(named) as cluster,
        overlay_of("production", cluster) as manifests,
        report.check("overlays/production, dry run at the server: no unknown field, no warning") as check,
    ):
        check.found(f"{dry(cluster, manifests)} objects")
    with namespace(named) as cluster:
        drained(report, cluster)


def define(cluster: Cluster) -> int:
    """How many. Raises Failed."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--recursive", "--filename", crds())
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    return len(cluster.items("crd"))


def dry(cluster: Cluster, manifests: str) -> int:
    """A dry run needs the namespace to be there. Raises Failed."""
    cluster.kubectl("create", "namespace", cluster.namespace)
    cluster.kubectl("label", "namespace", cluster.namespace, "pod-security.kubernetes.io/warn=restricted")
    command = [str(tool("kubectl")), "--context", cluster.context, "apply", "--server-side", "--dry-run=server"]
    done = subprocess.run(  # noqa: S603 - kubectl, whose warnings are on stderr
        [*command, "--validate=strict", "--filename", "-"], input=manifests, capture_output=True, text=True, check=False
    )
    if done.returncode or done.stderr.strip():
        raise Failed(done.stderr.strip() or done.stdout)
    return len(done.stdout.splitlines())


# -- drain


def drained(report: Report, cluster: Cluster) -> None:
    """Each node is emptied in turn, and at every moment each deployment has all of its pods but one at least."""
    nodes = [node["metadata"]["name"] for node in cluster.items("nodes")]
    with report.check("Two pods of each deployment run on nodes of their own") as check:
        if len(nodes) < 2:
            raise Failed(f"The cluster has {len(nodes)} node; a drain takes two at least.")
        with overlay_of("local", cluster) as manifests:
            cluster.apply(manifests)
        names = [each["metadata"]["name"] for each in cluster.items("deployments")]
        ready(cluster, names)
        apart = placed(cluster)
        together = sorted(name for name, on in apart.items() if len(on) < 2)
        if together:
            raise Failed(f"on one node together: {', '.join(together)}")
        check.found(f"{len(names)} deployments on {len(nodes)} nodes")
    with report.check("Of two pods of a deployment only one may be evicted at a time") as check:
        check.found(one_at_a_time(cluster, names[0], nodes))
    with report.check("Every node is drained in turn, and no deployment ever lacks more than one pod") as check:
        lowest = dict.fromkeys(names, 99)
        for node in nodes:
            with watched(cluster, lowest), emptied(cluster, node):
                ready(cluster, names)
        if wrong := sorted(name for name, count in lowest.items() if count < 1):
            raise Failed(f"without any pod for a moment: {', '.join(wrong)}")
        check.found(f"{len(nodes)} nodes; the fewest available pods of any deployment: {min(lowest.values())} of 2")


@contextmanager
def emptied(cluster: Cluster, node: str) -> Iterator[None]:
    try:
        told = ["--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=app.kubernetes.io/part-of=cauce"]
        cluster.kubectl("drain", node, "--timeout=180s", *told)
        yield
    finally:
        cluster.kubectl("uncordon", node)


def ready(cluster: Cluster, names: list[str]) -> None:
    for name in names:  # the autoscalers have to have had their say
        cluster.kubectl("wait", f"deployment/{name}", "--for=jsonpath={.status.availableReplicas}=2", "--timeout=180s")


def placed(cluster: Cluster) -> dict[str, set[str]]:
    """The nodes of each deployment's pods."""
    found: dict[str, set[str]] = {}
    for pod in cluster.items("pods", "--selector=app.kubernetes.io/component in (api, worker)"):
        labels = pod["metadata"]["labels"]
        name = f"{labels['app.kubernetes.io/name']}-{labels['app.kubernetes.io/component']}"
        found.setdefault(name, set()).add(pod["spec"]["nodeName"])
    return found


def one_at_a_time(cluster: Cluster, name: str, nodes: list[str]) -> str:
    """Asks for the eviction of both, where no node takes a pod in the place of the first. Raises Failed unless the
    second is refused."""
    service, _, role = name.rpartition("-")
    pods = cluster.items("pods", f"--selector=app.kubernetes.io/name={service},app.kubernetes.io/component={role}")
    cluster.kubectl("cordon", *nodes)
    try:
        answers = [evict(cluster, pod["metadata"]["name"]) for pod in pods]
    finally:
        cluster.kubectl("uncordon", *nodes)
    if answers[0] or "disruption budget" not in answers[1]:
        raise Failed(f"{name}: {answers}")
    ready(cluster, [name])
    return f"{name}: the first was let go, the second refused"


def evict(cluster: Cluster, pod: str) -> str:
    """What the server says against it, if anything."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": cluster.namespace}}
    try:
        at = f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}/eviction"
        cluster.kubectl("create", "--raw", at, "--filename", "-", stdin=json.dumps(body))
    except Failed as failed:
        return str(failed)
    return ""


@contextmanager
def watched(cluster: Cluster, lowest: dict[str, int]) -> Iterator[None]:
    """Keeps the fewest available pods that each deployment had meanwhile, told by the server at every change."""
    command = [
        str(tool("kubectl")),
        "--context",
        cluster.context,
        "--namespace",
        cluster.namespace,
        "get",
        "deployments",
    ]
    command += ["--watch", "--output=jsonpath={.metadata.name} {.status.availableReplicas}{'\\n'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:  # noqa: S603
        try:
            yield
        finally:
            watching.terminate()
            told = watching.stdout.read() if watching.stdout else ""
    for line in told.splitlines():
        name, _, count = line.partition(" ")
        lowest[name] = min(lowest[name], int(count or 0))
