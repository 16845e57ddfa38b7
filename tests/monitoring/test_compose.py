"""compose.yaml: its parts name each other rightly, keep to this machine, and MLflow's runs as it says."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.monitoring.prometheus import LONGEST_WAIT_S, MONITORING, load
from tests.servers import PROJECT, free_port, train

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
    if name != "service":
        assert re.search(r":v?\d+\.\d+\.\d+$", part["image"])
    for source in mounted(part).values():
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


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


@pytest.fixture
def mlflow_server(stores: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """MLflow's server by the command of compose.yaml, on a free port and in a temporary folder."""
    port = free_port()
    program, *options = [
        option.replace("=0.0.0.0", "=127.0.0.1")
        .replace("=5000", f"={port}")
        .replace("/mlflow/", f"{tmp_path}/")
        for option in PARTS["mlflow"]["command"]
    ]
    assert program == "mlflow"
    own = {name: value for name, value in stores.items() if name != "MLFLOW_TRACKING_URI"}
    env = {**own, **PARTS["mlflow"]["environment"]}
    output = tmp_path / "output"
    with (
        output.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", program, *options],
            cwd=tmp_path,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 4 * LONGEST_WAIT_S
            while not answers(url):
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < deadline, output.read_text()
                time.sleep(0.2)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(LONGEST_WAIT_S)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_mlflow_takes_a_training_and_answers_to_its_own_names_alone(
    mlflow_server: str, stores: dict[str, str], tmp_path: Path
) -> None:
    path = f"{mlflow_server}/api/2.0/mlflow/registered-models/search"
    for host, status in (("localhost:5000", 200), ("mlflow:5000", 200), ("elsewhere.example", 403)):
        assert httpx.get(path, headers={"host": host}, timeout=30).status_code == status

    env = {**stores, "MLFLOW_TRACKING_URI": mlflow_server, "BENTOML_HOME": str(tmp_path / "bentoml")}
    (tmp_path / "training").mkdir()
    train("--json", env=env, cwd=tmp_path / "training")

    (model,) = httpx.get(path, timeout=30).json()["registered_models"]
    assert model["name"] == "iris_classifier"
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
    assert list((tmp_path / "artifacts").rglob("MLmodel"))
    assert not list((tmp_path / "training").iterdir())
