"""One fit of a cross-validation: a pipeline fitted to most rows, and scored on the others."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.pipeline import Pipeline

from training.table.portion import Portion


@dataclass(frozen=True)
class FoldTask:
    """A fit to make."""

    pipeline: Pipeline
    """Unfitted."""
    fitted_to: np.ndarray
    scored_on: np.ndarray


@dataclass(frozen=True)
class FoldFit:
    """The result of a fit."""

    scores: tuple[float, float, float]
    """Macro F1, accuracy and log loss."""
    probabilities: np.ndarray
    """Of the rows that it was scored on."""
    notes: tuple[str, ...]
    """scikit-learn's warnings."""
    seconds: float


def fit_fold(portion: Portion, task: FoldTask) -> FoldFit:
    """Fit and score."""
    started = perf_counter()
    fitted_to, scored_on = portion.take(task.fitted_to), portion.take(task.scored_on)
    with collected_warnings() as notes:
        model = clone(task.pipeline).fit(fitted_to.matrix, fitted_to.labels)
        probabilities = model.predict_proba(scored_on.matrix)
    scores = _scores(model.classes_, scored_on.labels, probabilities)
    return FoldFit(scores, probabilities, tuple(notes), perf_counter() - started)


def _scores(classes: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float, float]:
    predicted = classes[probabilities.argmax(axis=1)]
    return (
        f1_score(labels, predicted, average="macro", zero_division=0),
        accuracy_score(labels, predicted),
        log_loss(labels, probabilities, labels=classes),
    )


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The first lines of the warnings that are given meanwhile, once the block is left."""
    collected: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield collected
    collected.extend(str(warning.message).partition("\n")[0] for warning in caught)
