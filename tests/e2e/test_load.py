"""``make load``: locust's users run against a served bento, and the objectives decide the exit code."""

import subprocess
import sys

import pytest

from tests.servers import PROJECT, Server, free_port


def load(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "load_tests", *options]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120)


def test_every_kind_of_user_is_served_without_a_failure(iris: str, stores: dict[str, str]) -> None:
    done = load(stores, "--model", iris, "--seconds", "3", "--users", "10")
    output = done.stdout + done.stderr
    for route in ("/predict", "/predict/batch", "/predictions/history"):
        assert f" {route} " in output
    assert "requests failed" not in output


def test_failed_requests_miss_the_objective(stores: dict[str, str]) -> None:
    done = load(stores, "--url", f"http://127.0.0.1:{free_port()}", "--seconds", "1", "--users", "2")
    assert done.returncode == 1
    assert "Objective missed" in done.stdout + done.stderr


@pytest.mark.parametrize("option", [["--users", "many"], ["--seconds"]])
def test_options_that_make_no_sense_are_refused(stores: dict[str, str], option: list[str]) -> None:
    assert load(stores, *option).returncode == 2


def test_a_running_service_can_be_loaded(iris_server: Server, stores: dict[str, str]) -> None:
    done = load(stores, "--url", iris_server.url, "--seconds", "2", "--users", "5")
    assert "requests failed" not in done.stdout + done.stderr
