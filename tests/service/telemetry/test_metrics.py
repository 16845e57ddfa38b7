"""Metrics of several worker processes are added up, and those of a killed one are right."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.support import metrics_worker
from tests.support.servers import PROJECT, is_alive
from tests.support.waiting import PATIENCE_S, await_true

WORKER = """
import sys
from prometheus_client import CollectorRegistry
from service.telemetry.metrics import Metrics, use_folder
use_folder()
metrics = Metrics(CollectorRegistry())
metrics.count_records(queued=3, written=1)
metrics.count_request("/predict", "POST", 200, 0.001)
metrics.flush()
print("ready", flush=True)
sys.stdin.readline()
print(metrics.page().decode() if sys.argv[1] == "page" else "")
"""


def worker(folder: Path, says: str) -> subprocess.Popen[str]:
    return metrics_worker.start(folder, WORKER, says)


def samples(page: str) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


SUPERVISOR = """
import os, sys
from service.telemetry import metrics
metrics.memory_folder = lambda: None
metrics.make_folder()
print(os.environ[metrics.FOLDER_VARIABLE], flush=True)
sys.stdin.readline()
"""


def supervisor(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR],
        env={**os.environ, "TMPDIR": str(parent), "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_killed_service_is_removed_by_the_next_and_no_other(tmp_path: Path) -> None:
    killed, left = supervisor(tmp_path)
    alive, used = supervisor(tmp_path)
    with killed, alive:
        killed.kill()
        killed.wait()
        for folder in (left, used):
            os.utime(folder, (0, 0))
        third, own = supervisor(tmp_path)
        with third:
            assert set(tmp_path.iterdir()) == {used, own}
            third.communicate("\n", timeout=PATIENCE_S)
        alive.communicate("\n", timeout=PATIENCE_S)
    assert list(tmp_path.iterdir()) == []


def test_workers_are_added_up_and_a_killed_one_leaves_only_its_counts(tmp_path: Path) -> None:
    with worker(tmp_path, "nothing") as killed, worker(tmp_path, "page") as alive:
        killed.kill()
        killed.wait()
        page, _ = alive.communicate("\n", timeout=PATIENCE_S)
    found = samples(page)
    assert found["tabento_audit_records_total"] == 2
    assert found["tabento_requests_total"] == 2
    assert found["tabento_audit_queue_records"] == 3


def test_a_killed_worker_is_forgotten_before_its_parent_has_seen_to_it(tmp_path: Path) -> None:
    with worker(tmp_path, "nothing") as killed, worker(tmp_path, "page") as alive:
        killed.kill()
        await_true(lambda: not is_alive(psutil.Process(killed.pid)), "the worker has ended")
        page, _ = alive.communicate("\n", timeout=PATIENCE_S)
    assert samples(page)["tabento_audit_queue_records"] == 3
    assert samples(page)["tabento_requests_total"] == 2
