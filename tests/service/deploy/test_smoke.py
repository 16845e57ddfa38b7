"""The smoke test and the watch: green for a service that does its work, and for no other."""

import os
import subprocess
import sys

from tests.support.api_keys import Keyed
from tests.support.servers import PROJECT, Serve, Server, free_port
from tests.support.waiting import PATIENCE_S

Done = subprocess.CompletedProcess[str]


def command(url: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "deploy.smoke", url, *options]


def smoke(url: str, *options: str, **env: str) -> Done:
    return subprocess.run(
        command(url, *options),
        cwd=PROJECT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_a_service_that_works_is_said_to_work(iris_server: Server) -> None:
    done = smoke(iris_server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "serves iris_classifier:" in done.stdout


def test_a_service_that_cannot_be_reached_is_not() -> None:
    done = smoke(f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_where_keys_are_asked_for_one_is_needed(keyed: Keyed) -> None:
    refused = smoke(keyed.server.url)
    assert refused.returncode == 1
    assert "answers 401" in refused.stderr
    done = smoke(keyed.server.url, TABENTO_KEY=keyed.both)
    assert done.returncode == 0, done.stderr


def test_a_service_that_is_watched_and_goes_on_is_well(iris_server: Server) -> None:
    done = smoke(iris_server.url, "--seconds", "1.5")
    assert done.returncode == 0, done.stderr
    assert "1 rounds, 0 failed" in done.stdout


def test_a_service_that_ends_while_it_is_watched_is_not(serve: Serve, iris: str) -> None:
    server = serve(model=iris)
    watch = subprocess.Popen(
        command(server.url, "--seconds", "60"),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watch.stdout is not None
        assert "serves" in watch.stdout.readline()
        server.stop()
        _, said = watch.communicate(timeout=PATIENCE_S)
    finally:
        watch.kill()
    assert watch.returncode == 1
    assert "rounds failed" in said
