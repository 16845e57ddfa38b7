"""The evaluation of a candidate: by cross-validation, which decides the choice, and on the test split.

The test split does not influence the choice. Its metrics are computed once for each fitted candidate and only
reported, so that the champion's are not the best of several attempts.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import Pipeline

from service.model.contract import Contract
from training.candidates.built_in import Candidate
from training.table.dataset import FOLDS, Portion, Split

REPEATS = 3
FITS = FOLDS * REPEATS + 1
"""The number of fits in the evaluation of one candidate."""


@dataclass(frozen=True)
class CrossValidation:
    """The scores of a candidate on the training split, one of each kind per fit."""

    f1_macro: np.ndarray
    accuracy: np.ndarray
    log_loss: np.ndarray

    @property
    def score(self) -> float:
        """The mean macro F1, by which candidates are compared."""
        return float(self.f1_macro.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the score, corrected for folds that share most of their rows.

        The variance of k scores is scaled by 1/k + n_test/n_train instead of 1/k, since training sets
        that overlap make the scores depend on each other: C. Nadeau and Y. Bengio, "Inference for the
        Generalization Error", Machine Learning 52 (2003), 239-281; R. R. Bouckaert and E. Frank (2004)
        for repeated folds.
        """
        scale = 1 / len(self.f1_macro) + 1 / (FOLDS - 1)
        return math.sqrt(scale * float(self.f1_macro.var(ddof=1)))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by their logged names."""
        return {
            "cv_f1_macro": self.score,
            "cv_f1_macro_standard_error": self.standard_error,
            "cv_accuracy": float(self.accuracy.mean()),
            "cv_log_loss": float(self.log_loss.mean()),
        }


@dataclass(frozen=True)
class Evaluation:
    """A candidate, fitted to the training split, with its metrics."""

    candidate: Candidate
    pipeline: Pipeline
    cross_validation: CrossValidation
    test: Portion
    probabilities: np.ndarray
    """Of the test split, ``(n_rows, n_classes)``."""
    test_metrics: Mapping[str, float]
    notes: tuple[str, ...]
    """scikit-learn's warnings while fitting."""

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics by their logged names."""
        return {**self.cross_validation.metrics, **self.test_metrics}


def evaluate(
    candidate: Candidate, contract: Contract, split: Split, seed: int, on_fit: Callable[[], object]
) -> Evaluation:
    """Cross-validate a candidate on the training split, fit it to the whole split, and test it.

    ``on_fit`` is called after every fit, ``FITS`` times.
    """
    pipeline = candidate.pipeline(contract, seed)
    with _collected_warnings() as notes:
        cross_validation = _cross_validate(pipeline, split.train, seed, on_fit)
        pipeline.fit(split.train.matrix, split.train.labels)
        on_fit()
    probabilities = pipeline.predict_proba(split.test.matrix)
    metrics = _test_metrics(pipeline.classes_, split.test.labels, probabilities)
    return Evaluation(
        candidate, pipeline, cross_validation, split.test, probabilities, metrics, tuple(dict.fromkeys(notes))
    )


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    collected: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield collected
    collected.extend(str(warning.message).partition("\n")[0] for warning in caught)


def _cross_validate(
    pipeline: Pipeline, train: Portion, seed: int, on_fit: Callable[[], object]
) -> CrossValidation:
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    scores = []
    for fitted_to, scored_on in folds.split(train.matrix, train.labels):
        model = clone(pipeline).fit(train.matrix[fitted_to], train.labels[fitted_to])
        scores.append(
            _scores(model.classes_, train.labels[scored_on], model.predict_proba(train.matrix[scored_on]))
        )
        on_fit()
    f1_macro, accuracy, loss = np.array(scores).T
    return CrossValidation(f1_macro, accuracy, loss)


def _scores(classes: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float, float]:
    predicted = classes[probabilities.argmax(axis=1)]
    return (
        f1_score(labels, predicted, average="macro", zero_division=0),
        accuracy_score(labels, predicted),
        log_loss(labels, probabilities, labels=classes),
    )


def _test_metrics(classes: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    predicted = classes[probabilities.argmax(axis=1)]
    metrics = {"test_accuracy": accuracy_score(labels, predicted)}
    for average in ("weighted", "macro"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        metrics |= {
            f"test_precision_{average}": precision,
            f"test_recall_{average}": recall,
            f"test_f1_{average}": f1,
        }
    metrics["test_log_loss"] = log_loss(labels, probabilities, labels=classes)
    metrics["test_roc_auc"] = _roc_auc(classes, labels, probabilities)
    return {name: float(value) for name, value in metrics.items()}


def _roc_auc(classes: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> float:
    """For two classes that of the second, else the unweighted mean of each class against the rest."""
    if len(classes) == 2:
        return float(roc_auc_score(labels == classes[1], probabilities[:, 1]))
    return float(roc_auc_score(labels, probabilities, multi_class="ovr", labels=classes))
