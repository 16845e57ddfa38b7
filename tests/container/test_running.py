"""What the image does when it is run as the operator's page says."""

import json
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.containers import Container, engine_run
from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.waiting import await_true

pytestmark = pytest.mark.container


@pytest.fixture
def own(engine: str, image: str, volume: str) -> Iterator[Container]:
    """A container that the test may stop."""
    started = Container.start(engine, image, volume)
    try:
        started.await_ready()
        yield started
    finally:
        started.remove()


def audited(container: Container) -> list[str]:
    """The ids of the requests in the log."""
    lines = container.exec("python", "-m", "service.audit", "export", "--format", "jsonl").splitlines()
    return [json.loads(line)["request_id"] for line in lines]


def test_a_prediction_is_answered_and_on_the_volume(container: Container) -> None:
    answer = httpx.post(f"{container.url}/predict", json=SETOSA, timeout=30)
    assert answer.json()["predictions"] == ["setosa"]
    assert answer.headers["x-request-id"] in audited(container)
    assert container.exec("python", "-m", "service.audit", "verify").startswith("ok: ")


def test_it_is_nobody_in_particular_with_no_capabilities(container: Container) -> None:
    status = container.exec("cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == fields["Gid"].split() == ["1034"] * 4
    assert {fields[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


def test_the_log_is_backed_up_and_keys_are_made_inside(container: Container) -> None:
    answer = httpx.post(f"{container.url}/predict", json=SETOSA, timeout=30)
    container.exec("python", "-m", "service.audit", "backup", "/var/lib/tabento/backup.db")
    copy = ("python", "-m", "service.audit", "--db", "/var/lib/tabento/backup.db")
    assert container.exec(*copy, "verify").startswith("ok: ")
    assert answer.headers["x-request-id"] in container.exec(*copy, "export", "--format", "jsonl")
    keys = ("python", "-m", "service.access", "--file", "/var/lib/tabento/keys.json")
    claim = ("--by", "ada", "--reason", "reports")
    assert container.exec(*keys, "new", "reporting", "--scope", "predict", *claim).startswith("tabento_")
    assert container.exec(*keys, "list").startswith("reporting\tpredict\t")


@pytest.mark.parametrize(
    "folder", ["/", "/etc", "/run", "/usr/local", "/var/tmp", "/app", "/home/bentoml/bento/src"]
)
def test_it_can_write_nowhere(container: Container, folder: str) -> None:
    assert "Read-only file system" in container.fails("touch", f"{folder}/written")


@pytest.mark.parametrize("folder", ["/tmp", "/var/lib/tabento"])
def test_but_where_it_must(container: Container, folder: str) -> None:
    container.exec("touch", f"{folder}/written")
    container.exec("rm", f"{folder}/written")


def test_its_code_is_not_its_own(container: Container) -> None:
    assert container.exec("find", "/app", "/home/bentoml", "-writable", "-not", "-type", "l") == ""


def test_the_first_process_is_the_service_and_buries_orphans(container: Container) -> None:
    assert "bentoml serve" in container.exec("cat", "/proc/1/cmdline").replace("\0", " ")
    container.exec("sh", "-c", "(sleep 0.2 &)")
    time.sleep(0.3)
    program = """
import pathlib
print(sum("(sleep)" in stat.read_text() for stat in pathlib.Path("/proc").glob("[0-9]*/stat")))
"""
    await_true(lambda: container.python(program) == "0", "the orphan is no zombie", step_s=0.2)


def test_open_access_is_warned_of(container: Container) -> None:
    assert "set TABENTO_API_KEYS_FILE" in container.logs()


def test_its_health_is_its_readiness(engine: str, container: Container) -> None:
    if engine == "docker":  # which asks on its own; podman leaves that to systemd
        await_true(
            lambda: container.inspect()["State"]["Health"]["Status"] == "healthy", "it is healthy", step_s=0.5
        )
    else:
        engine_run(engine, "healthcheck", "run", container.id)


def test_a_service_that_is_not_ready_is_unhealthy(own: Container) -> None:
    check = own.inspect()["Config"]["Healthcheck"]["Test"]
    assert check[0] == "CMD"
    own.exec(*check[1:])
    own.exec("sh", "-c", "kill -TERM 1")
    await_true(
        lambda: httpx.get(f"{own.url}/readyz", timeout=30).status_code == 503,
        "it says that it is about to stop",
        within_s=4,
    )
    own.fails(*check[1:])


def test_a_killed_worker_is_replaced(own: Container) -> None:
    (victim,) = own.workers()
    own.python(f"import os; os.kill({victim}, 9)")
    await_true(lambda: own.workers() - {victim}, "the worker is replaced", step_s=0.1, state=own.logs)
    own.await_ready()
    assert httpx.post(f"{own.url}/predict", json=VIRGINICA, timeout=30).json()["predictions"] == ["virginica"]
    assert own.stop() == 0


def test_it_drains_on_sigterm_and_the_next_finds_its_log(engine: str, image: str, own: Container) -> None:
    volume = next(
        mount["Name"] for mount in own.inspect()["Mounts"] if mount["Destination"] == "/var/lib/tabento"
    )
    with subprocess.Popen(
        [engine, "stop", "--time", "20", own.id], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as stopping:
        await_true(
            lambda: httpx.get(f"{own.url}/readyz", timeout=30).status_code == 503,
            "it says that it is about to stop",
            within_s=4,
        )
        served = httpx.post(f"{own.url}/predict", json=SETOSA, timeout=30)
        assert served.status_code == 200
    assert stopping.returncode == 0
    assert own.inspect()["State"]["ExitCode"] == 0

    another = Container.start(engine, image, volume)
    try:
        another.await_ready()
        assert served.headers["x-request-id"] in audited(another)
        assert another.exec("python", "-m", "service.audit", "verify").startswith("ok: ")
    finally:
        another.remove()
