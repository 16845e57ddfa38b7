"""The evaluation of a candidate: by cross-validation, which decides the choice, and on the test split.

The test split does not influence the choice. Its metrics are computed once for each fitted candidate and only
reported, so that the champion's are not the best of several attempts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support, roc_auc_score
from sklearn.pipeline import Pipeline

from service.model.calibration import CalibratedClassifier, calibrated
from service.model.contract import Contract
from training.candidates.built_in import Candidate
from training.evaluate.fold_fit import collected_warnings
from training.table.dataset import FOLDS, Split
from training.table.portion import Portion

if TYPE_CHECKING:
    from training.evaluate.calibrating import Calibration


@dataclass(frozen=True)
class CrossValidation:
    """The scores of a candidate on rows of the training split, one of each kind per fit."""

    f1_macro: np.ndarray
    accuracy: np.ndarray
    log_loss: np.ndarray

    @property
    def score(self) -> float:
        """The mean macro F1, by which candidates are compared."""
        return float(self.f1_macro.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the score, corrected for folds that share most of their rows."""
        return corrected_standard_error(self.f1_macro)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by their logged names."""
        return {
            "cv_f1_macro": self.score,
            "cv_f1_macro_standard_error": self.standard_error,
            "cv_accuracy": float(self.accuracy.mean()),
            "cv_log_loss": float(self.log_loss.mean()),
        }


def corrected_standard_error(scores: np.ndarray) -> float:
    """The standard error of the mean of the folds' scores, or of differences of two candidates' scores.

    The variance of k scores is scaled by 1/k + n_test/n_train instead of 1/k, since training sets that
    overlap make the scores depend on each other: C. Nadeau and Y. Bengio, "Inference for the Generalization
    Error", Machine Learning 52 (2003), 239-281; R. R. Bouckaert and E. Frank (2004) for repeated folds.
    """
    scale = 1 / len(scores) + 1 / (FOLDS - 1)
    return math.sqrt(scale * float(scores.var(ddof=1)))


@dataclass(frozen=True)
class OutOfFold:
    """Probabilities of rows by models that were not fitted to them, once for each repeat of the folds."""

    labels: np.ndarray
    """Places of the labels among the classes, ``(n_rows,)``."""
    folds: np.ndarray
    """The fold that a row was scored in, ``(n_repeats, n_rows)``."""
    probabilities: np.ndarray
    """``(n_repeats, n_rows, n_classes)``."""


@dataclass(frozen=True)
class Scored:
    """A candidate with its scores of cross-validation, and not fitted to all rows."""

    candidate: Candidate
    cross_validation: CrossValidation
    rows: int
    """The number of rows of the cross-validation."""
    notes: tuple[str, ...]
    """scikit-learn's warnings while fitting."""
    out_of_fold: OutOfFold
    dropped: str | None = None
    """Why it dropped out before the last rung, as a sentence."""


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
    out_of_fold: OutOfFold
    """Probabilities of rows of the training split, not calibrated."""

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics by their logged names."""
        return {**self.cross_validation.metrics, **self.test_metrics}


def fit_and_test(
    scored: Scored,
    contract: Contract,
    split: Split,
    seed: int,
    cores: int = 1,
    calibration: "Calibration | None" = None,
) -> Evaluation:
    """Fit a candidate to the whole training split, calibrate it if there is a calibration, and test it."""
    pipeline = scored.candidate.pipeline(contract, seed, len(split.train.labels))
    classifier = pipeline[-1]
    # A forest's threads only wait for each other at the end; those of OpenMP spin (see train.py).
    n_jobs = {"n_jobs": cores} if scored.candidate.fits_in_threads else {}
    classifier.set_params(**n_jobs)
    with collected_warnings() as notes:
        pipeline.fit(split.train.matrix, split.train.labels)
    classifier.set_params(**dict.fromkeys(n_jobs))
    probabilities = pipeline.predict_proba(split.test.matrix)
    further: dict[str, float] = {}
    if calibration is not None:
        loss = log_loss(split.test.labels, probabilities, labels=pipeline.classes_)
        further = {**calibration.metrics, "test_log_loss_uncalibrated": float(loss)}
        form = CalibratedClassifier(classifier, calibration.exponent, calibration.smoothing)
        pipeline.set_params(classify=form)
        probabilities = calibrated(probabilities, calibration.exponent, calibration.smoothing)
    return Evaluation(
        scored.candidate,
        pipeline,
        scored.cross_validation,
        split.test,
        probabilities,
        {**metrics_of_test(pipeline.classes_, split.test.labels, probabilities), **further},
        tuple(dict.fromkeys([*scored.notes, *notes])),
        scored.out_of_fold,
    )


def metrics_of_test(classes: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The metrics of the test split by their logged names."""
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
