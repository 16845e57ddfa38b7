"""The command ``retrain`` of ``python -m lifecycle``.

Exit code 0: a challenger is registered, released or not, or --dry-run. 2: the table, an option or the log was
refused, and nothing was logged. 1: MLflow or the BentoML store failed. 130 or 143: a signal ended it, and
nothing was registered.
"""

import json as json_texts
import os
import sys
from typing import Any

import click

from lifecycle.retrain.retrain_options import RetrainArguments, retrain_options
from service.system.parent_death import end_with_parent
from training.table_arguments import SeveralValues

PARENT_PIPE = "TABENTO_RETRAINING_PARENT"
"""Names the descriptor that is closed when the watcher ends, so that its retraining does not outlive it."""


@click.command(cls=SeveralValues)
@retrain_options
@click.option("--reason", default="retrained", show_default=True, help="Of the release, in the ledger.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained on; write nothing.")
@click.option("--json", is_flag=True, help="Write the result as one JSON object.")
def retrain(*, reason: str, dry_run: bool, json: bool, **values: Any) -> int:
    """Train a challenger on the table and on the labels that came back, and judge it by the newest rows.

    It is released in shadow if the gate passes. Otherwise it is registered with the reasons, and the exit
    code is 0 as well.
    """
    from training.interruption import Interruption, all_notes_of

    interruption = Interruption()
    interruption.install()
    if parent := os.environ.pop(PARENT_PIPE, None):
        end_with_parent(int(parent))
    try:
        return _run(RetrainArguments(values), reason, interruption, is_dry=dry_run, as_json=json)
    except BaseException as error:
        # Any error: a library may turn the exception that the signal raised into another one.
        if interruption.received is None:
            raise
        interruption.close()
        notes = "".join(f" {note}" for note in all_notes_of(error))
        sys.stderr.write(f"Ended by {interruption.received.name}; nothing was registered.{notes}\n")
        return interruption.exit_code


def _run(arguments: RetrainArguments, reason: str, interruption: Any, *, is_dry: bool, as_json: bool) -> int:
    from rich.console import Console

    from training.interruption import all_notes_of
    from training.progress import Progress
    from training.training_errors import InputRefused, TrainingError

    console = Console(stderr=True)
    try:
        with Progress(console, on_step=interruption.check) as progress:
            text = _retrained(arguments, reason, interruption, progress, is_dry=is_dry, as_json=as_json)
    except TrainingError as error:
        interruption.check()
        message = " ".join([f"Error: {error}", *all_notes_of(error)])
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
        return 2 if isinstance(error, InputRefused) else 1
    sys.stdout.write(text)
    return 0


def _retrained(
    arguments: RetrainArguments, reason: str, interruption: Any, progress: Any, *, is_dry: bool, as_json: bool
) -> str:
    from lifecycle.retrain import retraining, retraining_report
    from training.candidates.built_in import CANDIDATES
    from training.candidates.chosen import chosen_candidates

    values = arguments.values
    candidates = chosen_candidates(CANDIDATES, values["only"], values["without"])
    task = arguments.task(reason)
    found: dict[str, object]
    if is_dry:
        parent, data = retraining.read_only(task, progress)
        found, text = (
            retraining_report.plan_as_json(parent, data),
            "\n".join(retraining_report.data_lines(data)),
        )
        text = f"{text}\nNothing was trained (--dry-run).\n"
    else:
        done = retraining.retrain(task, progress, candidates, interruption)
        found, text = retraining_report.as_json(done), retraining_report.as_text(done)
    return json_texts.dumps(found) + "\n" if as_json else text
