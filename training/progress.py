"""The progress of a training, printed to stderr while it runs, with an estimate of the time that is left."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.text import Text

from training.remaining_time import RemainingTime, duration_text

INTERVAL_S = 10.0
"""Seconds between two lines if there is no terminal."""


class Progress:
    """Prints the current step: as a bar on a terminal, else as a line for each step and every 10 s."""

    def __init__(
        self, console: Console, on_step: Callable[[], object] | None = None, interval_s: float = INTERVAL_S
    ) -> None:
        self._console = console
        self._remaining = RemainingTime()
        self._bar = ProgressBar(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            _TimeLeftColumn(self._remaining),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0)
        self._on_step = on_step
        self._interval_s = interval_s
        self._step = ""
        self._ended = threading.Event()
        self._reporter = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Self:
        if self._bar.disable:
            self._reporter.start()
        else:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._bar.disable:
            # Nothing is printed after the end.
            self._reporter.join()
        else:
            self._bar.stop()

    def step(self, description: str) -> None:
        """Print the next step, after calling ``on_step``, which may raise to stop before it."""
        if self._on_step is not None:
            self._on_step()
        self._step = description
        if self._bar.disable:
            self.say(description)
        self._bar.update(self._task, description=description)

    def note(self, text: str) -> None:
        """Print a note on the step; it stays on the terminal."""
        self._console.print(f"[yellow]Note:[/] {escape(text)}", highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def expect(self, seconds: float, processes: int = 1) -> None:
        """Say that work of so many estimated seconds is left, which so many processes share."""
        self._remaining.expect(seconds, processes)

    def advance(self, estimated_s: float, actual_s: float) -> None:
        """Count a fit as done, which was estimated to take so long."""
        if self._on_step is not None:
            self._on_step()
        self._remaining.finish(estimated_s, actual_s)
        self._bar.update(self._task, completed=self._remaining.share_done)

    def _report(self) -> None:
        while not self._ended.wait(self._interval_s):
            left = self._remaining.text
            passed = f"{duration_text(self._remaining.elapsed_s)} so far"
            self.say(f"{self._step}: {', '.join(filter(None, (passed, left)))}")


class _TimeLeftColumn(ProgressColumn):
    """The estimated time that is left."""

    def __init__(self, remaining: RemainingTime) -> None:
        super().__init__()
        self._remaining = remaining

    def render(self, task: Task) -> Text:  # noqa: ARG002 - the signature is rich's
        """The text of the column, at each refresh of the bar."""
        return Text(self._remaining.text)
