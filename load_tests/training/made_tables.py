"""Tables with a fixed seed: numbers, categories of several widths, gaps, a nonlinear target with noise."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

LABEL = "outcome"
_GAPS = 0.06
_WIDTHS = (3, 8, 25, 60, 300, 1500)
"""The numbers of values of the categories."""


@dataclass(frozen=True)
class MadeTable:
    """A table of the benchmark, and what its training may take."""

    name: str
    title: str
    make: Callable[[], pd.DataFrame] | None
    """None for Iris, which the command trains on without options."""
    limit_s: float
    n_rows: int
    n_columns: int
    may_be_refused: bool = False

    def write(self, folder: Path) -> Path:
        """Write the table as CSV, unless it is there; returns its path."""
        path = folder / f"{self.name}.csv"
        if not path.exists() and self.make is not None:
            self.make().to_csv(path, index=False)
        return path


def mixed(n_rows: int) -> pd.DataFrame:
    """Twenty features: twelve numbers, six categories and two booleans; three classes."""
    random = np.random.default_rng(13)
    numbers = random.normal(size=(n_rows, 12))
    codes = [np.minimum(random.geometric(2 / (width + 1), n_rows) - 1, width - 1) for width in _WIDTHS]
    effects = [random.normal(size=width) for width in _WIDTHS]
    flags = random.random((n_rows, 2)) < 0.4
    score = (
        np.sin(2 * numbers[:, 0])
        + numbers[:, 1] * numbers[:, 2]
        + 0.7 * np.abs(numbers[:, 3])
        + 0.5 * numbers[:, 4]
        + np.where(flags[:, 0], numbers[:, 5], -0.5 * numbers[:, 5])
        + sum(0.6 * effect[code] for effect, code in zip(effects, codes, strict=True))
        + random.normal(scale=1.0, size=n_rows)
    )
    frame = pd.DataFrame(np.round(numbers, 4), columns=[f"n{place}" for place in range(12)])
    frame["n6"] = np.round(np.exp(numbers[:, 6]) * 1000, 2)
    frame["n7"] = random.integers(0, 100, n_rows)
    for width, code in zip(_WIDTHS, codes, strict=True):
        frame[f"c{width}"] = np.array([f"value {place}" for place in range(width)], dtype=object)[code]
    frame["f0"], frame["f1"] = flags[:, 0], flags[:, 1]
    for name in ("n1", "n4", "n8", "c8", "c300"):
        frame[name] = frame[name].mask(random.random(n_rows) < _GAPS)
    frame[LABEL] = np.array(["low", "middle", "high"])[np.digitize(score, np.quantile(score, [0.4, 0.8]))]
    return frame


def wide(n_rows: int = 20_000, n_columns: int = 500) -> pd.DataFrame:
    """Numbers alone, of which twenty matter; two classes."""
    random = np.random.default_rng(14)
    numbers = random.normal(size=(n_rows, n_columns))
    score = (
        numbers[:, :10] @ random.normal(size=10)
        + 1.5 * np.sign(numbers[:, 10] * numbers[:, 11])
        + np.sin(3 * numbers[:, 12])
        + random.normal(scale=1.5, size=n_rows)
    )
    frame = pd.DataFrame(np.round(numbers, 4), columns=[f"n{place}" for place in range(n_columns)])
    return frame.assign(**{LABEL: np.where(score > 0, "yes", "no")})


def many_classes(n_rows: int = 3_000, n_classes: int = 250) -> pd.DataFrame:
    """Numbers around a centre for each class."""
    random = np.random.default_rng(15)
    classes = np.arange(n_rows) % n_classes
    centres = random.normal(scale=2.0, size=(n_classes, 12))
    numbers = centres[classes] + random.normal(size=(n_rows, 12))
    frame = pd.DataFrame(np.round(numbers, 4), columns=[f"n{place}" for place in range(12)])
    return frame.assign(**{LABEL: [f"class {place:03}" for place in classes]})


TABLES: tuple[MadeTable, ...] = (
    MadeTable("iris", "Iris", None, 30, 150, 5),
    MadeTable("mixed_200k", "200,000 x 20 mixed", lambda: mixed(200_000), 150, 200_000, 20),
    MadeTable("wide_500", "20,000 x 500", wide, 120, 20_000, 500),
    MadeTable("classes_250", "3,000 rows, 250 classes", many_classes, 60, 3_000, 12),
    MadeTable("wide_20000", "60 x 20,000", lambda: wide(60, 20_000), 60, 60, 20_000, may_be_refused=True),
    MadeTable("mixed_1m", "1,000,000 x 20 mixed", lambda: mixed(1_000_000), 600, 1_000_000, 20),
)
