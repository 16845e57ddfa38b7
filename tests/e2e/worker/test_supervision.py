"""A worker without a heartbeat is killed, and nothing else is; real processes, with shorter limits."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
import pytest

from service.telemetry.metrics import FOLDER_VARIABLE
from service.worker.kills import collect_kills, record_kill
from tests.support.servers import PROJECT, is_alive
from tests.support.supervised import SILENCE_LIMIT_S
from tests.support.waiting import await_true


@dataclass
class Supervised:
    """A supervising process and the workers that it started, by what they do."""

    process: psutil.Process
    workers: dict[str, psutil.Process]
    output: IO[str]

    def all(self) -> list[psutil.Process]:
        found = list(self.workers.values())
        for process in (self.process, *self.workers.values()):
            with suppress(psutil.NoSuchProcess):
                found += process.children(recursive=True)
        return [self.process, *dict.fromkeys(found)]

    def await_beats(self, number: int) -> None:
        """Wait until so many have sent their first."""
        for _ in range(number):
            assert self.output.readline().endswith(" began\n")

    def alive(self) -> set[str]:
        return {kind for kind, worker in self.workers.items() if is_alive(worker)}

    def await_ended(self, *kinds: str) -> None:
        await_true(
            lambda: not self.alive() & set(kinds),
            f"{kinds} have ended",
            state=self.alive,
        )


@contextmanager
def supervised(folder: Path, *kinds: str) -> Iterator[Supervised]:
    command = [sys.executable, "-m", "tests.support.supervised", *kinds]
    env = {**os.environ, "PYTHONPATH": str(PROJECT), FOLDER_VARIABLE: str(folder)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        pids = map(int, run.stdout.readline().split())
        workers = dict(zip(kinds, map(psutil.Process, pids), strict=True))
        found = Supervised(psutil.Process(run.pid), workers, run.stdout)
        try:
            yield found
        finally:
            for process in found.all():
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the metrics, for this process as well."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_worker_is_killed_if_its_loop_is_stuck_or_it_is_stopped_and_for_nothing_else(folder: Path) -> None:
    with supervised(folder, "serves", "starts", "stuck", "stops", "has a child") as found:
        found.await_beats(5)
        children = found.workers["has a child"].children()
        found.workers["serves"].suspend()
        found.await_ended("stuck", "serves")
        time.sleep(1.5)  # The child was silent as long.
        assert found.alive() == {"starts", "stops", "has a child"}
        assert [is_alive(child) for child in children] == [True]
    assert collect_kills() == 2


def test_nobody_is_killed_when_all_were_suspended_together(folder: Path) -> None:
    with supervised(folder, "serves", "starts") as found:
        found.await_beats(1)
        time.sleep(0.5)  # And were seen.
        for process in found.all():
            process.suspend()
        time.sleep(SILENCE_LIMIT_S + 1)
        # The one that supervises first: what it finds is that everybody has been silent.
        found.process.resume()
        time.sleep(0.5)
        for worker in found.workers.values():
            worker.resume()
        time.sleep(1)
        assert found.alive() == {"serves", "starts"}
    assert collect_kills() == 0


def test_workers_end_with_the_process_that_supervises_them_also_while_they_start(folder: Path) -> None:
    with supervised(folder, "serves", "starts", "stuck", "stops") as found:
        found.await_beats(3)
        found.process.kill()
        found.await_ended("serves", "starts", "stuck", "stops")


def test_each_kill_is_counted_once(folder: Path) -> None:
    assert collect_kills() == 0
    record_kill()
    record_kill()
    assert (collect_kills(), collect_kills()) == (2, 0)
    record_kill()
    assert collect_kills() == 1
    assert folder.exists()


@pytest.mark.parametrize("named", ["", "none", "0:1", "999:1"])
def test_a_process_that_is_told_of_another_file_has_no_heartbeat(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    from service.worker.heartbeat import VARIABLE, Heartbeat

    monkeypatch.setenv(VARIABLE, named)
    assert Heartbeat.of_this_process() is None
