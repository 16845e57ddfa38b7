"""Tables to train on."""

import csv
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from training.cli import TABLES
from training.table.dataset import Dataset, load_dataset
from training.table.options import TableOptions
from training.table.overrides import read_overrides

WriteCsv = Callable[..., Path]
"""Writes rows under a header, and gives the file's path."""

LABELLED = ("--target", "label", "--name", "points")


def write_points(path: Path) -> Path:
    """Forty points of two classes; gives the path."""
    frame = pd.DataFrame({"x": [n / 10 for n in range(40)], "n": [n % 5 for n in range(40)]})
    frame.assign(label=frame["x"] > 2).to_csv(path, index=False)
    return path


def write_csv_into(folder: Path) -> WriteCsv:
    """A function that writes tables into a folder."""

    def write(header: Sequence[str], rows: Sequence[Sequence[object]], name: str = "table.csv") -> Path:
        path = folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write


def load_iris() -> Dataset:
    return load_dataset(
        TABLES / "iris.csv",
        "species",
        TableOptions(overrides=read_overrides(TABLES / "iris.contract.json")),
    )


def load_mixed(folder: Path) -> Dataset:
    """A table with a column of every type, with and without gaps."""
    random = np.random.default_rng(7)
    header = ["age", "visits", "member", "city", "income", "rooms", "active", "plan", "outcome"]
    path = write_csv_into(folder)(header, [_mixed_row(random) for _ in range(240)], "mixed.csv")
    return load_dataset(path, "outcome")


def load_visits(folder: Path) -> Dataset:
    """A table with dates and times, with and without gaps, beside a number and a category."""
    random = np.random.default_rng(11)
    header = ["booked", "arrived", "left", "fee", "ward", "outcome"]
    path = write_csv_into(folder)(header, [_visit(random) for _ in range(240)], "visits.csv")
    return load_dataset(path, "outcome")


def _visit(random: np.random.Generator) -> list[object]:
    arrived = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=int(random.integers(0, 500_000)))
    booked = arrived.date() - timedelta(days=int(random.integers(0, 90)))
    left = arrived.date() + timedelta(days=int(random.integers(0, 9)))
    late = arrived.weekday() >= 5 or arrived.hour >= 18
    return [
        booked.isoformat(),
        "" if random.random() < 0.15 else arrived.isoformat(),
        "" if random.random() < 0.15 else left.isoformat(),
        round(random.lognormal(3), 2),
        str(random.choice(["north", "south"])),
        "late" if late != (random.random() < 0.1) else "early",
    ]


def _mixed_row(random: np.random.Generator) -> list[object]:
    outcome = str(random.choice(["left", "stays", "unsure"]))
    shift = {"left": 0.0, "stays": 2.0, "unsure": -2.0}[outcome]
    with_gaps = [
        round(random.normal(40 + 5 * shift, 8), 2),
        int(random.integers(0, 9)),
        str(random.random() < 0.5 + shift / 5).lower(),
        str(random.choice(["Oslo", "Lima", "São Paulo", "new, york"])),
    ]
    whole = [
        round(random.lognormal(3 + shift / 4), 3),
        int(random.integers(1, 6)),
        str(random.random() < 0.3).upper(),
        str(random.choice(["basic", "plus"])),
    ]
    return [*("" if random.random() < 0.15 else value for value in with_gaps), *whole, outcome]
