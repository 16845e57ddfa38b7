"""The Kubernetes manifests: valid, and of one mind with the service that they run."""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from bentoml._internal.configuration.containers import BentoMLContainer

from deploy.kubernetes.check import RELEASES, check, faults
from deploy.kubernetes.manifests import HERE, TARGETS, Manifest, render
from service import routes
from service.settings import PREFIX, Settings, load_settings
from tests.support.servers import PROJECT

PAGE = PROJECT / "docs" / "how-to" / "kubernetes.md"
HTTP_PORT = BentoMLContainer.http.port.get()
GRPC_PORT = Settings.model_fields["grpc_port"].default if "grpc_port" in Settings.model_fields else 3001
OVERLAYS = TARGETS[:2]

rendered = cache(lambda target: tuple(render(HERE / target)))


def one(target: str, kind: str, name: str = "tabento") -> Manifest:
    (found,) = (it for it in rendered(target) if (it["kind"], it["metadata"]["name"]) == (kind, name))
    return deepcopy(found)


def pod(target: str) -> dict[str, Any]:
    """What a replica is made of."""
    if target == "kserve":
        spec: dict[str, Any] = one(target, "InferenceService")["spec"]["predictor"]
    else:
        spec = one(target, "StatefulSet")["spec"]["template"]["spec"]
    return spec


def container(target: str) -> dict[str, Any]:
    (found,) = pod(target)["containers"]
    return dict(found)


def environment(target: str) -> dict[str, str]:
    (source,) = container(target)["envFrom"]
    data: dict[str, str] = one(target, "ConfigMap", source["configMapRef"]["name"])["data"]
    return data


@pytest.fixture
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that a target gives the service, read by the service's own code."""
    for name, value in environment(request.node.callspec.params["target"]).items():
        monkeypatch.setenv(name, value)
    return load_settings()


every_target = pytest.mark.parametrize("target", TARGETS)
every_overlay = pytest.mark.parametrize("target", OVERLAYS)


@every_target
def test_what_is_rendered_keeps_the_schemas(target: str) -> None:
    assert list(check(HERE / target)) == []


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("target", "kind", "path"),
    [
        (OVERLAYS[0], "StatefulSet", "spec.template.spec.containers.0.readynessProbe"),
        (OVERLAYS[0], "ServiceMonitor", "spec.endpoints.0.intervall"),
        ("kserve", "InferenceService", "spec.predictor.minReplica"),
        ("kserve", "InferenceService", "spec.predictor.containers.0.prots"),
    ],
)
def test_a_field_that_is_misspelt_is_a_fault(target: str, kind: str, path: str, release: str) -> None:
    manifest = one(target, kind)
    *way, field = path.split(".")
    place: Any = manifest
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[field] = {}
    assert any(field in fault for fault in faults(manifest, release))


def test_a_kind_that_nothing_is_known_of_is_a_fault() -> None:
    assert list(faults({"apiVersion": "example.com/v1", "kind": "Sevrice"}, RELEASES[0]))


def test_a_folder_that_does_not_render_ends_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]\n")
    with pytest.raises(SystemExit, match=r"missing\.yaml"):
        render(tmp_path)


@every_target
def test_every_variable_is_a_setting_of_the_service(target: str, settings: Settings) -> None:
    given = {name for name in environment(target) if name.startswith(PREFIX)}
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert given - known <= {"TABENTO_GRPC_PORT"}
    assert environment(target)["TABENTO_GRPC_PORT"] == str(GRPC_PORT)
    assert settings.audit_db.name == "audit.db"


@every_target
def test_what_is_written_to_lies_on_a_volume_and_nothing_else_is_writable(
    target: str, settings: Settings
) -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container(target)["volumeMounts"]}
    assert mounts[str(settings.audit_db.parent)] == "audit"
    assert any(parent in map(PurePosixPath, mounts) for parent in bentoml_home(target).parents)
    assert container(target)["securityContext"]["readOnlyRootFilesystem"] is True
    if settings.api_keys_file is not None:
        assert str(settings.api_keys_file.parent) in mounts


def bentoml_home(target: str) -> PurePosixPath:
    return PurePosixPath(environment(target)["BENTOML_HOME"])


@every_target
def test_ports_and_paths_are_those_that_the_service_has(target: str) -> None:
    ports = {port["containerPort"]: port["name"] for port in container(target)["ports"]}
    assert set(ports) <= {HTTP_PORT, GRPC_PORT}
    probed = {
        name: container(target)[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    assert {name: probe["path"] for name, probe in probed.items()} == {
        "startup": routes.READY,
        "liveness": routes.LIVE,
        "readiness": routes.READY,
    }
    for probe in probed.values():
        assert probe["port"] in (HTTP_PORT, ports[HTTP_PORT])


@every_overlay
def test_services_lead_to_the_ports_of_the_replicas(target: str) -> None:
    stateful = one(target, "StatefulSet")["spec"]
    names = {port["name"]: port["containerPort"] for port in container(target)["ports"]}
    assert names == {"http": HTTP_PORT, "grpc": GRPC_PORT}
    for name in ("tabento", "tabento-replicas"):
        service = one(target, "Service", name)["spec"]
        assert service["selector"].items() <= stateful["template"]["metadata"]["labels"].items()
        for port in service["ports"]:
            assert names[port["targetPort"]] == port["port"]
    assert one(target, "Service", stateful["serviceName"])["spec"]["clusterIP"] == "None"


@every_overlay
def test_prometheus_scrapes_each_replica_once(target: str) -> None:
    monitor = one(target, "ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"]
    chosen = [
        it
        for it in rendered(target)
        if it["kind"] == "Service" and wanted.items() <= it["metadata"]["labels"].items()
    ]
    assert [it["metadata"]["name"] for it in chosen] == ["tabento"]
    (endpoint,) = monitor["endpoints"]
    assert endpoint["path"] == routes.METRICS
    assert endpoint["port"] in {
        port["name"] for port in chosen[0]["spec"]["ports"] if port["port"] == HTTP_PORT
    }


@every_overlay
def test_what_selects_replicas_selects_these(target: str) -> None:
    labels = one(target, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        one(target, "StatefulSet")["spec"]["selector"],
        one(target, "PodDisruptionBudget")["spec"]["selector"],
        one(target, "NetworkPolicy")["spec"]["podSelector"],
        *(spread["labelSelector"] for spread in pod(target)["topologySpreadConstraints"]),
    ]
    for selector in selectors:
        assert selector["matchLabels"]
        assert selector["matchLabels"].items() <= labels.items()
    assert one(target, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": "tabento",
    }


@every_overlay
def test_the_network_lets_in_clients_and_prometheus_alone(target: str) -> None:
    policy = one(target, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    clients, prometheus = policy["ingress"]
    assert clients["from"] == [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"tabento-client": "true"}}}
    ]
    assert [port["port"] for port in clients["ports"]] == ["http", "grpc"]
    assert [port["port"] for port in prometheus["ports"]] == ["http"]


@every_target
def test_a_replica_that_is_told_to_stop_has_the_time_for_it(target: str, settings: Settings) -> None:
    before_s = container(target)["lifecycle"]["preStop"]["sleep"]["seconds"]
    last_answer_s = settings.deadline_ms / 1_000
    end_s = before_s + settings.drain_seconds + last_answer_s
    assert end_s + 10 <= pod(target)["terminationGracePeriodSeconds"]
    probe = container(target)["readinessProbe"]
    seen_after_s = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert seen_after_s < settings.drain_seconds


@every_target
def test_replicas_have_no_rights(target: str) -> None:
    assert pod(target)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1034,
        "runAsGroup": 1034,
        "fsGroup": 1034,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(target)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(target)["automountServiceAccountToken"] is False


@every_target
def test_no_variable_of_another_service_is_taken_for_a_setting(target: str) -> None:
    assert pod(target)["enableServiceLinks"] is False


@every_overlay
def test_each_replica_keeps_its_log_whatever_becomes_of_it(target: str) -> None:
    stateful = one(target, "StatefulSet")["spec"]
    (claim,) = stateful["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "audit"
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert stateful["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    assert "replicas" not in stateful


def test_kserve_has_one_writer_of_its_one_log() -> None:
    predictor = pod("kserve")
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (1, 1)
    assert predictor["deploymentStrategy"] == {"type": "Recreate"}
    claims = [it["metadata"]["name"] for it in rendered("kserve") if it["kind"] == "PersistentVolumeClaim"]
    (audit,) = (it for it in predictor["volumes"] if it["name"] == "audit")
    assert claims == [audit["persistentVolumeClaim"]["claimName"]]


def test_kserve_runs_what_the_base_runs() -> None:
    theirs, ours = container("kserve"), container(OVERLAYS[0])
    assert {"name": "PROTOCOL", "value": "v2"} in theirs.pop("env")
    for own in ("name", "ports"):
        del theirs[own], ours[own]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert theirs[name]["httpGet"].pop("port") == HTTP_PORT
        assert ours[name]["httpGet"].pop("port") == "http"
    assert theirs == ours


@every_overlay
def test_the_namespace_holds_its_pods_to_the_restricted_standard(target: str) -> None:
    (namespace,) = (it for it in rendered(target) if it["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {it["metadata"].get("namespace") for it in rendered(target) if it is not namespace} == {
        namespace["metadata"]["name"]
    }


@every_target
def test_the_image_is_that_of_the_registry(target: str) -> None:
    assert container(target)["image"].startswith("ghcr.io/tabento/tabento:")


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE.read_text()))
def test_a_file_that_the_operators_page_links_to_is_there(path: str) -> None:
    assert (PAGE.parent / path).exists()


@every_overlay
def test_the_operators_page_gives_the_times_of_the_manifests(target: str, settings: Settings) -> None:
    grace_s = pod(target)["terminationGracePeriodSeconds"]
    before_s = container(target)["lifecycle"]["preStop"]["sleep"]["seconds"]
    text = PAGE.read_text()
    assert f"at most {grace_s} s: {before_s} s in which" in text
    assert f"{settings.drain_seconds:.0f} s of drain" in text
    assert f"up to {settings.deadline_ms / 1_000:.0f} s for those in progress or queued" in text


def test_the_operators_page_names_the_releases_that_are_checked() -> None:
    assert f"Kubernetes {' and '.join(RELEASES)}" in PAGE.read_text()
