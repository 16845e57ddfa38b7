"""The decision to calibrate the champion's probabilities, from rows that a model was not fitted to.

The calibration of service/model/calibration.py has two parameters. They are fitted to the out-of-fold
probabilities of the other folds, and judged on the rows of each fold. Where the candidates competed on a
sample, the probabilities are those of rows that are held out from one more fit. The probabilities are
calibrated if that lowers the mean log loss by more than one standard error, with rows as units.

The two parameters say how often the model errs, so they need errors to be estimated from: at least five for
each (E. Vittinghoff and C. E. McCulloch, "Relaxing the Rule of Ten Events per Variable", American Journal of
Epidemiology 165 (2007), 710-718). With fewer, the log loss rests on a handful of rows, and sharper
probabilities look better until the next error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from service.model.calibration import calibrated
from service.model.contract import Contract
from training.candidates.built_in import Candidate
from training.evaluate.evaluation import OutOfFold
from training.evaluate.fold_fit import FoldTask, fit_fold
from training.table.portion import Portion

_SMOOTHINGS = (1e-12, 1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
_EXPONENTS = (0.05, 20.0)
_FEWEST_ERRORS = 10
_CLOSE = 1e-4
_STEPS = 12
"""Of Newton's method, for the exponent at a given smoothing; the log loss is convex in it."""

Probabilities = NDArray[np.float64]
Places = NDArray[np.intp]

_HELD_OUT_SHARE = 0.1
_MOST_HELD_OUT = 10_000
_MOST_FITTED = 500_000
"""More rows hardly change two parameters, and the fit has a copy of its rows."""
_JUDGED_FOLDS = 5


@dataclass(frozen=True)
class Calibration:
    """The parameters that are fitted to all rows, and what calibration does to rows not fitted to."""

    exponent: float
    smoothing: float
    log_loss_before: float
    """Mean out-of-fold log loss of the probabilities as they are."""
    log_loss_after: float
    """The same of probabilities that were calibrated by the other folds."""
    standard_error: float
    """Of the difference."""
    errors: float
    """The number of rows with a wrong label, as the mean of the repeats."""

    @property
    def is_worthwhile(self) -> bool:
        """Whether there are errors enough, and it lowers the log loss by more than one standard error."""
        improvement = self.log_loss_before - self.log_loss_after
        return self.errors >= _FEWEST_ERRORS and improvement > self.standard_error

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by their logged names."""
        return {
            "cv_log_loss_uncalibrated": self.log_loss_before,
            "cv_log_loss_calibrated": self.log_loss_after,
            "cv_log_loss_difference_standard_error": self.standard_error,
        }


def calibrate(out_of_fold: OutOfFold) -> Calibration:
    """The calibration of a candidate's out-of-fold probabilities, worthwhile or not."""
    labels, n_repeats = out_of_fold.labels, len(out_of_fold.probabilities)
    before = np.zeros(len(labels))
    after = np.zeros(len(labels))
    for folds, probabilities in zip(out_of_fold.folds, out_of_fold.probabilities, strict=True):
        before += _losses(probabilities, labels) / n_repeats
        for fold in np.unique(folds):
            others, own = folds != fold, folds == fold
            parameters = fit_calibration(probabilities[others], labels[others])
            after[own] += _losses(calibrated(probabilities[own], *parameters), labels[own]) / n_repeats
    every = out_of_fold.probabilities.reshape(-1, out_of_fold.probabilities.shape[-1])
    exponent, smoothing = fit_calibration(every, np.tile(labels, n_repeats))
    error = float((before - after).std(ddof=1) / np.sqrt(len(labels)))
    errors = float((every.argmax(axis=1) != np.tile(labels, n_repeats)).sum() / n_repeats)
    return Calibration(exponent, smoothing, float(before.mean()), float(after.mean()), error, errors)


def held_out(candidate: Candidate, contract: Contract, train: Portion, seed: int) -> OutOfFold:
    """Probabilities of a tenth of the rows, at most 10,000, by a fit to at most 500,000 others.

    They take the place of those of a cross-validation on a sample: a model of fewer rows is wrong more often,
    and its calibration would make the probabilities of the champion too even.
    """
    n_rows = len(train.labels)
    classes, labels = np.unique(train.labels, return_inverse=True)
    n_held = max(len(classes), min(_MOST_HELD_OUT, round(_HELD_OUT_SHARE * n_rows)))
    fitted_to, held = train_test_split(
        np.arange(n_rows),
        train_size=min(_MOST_FITTED, n_rows - n_held),
        test_size=n_held,
        random_state=seed,
        stratify=labels,
    )
    fit = fit_fold(train, FoldTask(candidate.pipeline(contract, seed, len(fitted_to)), fitted_to, held))
    folds = np.arange(len(held)) % _JUDGED_FOLDS
    return OutOfFold(labels[held], folds[np.newaxis], fit.probabilities[np.newaxis])


def fit_calibration(probabilities: Probabilities, labels: Places) -> tuple[float, float]:
    """The exponent and the smoothing of least log loss; ``labels`` are places among the classes."""
    fits = [(*_fit_exponent(np.log(probabilities + each), labels), each) for each in _SMOOTHINGS]
    _, exponent, smoothing = min(fits)
    return exponent, smoothing


def _fit_exponent(scores: Probabilities, labels: Places) -> tuple[float, float]:
    """The least mean log loss of the softmax of multiples of scores, and the multiple."""
    exponent = 1.0
    own = scores[np.arange(len(labels)), labels]
    for _ in range(_STEPS):
        shares = _softmax(exponent * scores)
        means = (shares * scores).sum(axis=1)
        slope = float((means - own).mean())
        curvature = float(((shares * scores**2).sum(axis=1) - means**2).mean())
        # A step at most halves or doubles it, because Newton's method overshoots far from the least.
        wanted = exponent - slope / max(curvature, 1e-12)
        before = exponent
        exponent = float(np.clip(wanted, max(exponent / 2, _EXPONENTS[0]), min(exponent * 2, _EXPONENTS[1])))
        if abs(exponent - before) < _CLOSE * exponent:
            break
    return float(_losses(_softmax(exponent * scores), labels).mean()), exponent


def _softmax(scores: Probabilities) -> Probabilities:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _losses(probabilities: Probabilities, labels: Places) -> Probabilities:
    own = probabilities[np.arange(len(labels)), labels] / probabilities.sum(axis=1)
    # As scikit-learn's log loss does.
    losses: Probabilities = -np.log(np.clip(own, np.finfo(np.float64).eps, 1))
    return losses
