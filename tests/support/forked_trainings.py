"""Trainings as processes that need not import what takes seconds.

``python -m tests.support.forked_trainings`` reads lines of JSON with ``folder``, ``outputs``, ``env`` and
``arguments``. Each starts ``python -m training`` in that folder; the answer is its process id. In the folder
of outputs are the files ``stdout`` and ``stderr``, and at the end ``code``, its exit code.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path

IMPORTED = (
    "training.cli",
    "training.table.dataset",
    "training.train",
    "training.publish.publication",
    "mlflow.pyfunc",
)


def train(folder: Path, outputs: Path, env: dict[str, str], arguments: list[str]) -> None:
    """Be a training, to the end of the process."""
    os.chdir(folder)
    os.environ.update(env)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(outputs / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    from training.__main__ import run
    from training.candidates.built_in import CANDIDATES

    # The quick ones, of which one comes first and one last; the others differ from them in nothing but time.
    code = run(arguments, (CANDIDATES[0], CANDIDATES[-1]))
    sys.stdout.flush()
    sys.stderr.flush()
    (outputs / "code").write_text(str(code))
    sys.exit(code)


def main() -> None:
    """Fork a training for every line."""
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            sys.stdin.close()
            train(Path(asked["folder"]), Path(asked["outputs"]), asked["env"], asked["arguments"])
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
