"""The result of a training, printed for a person or as one JSON object for a program."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from service.model.runtime import Compilation
    from training.publish.champion_change import Decision
    from training.publish.experiment import LoggedCandidate
    from training.publish.winner import Outcome
    from training.train import Training

DEFAULT_MODEL = "iris_classifier"
"""The model that ``bentoml serve`` serves if no other is named."""


def print_result(training: "Training", console: Console) -> None:
    """Print the candidates, the reason for the champion, the notes, and the next commands."""
    lineage = training.lineage
    console.print()
    console.print(_candidates_table(training))
    console.print()
    decision = training.outcome.decision
    heading = "Champion" if decision.is_champion else "Winner, but not champion"
    console.print(
        f"[bold]{heading}: {training.choice.champion.candidate.title}.[/] {escape(training.choice.reason)}"
    )
    for line in comparison_lines(decision):
        console.print(line, highlight=False, markup=False)
    console.print(
        f"Published [bold]{training.tag}[/], version {lineage.model_version} of {lineage.registered_model} "
        f"in MLflow ({lineage.alias or 'not champion'}); it gave its golden probabilities when loaded back.",
        highlight=False,
    )
    if not decision.is_champion:
        console.print(served_line(training.settings.name, training.outcome), highlight=False, markup=False)
    calibration = calibrated_line(lineage.metrics)
    if calibration:
        console.print(calibration, highlight=False, markup=False)
    console.print(compiled_line(lineage.compilation), highlight=False, markup=False)
    warnings = _warnings(training)
    if warnings:
        console.print()
        for note in warnings:
            console.print(f"[yellow]Note:[/] {escape(note)}", highlight=False)
    console.print()
    for purpose, command in _next_commands(training).items():
        # Users copy the command, so it must stay on one line.
        console.print(f"[dim]{purpose}:[/] {escape(command)}", highlight=False, soft_wrap=True)


def comparison_lines(decision: "Decision") -> list[str]:
    """The comparison with the champion until now, and what follows from it; empty if there was none."""
    present, found = decision.present, decision.comparison
    if present is None:
        return []
    if found is None:
        return [decision.reason]
    return [
        f"Compared with version {present.version} ({present.title}) on {found.rows:,} test rows: macro F1 "
        f"{found.difference:+.4f} ± {found.standard_error:.4f}, log loss {found.log_loss:.4f} instead of "
        f"{found.other_log_loss:.4f}.",
        decision.reason,
    ]


def served_line(name: str, outcome: "Outcome") -> str:
    """What the name alone stands for, after a training whose winner is not champion."""
    if outcome.served_tag == outcome.tag:
        return (
            f"{name} nevertheless stands for {outcome.tag} in this BentoML store, because the store lacks "
            f"the champion and has no other model of this name."
        )
    return f"{name} still stands for {outcome.served_tag}; the new model is served by its tag alone."


def calibrated_line(metrics: Mapping[str, float]) -> str | None:
    """What calibration did to the log loss, or None if the probabilities are as the classifier gives them."""
    if "cv_log_loss_calibrated" not in metrics:
        return None
    return (
        f"Calibrated: log loss {metrics['cv_log_loss_uncalibrated']:.4f} before and "
        f"{metrics['cv_log_loss_calibrated']:.4f} after in cross-validation, "
        f"{metrics['test_log_loss_uncalibrated']:.4f} and {metrics['test_log_loss']:.4f} on the test split."
    )


def compiled_line(compilation: "Compilation") -> str:
    """Whether the compiled form will serve, and the evidence for that."""
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
        is_champion = logged.evaluation is training.choice.champion
        table.add_row(*_candidate_cells(logged), style="bold green" if is_champion else None)
    for scored in training.unfitted:
        table.add_row(scored.candidate.title, _cv_cell(scored.cross_validation.metrics), style="dim")
    return table


def _cv_cell(metrics: Mapping[str, float]) -> str:
    return f"{metrics['cv_f1_macro']:.2%} ± {metrics['cv_f1_macro_standard_error']:.2%}".replace("%", "")


def _candidate_cells(logged: "LoggedCandidate") -> list[str]:
    metrics = logged.evaluation.metrics
    names = ("accuracy", "precision_weighted", "recall_weighted", "f1_weighted", "roc_auc")
    return [
        logged.evaluation.candidate.title,
        _cv_cell(metrics),
        *(f"{100 * metrics[f'test_{metric}']:.2f}" for metric in names),
    ]


def all_notes(training: "Training") -> list[str]:
    """The notes on the table, which are printed when it is read, and those on the candidates."""
    return [*training.dataset.notes, *_warnings(training)]


def _warnings(training: "Training") -> list[str]:
    """What makes the comparison less than fair, dropped candidates, warnings, and rows that were kept."""
    doubt = training.outcome.decision.note
    dropped = [each.dropped for each in training.unfitted if each.dropped]
    fitting = [
        f"{logged.evaluation.candidate.title}: {note}"
        for logged in training.candidates
        for note in logged.evaluation.notes
    ]
    return [*filter(None, [doubt]), *dropped, *fitting, *_kept_rows(training)]


def _kept_rows(training: "Training") -> list[str]:
    if not training.settings.keeps_sample:
        return []
    rows = training.outcome.sample_rows
    if not rows:
        return ["The published model has no rows of the table, because every feature is withheld."]
    return [f"The published model has {rows:,} rows of the table; everybody who can read it can read them."]


def _next_commands(training: "Training") -> dict[str, str]:
    uri = training.experiment.tracking_uri
    outcome = training.outcome
    name = training.settings.name if outcome.decision.is_champion else outcome.tag
    is_server = uri.startswith(("http://", "https://"))
    # Without --host, BentoML listens on every address of the machine.
    serve = "bentoml serve --host 127.0.0.1"
    return {
        "Serve it": serve if name == DEFAULT_MODEL else f"{serve} --arg model={name}",
        "See the runs": uri if is_server else f"mlflow ui --backend-store-uri {shlex.quote(uri)}",
    }


def as_json(training: "Training") -> dict[str, object]:
    """The result as ``--json`` prints it."""
    return {
        "tag": training.tag,
        "champion": training.outcome.decision.is_champion,
        "comparison": training.outcome.decision.as_json(),
        "reason": training.choice.reason,
        "lineage": training.lineage.model_dump(mode="json"),
        "candidates": [
            *(
                {
                    "name": logged.evaluation.candidate.name,
                    "run_id": logged.run_id,
                    "metrics": logged.evaluation.metrics,
                }
                for logged in training.candidates
            ),
            *(
                {
                    "name": each.candidate.name,
                    "dropped": each.dropped,
                    "metrics": each.cross_validation.metrics,
                }
                for each in training.unfitted
            ),
        ],
        "plan": training.plan.parameters,
        "mlflow": {"tracking_uri": training.experiment.tracking_uri, "run_id": training.run_id},
        "notes": all_notes(training),
        "next": list(_next_commands(training).values()),
    }
