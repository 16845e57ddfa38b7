"""Which columns of which windows NannyML's univariate drift flags with its defaults.

Run by the Python of an environment that has nannyml: ``nannyml_flags.py ROWS.npz ...``. Prints one line of
JSON, rows of flags for each file. It imports nothing of the project, whose environment has not what it needs.
"""

import importlib
import json
import sys
import warnings
from typing import Any

import numpy as np


def main() -> None:
    """Flag the windows of files of rows."""
    warnings.simplefilter("ignore")
    pandas = importlib.import_module("pandas")
    nannyml = importlib.import_module("nannyml")
    sys.stdout.write(json.dumps([_flags(pandas, nannyml, path) for path in sys.argv[1:]]) + "\n")


def _flags(pandas: Any, nannyml: Any, path: str) -> list[list[bool]]:
    with np.load(path) as rows:
        first = int(rows["categories_from"])
        reference, windows = rows["reference"], rows["windows"]
    frame = _frame(pandas, windows.reshape(-1, windows.shape[2]), first)
    names = list(frame.columns)
    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=windows.shape[1])
    calculator.fit(_frame(pandas, reference, first))
    result = calculator.calculate(frame).filter(period="analysis").to_df()
    alerts = [result[name, "jensen_shannon", "alert"].tolist() for name in names]
    flags: list[list[bool]] = np.array(alerts, dtype=bool).T.tolist()
    return flags


def _frame(pandas: Any, rows: np.ndarray, first: int) -> Any:
    frame = pandas.DataFrame(rows, columns=[f"c{place}" for place in range(rows.shape[1])])
    names = frame.columns[first:]
    return frame.assign(**{name: frame[name].map("{:.0f}".format).astype("category") for name in names})


if __name__ == "__main__":
    main()
