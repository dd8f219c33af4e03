"""What holds for every manifest that is rendered, and what the services' code and the manifests say alike."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from devstack.services import SERVICES
from events import TOPICS
from service.settings import Settings

from deploy.check.manifests import OVERLAYS, Manifest, containers_of, manifests, named, of_kind, pod_of

NAMES = [service.name for service in SERVICES]
RENDERED = {overlay: manifests(overlay) for overlay in OVERLAYS}
EACH = [(overlay, each) for overlay in OVERLAYS for each in RENDERED[overlay]]
PODS = [(overlay, each) for overlay, each in EACH if pod_of(each) is not None]
CONTAINERS = [
    (f"{overlay}/{named(each)}/{container['name']}", pod, container)
    for overlay, each in PODS
    if (pod := pod_of(each)) is not None
    for container in containers_of(pod)
]
PROCESSES = [(o, m) for o, m in PODS if m["kind"] != "Job"]


def ids(of: list[tuple[str, Manifest]]) -> list[str]:
    return [f"{overlay}/{named(each)}" for overlay, each in of]


def spec_of(manifest: Manifest) -> Manifest:
    pod = pod_of(manifest)
    assert pod is not None
    spec: Manifest = pod["spec"]
    return spec


@pytest.fixture(params=CONTAINERS, ids=[name for name, _, _ in CONTAINERS])
def container(request: pytest.FixtureRequest) -> Manifest:
    found: Manifest = request.param[2]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_is_there_in_both_roles_with_all_that_belongs_to_it(overlay: str) -> None:
    there = {named(each) for each in RENDERED[overlay]}
    for name in NAMES:
        assert {
            f"Deployment/{name}-api",
            f"Deployment/{name}-worker",
            f"Service/{name}-api",
            f"PodDisruptionBudget/{name}-api",
            f"PodDisruptionBudget/{name}-worker",
            f"HorizontalPodAutoscaler/{name}-api",
            f"Job/{name}-migrate",
            f"ServiceAccount/{name}-pods",
        } <= there


def test_in_production_operators_are_asked_for_what_each_service_needs() -> None:
    there = {named(each) for each in RENDERED["production"]}
    for name in NAMES:
        assert {
            f"Database/{name}-database",
            f"KafkaUser/{name}-kafka",
            f"ScaledObject/{name}-worker",
            f"HTTPRoute/{name}-api",
            f"ExternalSecret/{name}-postgres",
        } <= there


def test_the_local_overlay_asks_no_operator_for_anything() -> None:
    assert {each["apiVersion"].partition("/")[0] for each in RENDERED["local"]} <= {
        "v1", "apps", "batch", "policy", "autoscaling", "networking.k8s.io"
    }  # fmt: skip


@pytest.mark.parametrize(("overlay", "manifest"), EACH, ids=ids(EACH))
def test_nothing_is_left_open_and_nothing_lies_outside_of_the_namespace(overlay: str, manifest: Manifest) -> None:
    assert "NAME" not in words(manifest)
    if manifest["kind"] != "Namespace":
        assert manifest["metadata"]["namespace"] == "cauce"


def words(value: Any) -> set[str]:
    """Every word of every text in it."""
    if isinstance(value, dict):
        return set[str]().union(*(words(each) for each in (*value.keys(), *value.values())))
    if isinstance(value, list):
        return set[str]().union(*(words(each) for each in value))
    return {word for part in str(value).split("/") for word in part.replace(".", "-").replace('"', "-").split("-")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_namespace_takes_restricted_pods_only(overlay: str) -> None:
    [namespace] = of_kind("Namespace", RENDERED[overlay]).values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(("overlay", "manifest"), PODS, ids=ids(PODS))
def test_a_pod_is_unprivileged_and_knows_nothing_of_the_cluster(overlay: str, manifest: Manifest) -> None:
    spec = spec_of(manifest)
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert not [volume for volume in spec.get("volumes", ()) if "hostPath" in volume]


def test_a_container_can_gain_nothing_and_writes_only_where_it_may(container: Manifest) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_container_says_what_it_needs_and_is_stopped_by_memory_alone(container: Manifest) -> None:
    assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert "cpu" not in container["resources"]["limits"]


def test_an_image_is_of_one_release(container: Manifest) -> None:
    _, at, digest = container["image"].partition("@")
    tag = container["image"].rpartition("/")[2].partition("@")[0].partition(":")[2]
    assert (at and digest.startswith("sha256:")) or tag not in ("", "latest")


def test_no_secret_is_in_a_manifest(container: Manifest) -> None:
    assert not [each for each in container.get("env", ()) if secretive(each["name"]) and "value" in each]


def secretive(name: str) -> bool:
    return any(word in name for word in ("PASSWORD", "SECRET_", "_KEY", "URL", "TOKEN")) and not name.endswith("_FILE")


def test_production_has_no_secret_of_its_own() -> None:
    assert of_kind("Secret", RENDERED["production"]) == {}


@pytest.mark.parametrize(("overlay", "manifest"), PROCESSES, ids=ids(PROCESSES))
def test_a_process_is_probed(overlay: str, manifest: Manifest) -> None:
    [probed] = spec_of(manifest)["containers"]
    assert probed.keys() >= {"startupProbe", "readinessProbe", "livenessProbe"}


def of_services(kind: str) -> Iterator[tuple[str, Manifest]]:
    for overlay in OVERLAYS:
        for each in of_kind(kind, RENDERED[overlay]).values():
            yield overlay, each


DEPLOYMENTS = list(of_services("Deployment"))


@pytest.mark.parametrize(("overlay", "manifest"), DEPLOYMENTS, ids=ids(DEPLOYMENTS))
def test_a_service_is_ready_by_readyz_and_alive_by_livez_alone(overlay: str, manifest: Manifest) -> None:
    [service] = spec_of(manifest)["containers"]
    assert service["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert service["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert service["startupProbe"]["httpGet"]["path"] == "/livez"


@pytest.mark.parametrize(("overlay", "manifest"), DEPLOYMENTS, ids=ids(DEPLOYMENTS))
def test_a_pod_is_given_the_time_that_its_drain_its_open_requests_and_its_engine_take(
    overlay: str, manifest: Manifest
) -> None:
    spec = spec_of(manifest)
    environment = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
    open_requests = Settings.model_fields["shutdown_timeout"].default
    engine = 10 + 10 + 5 + 5  # its workers, its tasks, its leave, its pool: engine.runtime.Engine.stop
    assert spec["terminationGracePeriodSeconds"] >= float(str(environment["CAUCE_DRAIN"])) + open_requests + engine


@pytest.mark.parametrize(("overlay", "manifest"), DEPLOYMENTS, ids=ids(DEPLOYMENTS))
def test_a_rollout_takes_nothing_away_before_what_follows_is_ready(overlay: str, manifest: Manifest) -> None:
    assert manifest["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    waits = spec_of(manifest)["initContainers"][0]
    assert waits["args"][:2] == ["migrate", "--check"]
    assert waits["image"] == spec_of(manifest)["containers"][0]["image"]


@pytest.mark.parametrize(("overlay", "manifest"), DEPLOYMENTS, ids=ids(DEPLOYMENTS))
def test_budgets_spread_and_services_select_the_pods_that_they_are_meant_for(overlay: str, manifest: Manifest) -> None:
    labels = pod_of(manifest)["metadata"]["labels"]  # type: ignore[index]
    selecting = [manifest["spec"]["selector"]["matchLabels"]]
    name = manifest["metadata"]["name"]
    selecting.append(of_kind("PodDisruptionBudget", RENDERED[overlay])[name]["spec"]["selector"]["matchLabels"])
    spread = spec_of(manifest)["topologySpreadConstraints"]
    selecting += [each["labelSelector"]["matchLabels"] for each in spread]
    if name.endswith("-api"):
        selecting.append(of_kind("Service", RENDERED[overlay])[name]["spec"]["selector"])
    assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    service, _, role = name.rpartition("-")
    assert selecting == [selecting[0]] * len(selecting)
    assert selecting[0] == {"app.kubernetes.io/name": service, "app.kubernetes.io/component": role}
    assert selecting[0].items() <= labels.items()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_scales_a_deployment_is_alone_in_saying_how_many_it_has(overlay: str) -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for each in of_kind(kind, RENDERED[overlay]).values()
    }
    for name, deployment in of_kind("Deployment", RENDERED[overlay]).items():
        assert ("replicas" in deployment["spec"]) is (name not in scaled)
    assert scaled >= {f"{name}-api" for name in NAMES}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_a_policy_that_says_so_nothing_speaks_to_anything(overlay: str) -> None:
    policies = of_kind("NetworkPolicy", RENDERED[overlay])
    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies.values():
        for source in (peer for rule in policy["spec"].get("ingress", ()) for peer in rule.get("from", [{}])):
            assert source, f"{policy['metadata']['name']} lets in everybody"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_that_a_service_is_given_is_a_setting(overlay: str) -> None:
    for deployment in of_kind("Deployment", RENDERED[overlay]).values():
        [service] = spec_of(deployment)["containers"]
        given = {each["name"] for each in service["env"]}
        for source in service["envFrom"]:
            given |= of_kind("ConfigMap", RENDERED[overlay])[source["configMapRef"]["name"]]["data"].keys()
        fields = {f"CAUCE_{name.upper()}" for name in Settings.model_fields}
        assert given - fields == {"CAUCE_SECRETS_DIR"}


@pytest.mark.parametrize("name", NAMES)
def test_a_service_may_read_the_topics_that_it_hears_and_write_its_own_alone(name: str) -> None:
    acls = of_kind("KafkaUser", RENDERED["production"])[f"{name}-kafka"]["spec"]["authorization"]["acls"]
    heard = {
        acl["resource"]["name"]
        for acl in acls
        if acl["resource"]["type"] == "topic" and acl["resource"].get("patternType", "literal") == "literal"
    }
    assert heard == {topic.name for topic in TOPICS.values()}
    writable = [acl["resource"] for acl in acls if "Write" in acl["operations"]]
    assert writable == [{"type": "topic", "name": f"{name}.", "patternType": "prefix"}]


def test_postgres_in_production_has_a_role_and_a_database_for_each_service_and_loses_nothing_acknowledged() -> None:
    [cluster] = of_kind("Cluster", RENDERED["production"]).values()
    assert {role["name"] for role in cluster["spec"]["managed"]["roles"]} == set(NAMES)
    for role in cluster["spec"]["managed"]["roles"]:
        assert role["passwordSecret"]["name"] == f"{role['name']}-postgres"
    databases = of_kind("Database", RENDERED["production"]).values()
    assert {(each["spec"]["name"], each["spec"]["owner"]) for each in databases} == {(name, name) for name in NAMES}
    postgres = cluster["spec"]["postgresql"]
    assert postgres["synchronous"] == {"method": "any", "number": 1, "dataDurability": "required"}
    assert postgres["parameters"]["synchronous_commit"] == "on"


def test_connections_of_all_processes_that_there_may_be_fit_into_postgres() -> None:
    from engine.runtime import Tuning

    [cluster] = of_kind("Cluster", RENDERED["production"]).values()
    limits = {role["name"]: role["connectionLimit"] for role in cluster["spec"]["managed"]["roles"]}
    autoscalers, scaled = (
        of_kind(kind, RENDERED["production"]) for kind in ("HorizontalPodAutoscaler", "ScaledObject")
    )
    for name in NAMES:
        apis = autoscalers[f"{name}-api"]["spec"]["maxReplicas"] + 1
        workers = scaled[f"{name}-worker"]["spec"]["maxReplicaCount"] + 1
        assert limits[name] >= apis * Tuning().pool_size + workers * (Tuning().pool_size + 1)
    assert int(cluster["spec"]["postgresql"]["parameters"]["max_connections"]) >= sum(limits.values())


def test_more_workers_than_a_topic_has_partitions_are_never_asked_for() -> None:
    for scaled in of_kind("ScaledObject", RENDERED["production"]).values():
        assert scaled["spec"]["maxReplicaCount"] <= min(topic.partitions for topic in TOPICS.values())


def test_every_service_has_its_prefix_at_the_gateway_and_knows_of_it() -> None:
    for name in NAMES:
        [rule] = of_kind("HTTPRoute", RENDERED["production"])[f"{name}-api"]["spec"]["rules"]
        assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": f"/{name}"}}]
        assert rule["backendRefs"] == [{"name": f"{name}-api", "port": 80}]
        [service] = spec_of(of_kind("Deployment", RENDERED["production"])[f"{name}-api"])["containers"]
        assert {"name": "CAUCE_ROOT_PATH", "value": f"/{name}"} in service["env"]


@pytest.mark.parametrize("name", NAMES)
def test_who_keeps_personal_data_is_given_the_keys_that_seal_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in (("POSTGRES_URL", "postgresql://x"), ("KAFKA_BOOTSTRAP", "x:1"), ("JWKS", "x")):
        monkeypatch.setenv(f"CAUCE_{variable}", value)
    seals = importlib.import_module(f"{name}.app").app().state.sealing
    assert seals is (f"{name}-sealing" in of_kind("ExternalSecret", RENDERED["production"]))
