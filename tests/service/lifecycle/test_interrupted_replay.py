"""Ctrl-C ends a replay, with all of its processes, and without a verdict."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.replayed_logs import RecordedModel
from tests.support.servers import PROJECT
from tests.support.small_models import publish_compiled
from tests.support.stores import opened_store
from tests.support.waiting import PATIENCE_S, await_true


def test_an_interrupted_replay_has_no_verdict_and_leaves_no_process(
    stores: dict[str, str], tmp_path: Path
) -> None:
    db = tmp_path / "audit.db"
    with opened_store(stores):
        tag = publish_compiled()
        RecordedModel(tag).record(db, [SETOSA, VIRGINICA] * 12_000)
    command = [sys.executable, "-m", "lifecycle", "replay", "--model", tag, "--db", str(db)]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=stores, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # Its own processes have begun.
    await_true(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 2, "they are started")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "Interrupted; there is no verdict.\n"
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []
