"""What a person sees of a training, and what a program gets: progress, the result, or one JSON object."""

import shlex
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.model.runtime import Compilation

if TYPE_CHECKING:
    from training.publish.experiment import LoggedCandidate
    from training.train import Training

DEFAULT_MODEL = "iris_classifier"
"""What ``bentoml serve`` serves when no model is named."""


class Narrator:
    """Says what is being done: a moving line on a terminal, else a plain line for each step."""

    def __init__(self, console: Console, fits: int, on_step: Callable[[], object] | None = None) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=fits)
        self._on_step = on_step

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def step(self, doing: str) -> None:
        """Say what is done next, after ``on_step``, which may raise that nothing is."""
        if self._on_step is not None:
            self._on_step()
        if self._progress.disable:
            self._console.print(doing, markup=False, highlight=False)
        self._progress.update(self._task, description=doing)

    def advance(self) -> None:
        """Count one fit as done."""
        if self._on_step is not None:
            self._on_step()
        self._progress.advance(self._task)


def print_result(training: "Training", console: Console) -> None:
    """The candidates, why the winner won, what to look at, and the commands to go on with."""
    lineage = training.lineage
    console.print()
    console.print(_candidates_table(training))
    console.print()
    console.print(f"[bold]Champion: {training.choice.champion.candidate.title}.[/] {training.choice.reason}")
    console.print(
        f"Published [bold]{training.tag}[/], version {lineage.model_version} of {lineage.registered_model} "
        f"in MLflow ({lineage.alias}); it gave its golden probabilities when loaded back.",
        highlight=False,
    )
    console.print(compiled_line(lineage.compilation), highlight=False, markup=False)
    notes = all_notes(training)
    if notes:
        console.print()
        for note in notes:
            console.print(f"[yellow]Note:[/] {escape(note)}", highlight=False)
    console.print()
    for purpose, command in _next_commands(training).items():
        # A command is copied: it must come out in one line.
        console.print(f"[dim]{purpose}:[/] {escape(command)}", highlight=False, soft_wrap=True)


def compiled_line(compilation: Compilation) -> str:
    """Whether the compiled form will serve, and what that rests on."""
    if not compilation.accepted:
        return f"Compiled: no, scikit-learn will serve, because {compilation.reason}."
    return (
        f"Compiled: yes, {compilation.compiler}, labels equal, largest difference "
        f"{compilation.largest_difference:.1g} on {compilation.rows:,} rows."
    )


def _candidates_table(training: "Training") -> Table:
    rows = len(training.choice.champion.test.labels)
    table = Table(
        title=f"{training.settings.name}: candidates, in %",
        caption=f"CV F1: macro, mean and standard error of cross-validation. "
        f"The others: weighted, on the {rows} rows of the test split.",
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("model")
    for heading in ("CV F1", "accuracy", "precision", "recall", "F1", "ROC AUC"):
        table.add_column(heading, justify="right")
    for logged in training.candidates:
        won = logged.evaluation is training.choice.champion
        table.add_row(*_candidate_cells(logged), style="bold green" if won else None)
    return table


def _candidate_cells(logged: "LoggedCandidate") -> list[str]:
    metrics = logged.evaluation.metrics
    judged = ("accuracy", "precision_weighted", "recall_weighted", "f1_weighted", "roc_auc")
    return [
        logged.evaluation.candidate.title,
        f"{metrics['cv_f1_macro']:.2%} ± {metrics['cv_f1_macro_standard_error']:.2%}".replace("%", ""),
        *(f"{100 * metrics[f'test_{metric}']:.2f}" for metric in judged),
    ]


def all_notes(training: "Training") -> list[str]:
    """What is doubtful about the table, and what scikit-learn warned of."""
    return [
        *training.dataset.notes,
        *(
            f"{logged.evaluation.candidate.title}: {note}"
            for logged in training.candidates
            for note in logged.evaluation.notes
        ),
    ]


def _next_commands(training: "Training") -> dict[str, str]:
    name, uri = training.settings.name, training.experiment.tracking_uri
    is_server = uri.startswith(("http://", "https://"))
    # Without --host it would listen on every address of the machine.
    serve = "bentoml serve --host 127.0.0.1"
    return {
        "Serve it": serve if name == DEFAULT_MODEL else f"{serve} --arg model={name}",
        "See the runs": uri if is_server else f"mlflow ui --backend-store-uri {shlex.quote(uri)}",
    }


def as_json(training: "Training") -> dict[str, object]:
    """The result as ``--json`` prints it."""
    return {
        "tag": training.tag,
        "reason": training.choice.reason,
        "lineage": training.lineage.model_dump(mode="json"),
        "candidates": [
            {
                "name": logged.evaluation.candidate.name,
                "run_id": logged.run_id,
                "metrics": logged.evaluation.metrics,
            }
            for logged in training.candidates
        ],
        "mlflow": {"tracking_uri": training.experiment.tracking_uri, "run_id": training.run_id},
        "notes": all_notes(training),
        "next": list(_next_commands(training).values()),
    }
