"""Which columns of which windows Evidently's defaults flag.

Run by the Python of an environment that has evidently: ``evidently_flags.py ROWS.npz ...``. Prints one line
of JSON, rows of flags for each file. It imports nothing of the project, whose environment has not what it
needs.

The preset draws charts for seconds, so its default test of each column is called without it. The first window
is compared with the preset, and must have the same flags.
"""

import importlib
import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np


def main() -> None:
    """Flag the windows of files of rows."""
    warnings.simplefilter("ignore")
    pandas = importlib.import_module("pandas")
    found = []
    for path in sys.argv[1:]:
        with np.load(path) as rows:
            first = int(rows["categories_from"])
            frames = [_frame(pandas, each, first) for each in (rows["reference"], *rows["windows"])]
        found.append([list(_flags(frames[0], frame, first)) for frame in frames[1:]])
        if len(found) == 1 and list(_preset_flags(frames[0], frames[1])) != found[0][0]:
            sys.exit("the preset flags other columns than the default tests")
    sys.stdout.write(json.dumps(found) + "\n")


def _frame(pandas: Any, rows: np.ndarray, first: int) -> Any:
    frame = pandas.DataFrame(rows, columns=[f"c{place}" for place in range(rows.shape[1])])
    names = frame.columns[first:]
    return frame.assign(**{name: frame[name].map("{:.0f}".format) for name in names})


def _flags(reference: Any, window: Any, first: int) -> Iterator[bool]:
    tests = importlib.import_module("evidently.legacy.calculations.stattests")
    column_type = importlib.import_module("evidently.legacy.core").ColumnType
    for place, name in enumerate(reference.columns):
        kind = column_type.Numerical if place < first else column_type.Categorical
        test = tests.get_stattest(reference[name], window[name], kind, None)
        yield bool(test(reference[name], window[name], kind, None).drifted)


def _preset_flags(reference: Any, window: Any) -> Iterator[bool]:
    report = importlib.import_module("evidently").Report
    preset = importlib.import_module("evidently.presets").DataDriftPreset
    for metric in report([preset()]).run(window, reference).dict()["metrics"]:
        config = metric["config"]
        if "column" in config:
            # A p-value is small, a distance large, where there is drift.
            small = "p_value" in config["method"]
            value, threshold = metric["value"], config["threshold"]
            yield bool(value < threshold if small else value >= threshold)


if __name__ == "__main__":
    main()
