"""Small tables that a training takes seconds for."""

from pathlib import Path

import pandas as pd

LABELLED = ("--target", "label", "--name", "points")


def write_points(path: Path) -> Path:
    """Forty points of two classes; gives the path."""
    frame = pd.DataFrame({"x": [n / 10 for n in range(40)], "n": [n % 5 for n in range(40)]})
    frame.assign(label=frame["x"] > 2).to_csv(path, index=False)
    return path
