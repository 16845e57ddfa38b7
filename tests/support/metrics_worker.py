"""A process that keeps metrics as a worker does, and says when it is ready."""

import os
import subprocess
import sys
from pathlib import Path

from service.telemetry.metrics import FOLDER_VARIABLE
from tests.support.servers import PROJECT


def start(folder: Path, program: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a program whose metrics go to that folder, until it says ``ready``."""
    # BentoML gives its workers a folder of its own choice.
    bentoml = {"PROMETHEUS_MULTIPROC_DIR": str(folder.parent / "bentoml")}
    env = {**os.environ, **bentoml, FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process
