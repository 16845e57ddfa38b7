"""Starts a module of this service as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

_ROOT = Path(__file__).parents[2]
"""The folder of this ``service`` package; the working folder may hold another one."""


def start_module(
    module: str,
    *arguments: str,
    pass_fds: Collection[int] = (),
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``python -m MODULE ARGUMENTS``, by default without input; raises OSError.

    The process inherits the file descriptors ``pass_fds``.
    """
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(  # noqa: S603 - this Python, with arguments made by the service
        [sys.executable, "-P", "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        pass_fds=pass_fds,
        stdin=stdin,
        stdout=stdout,
    )
