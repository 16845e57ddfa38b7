"""``python -m training``: the options, the environment of the process, and the exit codes.

0: a model is published, as champion or not. 2: the table or an option was refused, and nothing was logged or
published. 1: MLflow or the BentoML store failed. 130 or 143: SIGINT (Ctrl-C) or SIGTERM ended the training.
Unless the code is 0, the served model stays the same.
"""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from training.evaluate.report import DEFAULT_MODEL, as_json, print_result
from training.interruption import Interruption, all_notes_of
from training.progress import Progress
from training.quiet_libraries import quiet_libraries
from training.table_arguments import SeveralValues, TableArguments, table_options
from training.training_errors import InputRefused, TrainingError

if TYPE_CHECKING:
    from training.candidates.built_in import Candidate
    from training.train import Settings

TABLES = Path(__file__).parent / "tables"

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
"""The model names that both BentoML and MLflow accept."""

_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Options:
    """The command line, complete: without --data, the options of Iris are filled in."""

    data: str
    target: str
    name: str
    contract: Path | None
    table: TableArguments
    test_size: float
    seed: int
    margin: float
    force: bool
    json: bool
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    keep_sample: bool = False


def main(
    argv: Sequence[str],
    interruption: Interruption | None = None,
    candidates: "Sequence[Candidate] | None" = None,
) -> int:
    """Run the command; returns the exit code. Interrupted is left to the caller.

    The built-in candidates compete unless others are given.
    """
    interruption = interruption or Interruption()
    # click turns KeyboardInterrupt into its own error and a blank line, so the training runs outside of it.
    options = _parse(argv)
    if isinstance(options, int):
        return options
    quiet_libraries()
    console = Console(stderr=True)
    try:
        _train(options, console, interruption, candidates)
    except TrainingError as error:
        interruption.check()
        message = " ".join([f"Error: {error}", *all_notes_of(error)])
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
        return 2 if isinstance(error, InputRefused) else 1
    return 0


def _train(
    options: Options,
    console: Console,
    interruption: Interruption,
    candidates: "Sequence[Candidate] | None",
) -> None:
    # Imported step by step: --help needs none of these, and a refused table does not wait for MLflow.
    from service.system.memory import give_back_freed_memory, give_back_large_blocks
    from training.candidates.built_in import CANDIDATES
    from training.candidates.chosen import chosen_candidates
    from training.table.dataset import load_dataset

    give_back_large_blocks()
    candidates = chosen_candidates(candidates or CANDIDATES, options.only, options.without)
    with Progress(console, on_step=interruption.check) as progress:
        progress.step(f"Reading {_shown_name(options.data)}")
        dataset = load_dataset(options.data, options.target, options.table.options(options.contract))
        for note in dataset.notes:
            progress.note(note)
        split = dataset.split(options.test_size, options.seed)
        dataset = dataset.excerpt(options.seed)
        give_back_freed_memory()

        progress.step("Starting MLflow")
        from training.train import train

        training = train(dataset, split, _settings(options), progress, candidates, interruption)
    if options.json:
        sys.stdout.write(json.dumps(as_json(training)) + "\n")
    else:
        print_result(training, Console())


def _settings(options: Options) -> "Settings":
    from training.train import Settings

    return Settings(
        options.name,
        options.test_size,
        options.seed,
        Path.cwd(),
        options.margin,
        options.force,
        are_candidates_chosen=bool(options.only),
        keeps_sample=options.keep_sample,
    )


def _shown_name(data: str) -> str:
    """The name of the file; of a database without its address, which may have a password."""
    return "the database" if "://" in data else Path(data).name


def _parse(argv: Sequence[str]) -> Options | int:
    """The options, or the exit code if there is nothing to do, as after --help."""
    try:
        parsed: Options | int = command.main(list(argv), "python -m training", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return parsed


def _name(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not _NAME.fullmatch(text):
        raise click.BadParameter(
            f"{text!r} is not a model name. Use up to 63 lower-case letters, digits, '_', '-' or '.', "
            f"with a letter or digit at both ends."
        )
    return text


def _share(_: click.Context, __: click.Parameter, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share < 1:
        raise click.BadParameter(f"{text!r} is not a share between 0 and 1.")
    return share


def _margin(_: click.Context, __: click.Parameter, text: str) -> float:
    try:
        margin = float(text)
    except ValueError:
        margin = -1
    if not 0 <= margin < 1:
        raise click.BadParameter(f"{text!r} is not a share of at least 0 and less than 1.")
    return margin


def _seed(_: click.Context, __: click.Parameter, text: str) -> int:
    if not re.fullmatch("[0-9]+", text) or int(text) > _LARGEST_SEED:
        raise click.BadParameter(f"{text!r} is not a whole number from 0 to {_LARGEST_SEED}.")
    return int(text)


def _names(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a repeatable option, each value of which may be a list with commas."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


_FILE = click.Path(path_type=Path)


@click.command(
    cls=SeveralValues,
    help="Train classifiers on a labelled table, compare them, and publish the best one to BentoML. "
    "Without options, train on Iris.",
    epilog="Runs are logged to the MLflow store that "
    "MLFLOW_TRACKING_URI names, or else to mlflow.db in the current folder.",
)
@click.option(
    "--data",
    metavar="SOURCE",
    help="The table: a CSV or Parquet file, a folder of Parquet files, or with --query sqlite:///PATH or "
    "postgresql://USER@HOST/DATABASE.",
)
@click.option("--target", metavar="COLUMN", help="The column of labels.")
@click.option("--name", callback=_name, help=f"The name of the published model. For Iris: {DEFAULT_MODEL}.")
@click.option("--contract", type=_FILE, metavar="FILE", help="Units, limits and types that the table lacks.")
@table_options
@click.option(
    "--test-size",
    callback=_share,
    default="0.2",
    show_default=True,
    metavar="SHARE",
    help="Share of test rows.",
)
@click.option("--seed", callback=_seed, default="42", show_default=True, help="Seed of everything random.")
@click.option(
    "--only",
    callback=_names,
    multiple=True,
    metavar="CANDIDATE",
    help="Train these candidates alone, whatever the size of the table.",
)
@click.option(
    "--without", callback=_names, multiple=True, metavar="CANDIDATE", help="Leave these candidates out."
)
@click.option(
    "--margin",
    callback=_margin,
    default="0.01",
    show_default=True,
    metavar="SHARE",
    help="By how much the macro F1 of a new champion may be below that of the present one.",
)
@click.option("--force", is_flag=True, help="Make the best model champion, however it compares.")
@click.option(
    "--keep-sample",
    is_flag=True,
    help="Publish up to 2,000 rows of the table with the model, for the two-sample test of monitoring. Off "
    "by default, because they may be data of persons.",
)
@click.option("--json", is_flag=True, help="Print the result as one JSON object.")
def command(
    *,
    data: str | None,
    target: str | None,
    name: str | None,
    contract: Path | None,
    test_size: float,
    seed: int,
    margin: float,
    force: bool,
    json: bool,
    only: tuple[str, ...],
    without: tuple[str, ...],
    keep_sample: bool,
    **table: Any,
) -> Options:
    """Check the options that depend on each other, and fill in those of Iris."""
    arguments = TableArguments(**table)
    if data is None:
        if target is not None:
            raise click.UsageError("--target needs --data. Without --data, the training is on Iris.")
        data, target = str(TABLES / "iris.csv"), "species"
        name, contract = name or DEFAULT_MODEL, contract or TABLES / "iris.contract.json"
    elif target is None or name is None:
        raise click.UsageError("--data needs --target and --name.")
    return Options(
        data,
        target,
        name,
        contract,
        arguments,
        test_size,
        seed,
        margin,
        force,
        json,
        only,
        without,
        keep_sample,
    )
