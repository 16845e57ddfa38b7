"""When a signal ends a training, whatever undoes its steps can write to the database that it used."""

import subprocess
import sys
from pathlib import Path

from tests.support.servers import PROJECT
from tests.support.waiting import PATIENCE_S

INTERRUPTED_CALLS = """
import os, random, signal, sqlite3, sys, threading
import mlflow
from training.interruption import Interrupted, Interruption

path, moments = sys.argv[1], random.Random(16)
client = mlflow.MlflowClient(f"sqlite:///{path}")
client.create_registered_model("used")
client.create_model_version("used", source=path)
for _ in range(100):
    interruption = Interruption()
    interruption.install()
    timer = threading.Timer(moments.uniform(0.001, 0.03), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            client.get_registered_model("used")
            client.set_model_version_tag("used", "1", "written", "yes")
    except Interrupted:  # Its traceback keeps what the frames hold.
        timer.join()
        undo = sqlite3.connect(path, timeout=0)
        undo.execute("BEGIN EXCLUSIVE")
        undo.close()
print("free")
"""

STEPS_THAT_BELONG_TOGETHER = """
import os, signal, sys, time
from training.interruption import Interrupted, Interruption, uninterrupted

def steps():
    for each in range(int(sys.argv[1])):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
    print("complete", flush=True)

Interruption().install()
try:
    uninterrupted(steps)
    time.sleep(60)
except Interrupted:
    print("interrupted")
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S)


def test_a_signal_while_mlflow_uses_its_database_leaves_no_lock_on_it(tmp_path: Path) -> None:
    ended = run(INTERRUPTED_CALLS, str(tmp_path / "used.db"))
    assert ended.stdout == "free\n", ended.stderr


def test_a_signal_waits_for_steps_that_belong_together() -> None:
    ended = run(STEPS_THAT_BELONG_TOGETHER, "1")
    assert (ended.stdout, ended.returncode) == ("complete\ninterrupted\n", 0)


def test_a_second_signal_ends_it_at_once_also_while_the_first_waits() -> None:
    ended = run(STEPS_THAT_BELONG_TOGETHER, "2")
    assert (ended.stdout, ended.returncode) == ("", 143)
