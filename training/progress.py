"""The progress of a training, printed to stderr while it runs."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar


class Progress:
    """Prints the current step: as a progress bar on a terminal, else as a plain line for each step."""

    def __init__(self, console: Console, fits: int, on_step: Callable[[], object] | None = None) -> None:
        self._console = console
        self._bar = ProgressBar(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=fits)
        self._on_step = on_step

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, description: str) -> None:
        """Print the next step, after calling ``on_step``, which may raise to stop before it."""
        if self._on_step is not None:
            self._on_step()
        if self._bar.disable:
            self._console.print(description, markup=False, highlight=False)
        self._bar.update(self._task, description=description)

    def note(self, text: str) -> None:
        """Print a note on the step; it stays on the terminal."""
        self._console.print(f"[yellow]Note:[/] {escape(text)}", highlight=False, soft_wrap=True)

    def advance(self) -> None:
        """Count one fit as done."""
        if self._on_step is not None:
            self._on_step()
        self._bar.advance(self._task)
