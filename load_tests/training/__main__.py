"""``make bench-training``: train on tables of many sizes by the real command, and measure time and memory.

Each training runs in a fresh store, one after another. The champion is compared with scikit-learn's
HistGradientBoostingClassifier with defaults on the same split. The figures are written to ``training.md`` and
``training.json`` in ``load_tests/results``. Exits with 0 if no limit is missed, and with 1 otherwise.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.serving import PROJECT
from load_tests.training.default_boosting import default_boosting
from load_tests.training.made_tables import LABEL, TABLES, MadeTable
from load_tests.training.process_tree import Usage, watched
from load_tests.training.training_report import Measured, as_markdown, verdicts


def main() -> int:
    """Train on every table and write the report."""
    options = _parser().parse_args()
    measured = []
    for table in TABLES:
        if options.only and table.name not in options.only:
            continue
        measured.append(_measure(table))
        sys.stderr.write(f"{measured[-1]}\n")
    report = {
        **provenance(),
        "command": "python -m load_tests.training",
        "trainings": [each._asdict() for each in measured],
    }
    return write_report(
        "training", report, as_markdown(report, measured), verdicts(measured), options.results
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load_tests.training", description=__doc__)
    names = [table.name for table in TABLES]
    parser.add_argument("--only", nargs="+", choices=names, help="measure these tables alone")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser


def _measure(table: MadeTable) -> Measured:
    with TemporaryDirectory(prefix="tabento-training-") as name:
        folder = Path(name)
        arguments: list[str] = []
        if table.make is not None:
            data = table.write(folder)
            arguments = ["--data", str(data), "--target", LABEL, "--name", "bench"]
        stores = {"BENTOML_HOME": str(folder / "bentoml"), "PYTHONPATH": str(PROJECT)}
        environment = {**os.environ, **stores, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
        command = [sys.executable, "-m", "training", "--json", *arguments]
        usage = watched(command, folder, environment)
        return _result(table, usage, folder)


def _result(table: MadeTable, usage: Usage, folder: Path) -> Measured:
    if usage.exit_code:
        said = usage.stderr.strip().splitlines() or [""]
        return Measured.of(table, usage, said[-1])
    result: Mapping[str, object] = json.loads(usage.stdout)
    frame = pd.read_csv(table.write(folder)) if table.make is not None else None
    return Measured.of(table, usage, None, result, None if frame is None else default_boosting(frame))


if __name__ == "__main__":
    sys.exit(main())
