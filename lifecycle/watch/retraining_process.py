"""One retraining in a process of its own: its memory is given back, and its end does not end the watcher."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from lifecycle.retrain.retrain_command import PARENT_PIPE

_STEP_S = 0.2
_END_S = 60.0


@dataclass(frozen=True)
class Ended:
    """A retraining that ended."""

    exit_code: int
    result: dict[str, Any] | None
    """What it wrote; None if it failed."""
    said: str
    """The last line that it wrote to stderr."""


def run_retraining(arguments: Sequence[str], stop: Event) -> Ended:
    """Run ``python -m lifecycle retrain`` to its end; ``stop`` ends it as SIGTERM does."""
    command = [sys.executable, "-m", "lifecycle", "retrain", *arguments, "--json"]
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    try:
        with subprocess.Popen(  # noqa: S603 - the project's own command
            command,
            env={**os.environ, PARENT_PIPE: str(reading)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(reading,),
            # A signal to the group of the watcher is for the watcher, which passes it on.
            start_new_session=True,
        ) as process:
            return _ended(process, stop)
    finally:
        os.close(reading)
        os.close(writing)


def _ended(process: "subprocess.Popen[str]", stop: Event) -> Ended:
    is_told = False
    while True:
        try:
            out, said = process.communicate(timeout=_STEP_S if not is_told else _END_S)
            break
        except subprocess.TimeoutExpired:
            if is_told:
                # A retraining that does not end is not left behind.
                process.kill()
            elif stop.is_set():
                process.send_signal(signal.SIGTERM)
                is_told = True
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    result = json.loads(out) if process.returncode == 0 else None
    return Ended(process.returncode, result, lines[-1] if lines else f"exit code {process.returncode}")
