"""A real Prometheus: Debian's package, told what deploy/monitoring tells it, but in a hurry."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from tests.support.programs import path_of
from tests.support.servers import PROJECT, Server, await_answer, free_port
from tests.support.waiting import PATIENCE_S, await_true

MONITORING = PROJECT / "deploy" / "monitoring"
OF_THE_DAY_BEFORE = {
    "job:tabento_rows:increase1d_before",
    "job:tabento_confidence:mean1d_before",
    "instance:tabento_outcomes:change2d",
}
"""What a service of a few seconds cannot have."""


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rules(kind: str) -> dict[str, dict[str, Any]]:
    """The rules that are deployed, ``alert`` or ``record``, by name."""
    files = sorted((MONITORING / "rules").glob("*.yaml"))
    groups = [group for file in files for group in load(file)["groups"]]
    return {rule[kind]: rule for group in groups for rule in group["rules"] if kind in rule}


def in_a_hurry(folder: Path, target: str, scraped_with: Mapping[str, Any]) -> Path:
    """The configuration that is deployed, with another target and other intervals.

    The rules are the same but for ``for``: what they wait for, they no longer do.
    """
    config = load(MONITORING / "prometheus.yml")
    config["global"].update(scrape_interval="500ms", scrape_timeout="500ms", evaluation_interval="500ms")
    (job,) = config["scrape_configs"]
    job.update(scraped_with)
    (job["static_configs"],) = ([{"targets": [target]}],)
    (folder / "rules").mkdir()
    for file in (MONITORING / "rules").glob("*.yaml"):
        content = load(file)
        for rule in (rule for group in content["groups"] for rule in group["rules"]):
            rule.pop("for", None)
        (folder / "rules" / file.name).write_text(yaml.safe_dump(content))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@dataclass
class Prometheus:
    """One that runs."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == 200, f"{path} {parameters}: {answer.text}"
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that the expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that are firing."""
        alerts = self.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def await_that(self, what: Callable[[], object], expected: str) -> None:
        """Wait until that is so; the alerts that fire come with the failure."""
        await_true(what, expected, step_s=0.1, state=lambda: f"firing: {self.firing()}")


class Watched(NamedTuple):
    """A service, and the Prometheus that watches it."""

    server: Server
    prometheus: Prometheus


@contextmanager
def prometheus(folder: Path, target: str, **scraped_with: object) -> Iterator[Prometheus]:
    """While it lasts, Prometheus watches the target."""
    port = free_port()
    command = [
        path_of("prometheus"),
        f"--config.file={in_a_hurry(folder, target, scraped_with)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    output = folder / "output"
    with output.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            running = Prometheus(f"http://127.0.0.1:{port}")
            await_answer(f"{running.url}/-/ready", process, output)
            yield running
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
