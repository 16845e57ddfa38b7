"""The time and the peak memory of a command with all its processes."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import psutil

_INTERVAL_S = 0.1


class Usage(NamedTuple):
    """What a command took."""

    exit_code: int
    seconds: float
    peak_bytes: int
    """The largest sum, over the processes of the tree, of their proportional set sizes (PSS)."""
    stdout: str
    stderr: str


def watched(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Usage:
    """Run a command to its end, and sample its memory every 100 ms."""
    started = perf_counter()
    with (
        (folder / "stdout").open("w+") as stdout,
        (folder / "stderr").open("w+") as stderr,
        subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=stdout, stderr=stderr) as process,
    ):
        ended = threading.Event()
        peaks = [0]
        sampler = threading.Thread(target=_sample, args=(process.pid, ended, peaks))
        sampler.start()
        try:
            process.wait()
        finally:
            ended.set()
            sampler.join()
    seconds = perf_counter() - started
    texts = [(folder / name).read_text() for name in ("stdout", "stderr")]
    return Usage(process.returncode, seconds, max(peaks), *texts)


def _sample(pid: int, ended: threading.Event, peaks: list[int]) -> None:
    while not ended.wait(_INTERVAL_S):
        peaks.append(tree_bytes(pid))


def tree_bytes(pid: int) -> int:
    """The memory of a process and its descendants now; memory that they share counts once."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_pss(process.pid) for process in processes)


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, ProcessLookupError):
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
