"""The built-in candidates, as data.

The whole path from a row of the contract to a probability is one Pipeline, which is logged and published:
row_preparation.py and the classifier. So training and serving cannot differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from service.model.contract import Contract
from training.candidates.row_preparation import one_hot, sparse_one_hot, target_coded
from training.candidates.table_size import (
    TableSize,
    boosting_seconds,
    forest_seconds,
    logistic_seconds,
    neighbours_seconds,
    too_large_for_neighbours,
    too_many_classes_for_boosting,
)

_ROWS_OF_WHOLE_TREES = 20_000
"""With more rows, a forest's leaves have more than one row, so that the model's size is bounded."""
_ROWS_OF_A_TREE = 100_000
"""Largest number of rows that a forest draws for a tree."""
_LEAVES_OF_A_TREE = 8_000

Preparation = Callable[[Contract, int], TransformerMixin]
"""From a contract and a seed to the unfitted preparation of its rows."""


@dataclass(frozen=True)
class Candidate:
    """A kind of classifier with its hyperparameters."""

    name: str
    title: str
    """Its name in a sentence."""
    complexity: int
    """Its rank: of candidates with indistinguishable scores, the one with the lower rank is chosen."""
    classifier: type[ClassifierMixin]
    parameters: Mapping[str, object]
    takes_seed: bool = True
    preparation: Preparation = one_hot
    parameters_by_rows: Callable[[int], Mapping[str, object]] = lambda _: {}
    """Further parameters, by the number of rows that the candidate is fitted to."""
    seconds: Callable[[TableSize], float] = logistic_seconds
    """Estimated, of a fit to a table."""
    reason_to_leave_out: Callable[[TableSize], str | None] = lambda _: None
    """Why it does not compete on a table of that size, as the end of a sentence; None if it does."""

    def pipeline(self, contract: Contract, seed: int, n_rows: int = 0) -> Pipeline:
        """The unfitted pipeline from rows of the contract to probabilities, to be fitted to so many rows."""
        seeded = {"random_state": seed} if self.takes_seed else {}
        parameters = {**self.parameters, **self.parameters_by_rows(n_rows), **seeded}
        return Pipeline(
            [("prepare", self.preparation(contract, seed)), ("classify", self.classifier(**parameters))]
        )


def _forest_by_rows(n_rows: int) -> Mapping[str, object]:
    if n_rows <= _ROWS_OF_WHOLE_TREES:
        return {}
    rows_of_a_tree = min(n_rows, _ROWS_OF_A_TREE)
    parameters: dict[str, object] = {"min_samples_leaf": 1 + rows_of_a_tree // _LEAVES_OF_A_TREE}
    return parameters if rows_of_a_tree == n_rows else {**parameters, "max_samples": rows_of_a_tree}


CANDIDATES: tuple[Candidate, ...] = (
    Candidate(
        "logistic_regression",
        "logistic regression",
        1,
        LogisticRegression,
        {"max_iter": 1000},
        preparation=sparse_one_hot,
    ),
    Candidate(
        "k_nearest_neighbours",
        "k-nearest neighbours",
        2,
        KNeighborsClassifier,
        # Exact, and without a search tree, whose type would have to be trusted in the published file.
        {"n_neighbors": 5, "algorithm": "brute"},
        takes_seed=False,
        seconds=neighbours_seconds,
        reason_to_leave_out=too_large_for_neighbours,
    ),
    Candidate(
        "random_forest",
        "random forest",
        3,
        RandomForestClassifier,
        {"n_estimators": 100},
        preparation=target_coded,
        parameters_by_rows=_forest_by_rows,
        seconds=forest_seconds,
    ),
    Candidate(
        "gradient_boosting",
        "gradient boosting",
        4,
        HistGradientBoostingClassifier,
        # All rows are fitted to; stopping early would hold back a tenth of a large table.
        {"max_iter": 100, "early_stopping": False},
        preparation=target_coded,
        seconds=boosting_seconds,
        reason_to_leave_out=too_many_classes_for_boosting,
    ),
)
