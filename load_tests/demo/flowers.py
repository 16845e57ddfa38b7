"""Iris-like flowers, and the change that the served model does not know."""

import csv
import random
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parents[2] / "training" / "tables" / "iris.csv"
TARGET = "species"
_SCATTER = 0.1
_STEP = 0.1
"""Flowers are measured to a millimetre, in centimetres."""
_SMALLEST = 0.1
NEW_SORT = {"petal_length": 1.1, "petal_width": 0.5, "sepal_width": -0.9}
"""What distinguishes the new sort of versicolor from the one of the table, in centimetres: its petals are
those of a virginica, its sepals are narrower than any."""


class Flower(NamedTuple):
    """A flower that was measured, and its species."""

    row: dict[str, float]
    species: str


class Meadow:
    """Where the flowers come from."""

    def __init__(self, seed: int = 0) -> None:
        with TABLE.open(newline="") as file:
            self._table = [*csv.DictReader(file)]
        self._random = random.Random(seed)
        self.has_new_sort = False
        """Whether every versicolor is of the new sort."""

    def flower(self) -> Flower:
        """The next flower."""
        measured = dict(self._random.choice(self._table))
        species = measured.pop(TARGET)
        row = {name: float(value) + self._random.gauss(0, _SCATTER) for name, value in measured.items()}
        if self.has_new_sort and species == "versicolor":
            row = {name: value + NEW_SORT.get(name, 0.0) for name, value in row.items()}
        rounded = {name: max(round(value / _STEP) * _STEP, _SMALLEST) for name, value in row.items()}
        return Flower({name: round(value, 1) for name, value in rounded.items()}, species)

    def mislabelled_table(self, file: Path) -> None:
        """Write a table whose labels were shuffled, of which no training can learn anything."""
        labels = [row[TARGET] for row in self._table]
        self._random.shuffle(labels)
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, [*self._table[0]])
            writer.writeheader()
            writer.writerows({**row, TARGET: label} for row, label in zip(self._table, labels, strict=True))
