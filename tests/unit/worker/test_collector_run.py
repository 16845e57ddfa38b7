"""The process of the collector: one for all workers, started again if it ends, and ended with its worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from service.errors import MonitoringUnusable
from service.monitoring.store.monitoring_store import MonitoringStore
from service.worker.collector_run import CollectorRun, lock_path
from tests.support.audit.logs import numbered, write
from tests.support.servers import PROJECT, is_alive
from tests.support.waiting import await_true

Run = Callable[..., CollectorRun]


@pytest.fixture
def db(tmp_path: Path, stores: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of monitoring of a log of three records."""
    log = tmp_path / "audit.db"
    write(log, *numbered(3))
    for name in ("BENTOML_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, stores[name])
    monkeypatch.setenv("TABENTO_AUDIT_DB", str(log))
    return tmp_path / "tabento-monitoring.db"


@pytest.fixture
def run(db: Path, tmp_path: Path) -> Iterator[Run]:
    """A worker's collector, which is looked at without delay."""
    runs: list[CollectorRun] = []

    def make(**options: float) -> CollectorRun:
        runs.append(CollectorRun(db, tmp_path, first_delay_s=0, interval_s=0.05, **options))
        return runs[-1]

    yield make
    for each in runs:
        each.stop()


def running(run: CollectorRun, but: int | None = None) -> psutil.Process:
    """The process of a run, other than an earlier one."""

    def pid() -> int | None:
        run.refresh()
        return run.pid if run.pid != but else None

    return psutil.Process(await_true(pid, "it runs"))


def read_upto(db: Path) -> int:
    with suppress(MonitoringUnusable), MonitoringStore.open(db) as store:
        return store.position.upto_id
    return 0


def await_read(run: CollectorRun, db: Path) -> None:
    """Wait until the log is read, while the run looks at its process."""

    def is_read() -> bool:
        run.refresh()
        return read_upto(db) > 0

    await_true(is_read, "it has read the log")


def test_one_run_starts_it_and_another_takes_over(run: Run, db: Path) -> None:
    first, second = run(), run()
    process = running(first)
    await_true(lambda: read_upto(db), "it has read the log")
    second.refresh()
    assert second.pid is None
    threads = [thread.id for thread in process.threads()]
    assert (19, os.SCHED_IDLE) in [
        (os.getpriority(os.PRIO_PROCESS, each), os.sched_getscheduler(each)) for each in threads
    ]
    first.stop()
    assert not is_alive(process)
    assert is_alive(running(second))


def test_a_killed_one_is_started_again(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    collector = run()
    process = running(collector)
    process.kill()
    assert running(collector, but=process.pid).pid != process.pid
    assert "monitoring ended with -9, and starts again in 1 s" in caplog.text


def test_one_that_hangs_is_killed_and_started_again(
    run: Run, db: Path, caplog: pytest.LogCaptureFixture
) -> None:
    collector = run(hang_limit_s=10)
    process = running(collector)
    await_read(collector, db)
    process.suspend()
    again = running(collector, but=process.pid)
    assert not is_alive(process)
    assert is_alive(again)
    assert "monitoring showed no sign of work for 10 s and was killed" in caplog.text


def test_one_that_is_stopped_ends_with_its_run(run: Run) -> None:
    collector = run()
    process = running(collector)
    process.suspend()
    collector.stop()
    assert not is_alive(process)


def test_one_that_cannot_run_is_tried_again_ever_later(
    run: Run, db: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    db.write_text("notes of a person, which are not to be lost " * 10)
    collector = run()
    process = running(collector)
    again = running(collector, but=process.pid)
    running(collector, but=again.pid)
    assert "again in 1 s" in caplog.text
    assert "again in 2 s" in caplog.text
    assert "is not a file of monitoring" in capfd.readouterr().err
    assert db.read_text().startswith("notes of a person")


@pytest.mark.parametrize("is_stopped", [False, True], ids=["runs", "is stopped"])
def test_it_ends_with_a_worker_that_is_killed(db: Path, tmp_path: Path, is_stopped: bool) -> None:
    command = [sys.executable, "-m", "tests.support.collector_owner", str(db), str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        process = psutil.Process(int(worker.stdout.readline()))
        await_true(lambda: read_upto(db), "it has read the log")
        if is_stopped:
            process.send_signal(signal.SIGSTOP)
        worker.kill()
    await_true(lambda: not is_alive(process), "it has ended")
    assert lock_path(db).stat().st_mode & 0o777 == 0o600
