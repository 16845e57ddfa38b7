"""The gauges tell how many workers there are, and the state of the log, without a request."""

import asyncio
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from service.audit.write.audit_log import AuditLog
from service.errors import AuditUnavailable
from service.inference.admission import Admission
from service.telemetry.gauges import Gauges
from service.worker.worker_gauges import WorkerGauges
from tests.support import metrics_worker
from tests.support.audit.logs import ANSWERED, locked
from tests.support.waiting import PATIENCE_S

WORKER = """
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from service.inference.admission import Admission
from service.audit.write.audit_log import AuditLog
from service.telemetry.metrics import Metrics, use_folder
from service.telemetry.gauges import Gauges
use_folder()
from service.worker.worker_gauges import WorkerGauges
metrics, gauges = Metrics(CollectorRegistry()), Gauges(CollectorRegistry())
gauges.begin(workers_wanted=2, rows_limit=100)
admission, audit = Admission(100), AuditLog.open(Path(sys.argv[1]))
shown = WorkerGauges(gauges, admission, audit)
for _ in range(30):
    admission.request_slot(lambda slot: None)
shown.refresh()
print("ready", flush=True)
sys.stdin.readline()
shown.measure_disk()
print(metrics.page().decode())
audit.close()
"""


def worker(folder: Path) -> subprocess.Popen[str]:
    (folder / "metrics").mkdir(exist_ok=True)
    return metrics_worker.start(folder / "metrics", WORKER, str(folder / "audit.db"))


def samples(page: str) -> dict[str, float]:
    families = text_string_to_metric_families(page)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_workers_are_added_up_and_of_a_killed_one_only_its_start_stays(tmp_path: Path) -> None:
    with worker(tmp_path) as killed, worker(tmp_path) as alive, worker(tmp_path) as other:
        page, _ = other.communicate("\n", timeout=PATIENCE_S)
        all_there = samples(page)
        killed.kill()
        killed.wait()
        page, _ = alive.communicate("\n", timeout=PATIENCE_S)
        one_left = samples(page)
    assert all_there["tabento_workers"] == 3
    assert all_there["tabento_rows_in_hand"] == 90
    assert all_there["tabento_rows_limit"] == 300
    assert one_left["tabento_workers"] == 1
    assert one_left["tabento_workers_wanted"] == 2
    assert one_left["tabento_worker_starts_total"] == 3
    assert one_left["tabento_rows_in_hand"] == 30
    assert one_left["tabento_audit_writable"] == 1
    assert one_left["tabento_audit_lag_seconds"] == 0
    assert one_left["tabento_audit_log_bytes"] >= (tmp_path / "audit.db").stat().st_size > 0
    assert one_left["tabento_audit_free_bytes"] > 0


def shown(registry: CollectorRegistry, name: str) -> float:
    value = registry.get_sample_value(name)
    assert value is not None
    return value


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    return CollectorRegistry()


def test_a_log_that_cannot_be_written_is_shown_until_it_can(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    async def run(audit: AuditLog) -> None:
        with locked(audit.path):
            with pytest.raises(AuditUnavailable):
                await audit.append(ANSWERED)
            gauges.refresh()
            assert shown(registry, "tabento_audit_writable") == 0
        await audit.append(ANSWERED)
        gauges.refresh()
        assert shown(registry, "tabento_audit_writable") == 1

    with closing(AuditLog.open(tmp_path / "audit.db", busy_timeout_ms=20)) as audit:
        gauges = WorkerGauges(Gauges(registry), Admission(10), audit)
        asyncio.run(run(audit))


def test_records_that_wait_are_shown_with_their_age(tmp_path: Path, registry: CollectorRegistry) -> None:
    async def run(audit: AuditLog) -> None:
        with locked(audit.path):
            await audit.append(ANSWERED)
            gauges.refresh()
            await asyncio.sleep(0.05)
            gauges.refresh()
            assert shown(registry, "tabento_audit_lag_seconds") >= 0.05
        audit.close()
        gauges.refresh()
        assert shown(registry, "tabento_audit_lag_seconds") == 0

    with closing(AuditLog.open(tmp_path / "audit.db", busy_timeout_ms=20, mode="relaxed")) as audit:
        gauges = WorkerGauges(Gauges(registry), Admission(10), audit)
        asyncio.run(run(audit))


def test_a_log_that_was_moved_away_keeps_its_last_size(tmp_path: Path, registry: CollectorRegistry) -> None:
    log = tmp_path / "audit.db"
    with closing(AuditLog.open(log)) as audit:
        gauges = WorkerGauges(Gauges(registry), Admission(10), audit)
        gauges.measure_disk()
        size = shown(registry, "tabento_audit_log_bytes")
        log.rename(tmp_path / "moved.db")
        gauges.measure_disk()
        assert shown(registry, "tabento_audit_log_bytes") == size > 0
