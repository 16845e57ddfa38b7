"""Watchers as real processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.retrained_world import NAME, TARGET, World, in_a_process
from tests.support.servers import PROJECT
from tests.support.waiting import PATIENCE_S

_ENDED = "the process ended"


class WatcherProcess:
    """``python -m lifecycle watch``, and what it writes."""

    def __init__(self, world: World, *options: str) -> None:
        self._output = world.folder / "watch.txt"
        with self._output.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lifecycle", *command(world, *options)],
                cwd=PROJECT,
                env=in_a_process(world),
                stdout=output,
                stderr=output,
            )

    @property
    def said(self) -> str:
        """All that watchers of this world wrote so far."""
        return self._output.read_text()

    def says(self, text: str) -> bool:
        """Whether it wrote that; an ended process fails the test that waits for it."""
        if text in self.said:
            return True
        assert self.process.poll() is None, f"{_ENDED}: {self.said}"
        return False

    def end(self, number: int) -> int:
        """Send it a signal; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def command(world: World, *options: str) -> list[str]:
    """The arguments of a watcher that retrains quickly and releases nothing."""
    where = ["--data", str(world.table), "--target", TARGET, "--name", NAME, "--db", str(world.log)]
    return ["watch", *where, "--only", "logistic_regression", "--no-release", "--interval", "0.3s", *options]


@contextmanager
def watching(world: World, *options: str) -> Iterator[WatcherProcess]:
    """A watcher, which is killed at the end."""
    watcher = WatcherProcess(world, *options)
    try:
        yield watcher
    finally:
        watcher.process.kill()
        watcher.process.wait(PATIENCE_S)


def tables(world: World) -> list[Path]:
    """The tables of the retrainings of a world."""
    return sorted((world.folder / f"{NAME}.retraining").glob("table-*Z.parquet"))
