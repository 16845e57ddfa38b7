"""``python -m training``: the options, the process's environment, and what its exit code means.

0: a model is published. 2: the table or an option was refused, and nothing was logged or published.
1: MLflow or the BentoML store failed. 130 and 143: SIGINT (Ctrl-C) or SIGTERM ended it. Unless it is 0, what
can be served is what could be served before.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from training.evaluate.report import DEFAULT_MODEL, Narrator, as_json, print_result
from training.interruption import Interruption, all_notes_of
from training.training_errors import InputRefused, TrainingError

TABLES = Path(__file__).parent / "tables"

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
"""What both BentoML and MLflow take as the name of a model."""

_LARGEST_SEED = 2**32 - 1

_ENVIRONMENT = {
    # Nothing is reported to the makers of either.
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow tells of its database's migrations, and prints links to stdout, where --json has its object.
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that does not answer is given up after seconds, not minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}


def main(argv: Sequence[str], interruption: Interruption | None = None) -> int:
    """Train as the options say; gives the exit code. What a signal raises is left to the caller."""
    interruption = interruption or Interruption()
    options = _parse(argv)
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    progress = Console(stderr=True)
    try:
        _train(options, progress, interruption)
    except TrainingError as error:
        interruption.check()
        said = " ".join([f"Error: {error}", *all_notes_of(error)])
        progress.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        return 2 if isinstance(error, InputRefused) else 1
    return 0


def _train(options: argparse.Namespace, progress: Console, interruption: Interruption) -> None:
    # Imported step by step: help needs none of this, and a refused table need not wait for MLflow.
    from training.candidates.built_in import CANDIDATES
    from training.evaluate.evaluation import FITS
    from training.table.dataset import load_dataset
    from training.table.overrides import Overrides, read_overrides

    with Narrator(progress, fits=len(CANDIDATES) * FITS, on_step=interruption.check) as narrator:
        narrator.step(f"Reading {options.data.name}")
        overrides = read_overrides(options.contract) if options.contract else Overrides()
        dataset = load_dataset(options.data, options.target, drop=options.drop, overrides=overrides)
        split = dataset.split(options.test_size, options.seed)

        narrator.step("Starting MLflow")
        from training.train import Settings, train

        settings = Settings(options.name, options.test_size, options.seed, Path.cwd())
        training = train(dataset, split, settings, narrator, interruption=interruption)
    if options.json:
        sys.stdout.write(json.dumps(as_json(training)) + "\n")
    else:
        print_result(training, Console())


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.data is None:
        if options.target is not None:
            parser.error("--target needs --data; without it, training is on Iris")
        options.data, options.target = TABLES / "iris.csv", "species"
        options.name = options.name or DEFAULT_MODEL
        options.contract = options.contract or TABLES / "iris.contract.json"
    elif options.target is None or options.name is None:
        parser.error("--data needs --target and --name")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train classifiers on a labelled table, compare them, and publish the best to BentoML. "
        "Without options, on Iris.",
        epilog="In a CSV file an empty field and the texts NA, N/A, NULL, NaN, None and their like are "
        "missing values, and true and false in any case are booleans. Runs go to the MLflow store that "
        "MLFLOW_TRACKING_URI names, else to mlflow.db in this folder.",
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="FILE", help="the table, as CSV or Parquet")
    add("--target", metavar="COLUMN", help="the column of labels")
    add("--name", type=_name, help=f"what to publish the model as (for Iris {DEFAULT_MODEL})")
    add("--contract", type=Path, metavar="FILE", help="units, limits and types that the table cannot say")
    add("--drop", action="extend", nargs="+", default=[], metavar="COLUMN", help="columns to leave out")
    add("--test-size", type=_share, default=0.2, metavar="SHARE", help="of the rows (default: %(default)s)")
    add("--seed", type=_seed, default=42, help="of everything random (default: %(default)s)")
    add("--json", action="store_true", help="print the result as one JSON object")
    return parser


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name for a model: give up to 63 lower-case letters, digits, '_', '-' or '.', "
            f"with a letter or digit at both ends"
        )
    return text


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1")
    return share


def _seed(text: str) -> int:
    if not re.fullmatch("[0-9]+", text) or int(text) > _LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {_LARGEST_SEED}")
    return int(text)
