"""compose.yaml: its parts name each other rightly, and keep to this machine."""

import re
from typing import Any

import pytest

from lifecycle.watch.watch_command import watch
from service.settings import Settings
from tests.support.prometheus import MONITORING, load
from tests.support.servers import PROJECT

DEPLOY = PROJECT / "deploy"
COMPOSE: dict[str, Any] = load(DEPLOY / "compose.yaml")
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
EACH_PART = pytest.mark.parametrize("name", PARTS)


def mounted(part: dict[str, Any]) -> dict[str, str]:
    """What stands at which path in the container."""
    return {path: source for source, path, *_ in (volume.split(":") for volume in part["volumes"])}


@EACH_PART
def test_nothing_is_reached_from_another_machine_or_may_do_what_it_need_not(name: str) -> None:
    part = PARTS[name]
    assert all(port.startswith("127.0.0.1:") for port in part["ports"])
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]


@EACH_PART
def test_an_image_is_of_a_named_version_and_what_is_mounted_is_there(name: str) -> None:
    part = PARTS[name]
    if name not in ("service", "retraining"):
        assert re.search(r":v?\d+\.\d+\.\d+$", part["image"])
    for source in mounted(part).values():
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_retraining_shares_the_log_and_the_store_with_the_service_and_is_not_started_unasked() -> None:
    service, retraining = PARTS["service"], PARTS["retraining"]
    dockerfile = (DEPLOY / "image" / "training.Dockerfile").read_text()
    assert mounted(retraining)["/var/lib/tabento"] == mounted(service)["/var/lib/tabento"] == "audit"
    assert f"BENTOML_HOME={service['environment']['BENTOML_HOME']}" in dockerfile
    assert retraining["profiles"] == ["retraining"]
    options = {option.partition("=")[0] for option in retraining["command"][1:]}
    assert options <= {option.opts[0] for option in watch.params}


def test_mlflow_is_the_version_that_training_has() -> None:
    locked = re.findall(
        r"^mlflow==([\d.]+)", (PROJECT / "requirements/training.txt").read_text(), re.MULTILINE
    )
    assert PARTS["mlflow"]["image"].endswith(f":v{locked[0]}")


def test_the_service_may_take_the_time_to_stop_that_it_is_given() -> None:
    grace_s = int(PARTS["service"]["stop_grace_period"].removesuffix("s"))
    defaults = Settings()
    assert grace_s > defaults.drain_seconds + defaults.deadline_ms / 1000


def test_prometheus_asks_the_service_and_grafana_asks_prometheus_and_each_finds_its_files() -> None:
    (job,) = load(MONITORING / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["service:3000"]}]
    assert PARTS["service"]["ports"] == ["127.0.0.1:3000:3000"]
    path = mounted(PARTS["prometheus"])
    assert f"--config.file={next(iter(path))}" in PARTS["prometheus"]["command"]
    assert path["/etc/prometheus/rules"] == "./monitoring/rules"
    (source,) = load(MONITORING / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = load(MONITORING / "grafana/provisioning/dashboards/tabento.yaml")["providers"]
    assert mounted(PARTS["grafana"])[provider["options"]["path"]] == "./monitoring/grafana/dashboards"
