"""The rules are valid for Prometheus and pass their unit tests, which cover each alert."""

import subprocess
from pathlib import Path

import pytest

from tests.support.programs import path_of
from tests.support.prometheus import MONITORING, load, rules
from tests.support.servers import PROJECT

UNIT_TESTS = sorted(Path(__file__).with_name("rules").glob("*.yaml"))


def promtool(*arguments: object, cwd: Path = PROJECT) -> str:
    command = [path_of("promtool"), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_and_its_rules_are_valid() -> None:
    assert f"{len(rules('alert'))} rules found" in promtool("check", "config", MONITORING / "prometheus.yml")


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_the_rules_pass_their_unit_tests(file: Path) -> None:
    promtool("test", "rules", file.name, cwd=file.parent)


def test_every_alert_is_tested_to_fire_and_not_to() -> None:
    tested: dict[bool, set[str]] = {True: set(), False: set()}
    for file in UNIT_TESTS:
        for alert in (alert for test in load(file)["tests"] for alert in test.get("alert_rule_test", [])):
            tested[bool(alert.get("exp_alerts"))].add(alert["alertname"])
    assert tested[True] == tested[False] == rules("alert").keys()
