"""Rows of a table as estimators take them, with their labels.

Apart from dataset.py, because the processes that fit folds need this and nothing that reads tables.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from service.model.contract import Matrix

Rows = pd.DataFrame | Matrix
"""Rows of a table, ``(n_rows, n_features)``: an array of numbers, or a dataframe if there are categories.

The dataframe's columns are float64 with NaN or objects with None. Their labels are positions, so that an
estimator fitted to it takes the service's arrays too.
"""


@dataclass(frozen=True)
class Portion:
    """Rows with their labels."""

    matrix: Rows
    labels: np.ndarray

    def take(self, places: np.ndarray) -> "Portion":
        """Some of the rows, in that order."""
        return Portion(take(self.matrix, places), self.labels[places])


def take(rows: Rows, places: np.ndarray) -> Rows:
    """Some of the rows, in that order."""
    return rows.iloc[places] if isinstance(rows, pd.DataFrame) else rows[places]
