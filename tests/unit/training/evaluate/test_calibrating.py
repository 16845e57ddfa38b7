"""Calibration, by simulation: it mends probabilities that are wrong, and leaves those that are right."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from service.model.calibration import calibrated
from service.model.contract import Contract, Feature, Target
from training.candidates.built_in import CANDIDATES
from training.evaluate.calibrating import Calibration, calibrate, fit_calibration, held_out
from training.evaluate.evaluation import OutOfFold
from training.table.portion import Portion

ROWS, CLASSES = 1_000, 3


def simulated(seed: int, rows: int = ROWS) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """True probabilities, and labels drawn from them."""
    random = np.random.default_rng(seed)
    scores = random.normal(scale=1.5, size=(rows, CLASSES))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (random.random((rows, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return shares, np.minimum(labels, CLASSES - 1)


def judged(probabilities: NDArray[np.float64], labels: NDArray[np.intp]) -> Calibration:
    folds = np.arange(len(labels)) % 5
    return calibrate(OutOfFold(labels, folds[np.newaxis], probabilities[np.newaxis]))


@pytest.mark.parametrize("exponent", [3.0, 0.4], ids=["overconfident", "underconfident"])
def test_wrong_confidence_is_mended(exponent: float) -> None:
    truth, labels = simulated(1)
    found = judged(calibrated(truth, exponent, 0.0), labels)
    assert found.is_worthwhile
    assert found.exponent == pytest.approx(1 / exponent, rel=0.15)
    assert found.log_loss_after == pytest.approx(log_loss(labels, truth), abs=0.01)


def test_classes_that_a_model_rules_out_get_a_probability() -> None:
    random = np.random.default_rng(2)
    truth, labels = simulated(2)
    votes = np.array([random.multinomial(5, row) for row in truth]) / 5
    found = judged(votes, labels)
    assert found.is_worthwhile
    assert found.log_loss_after < found.log_loss_before / 2
    assert calibrated(votes, found.exponent, found.smoothing).min() > 0.001


def test_right_probabilities_are_left_alone_at_the_promised_rate() -> None:
    changed = [judged(*simulated(seed, 300)).is_worthwhile for seed in range(40)]
    # One standard error is exceeded by chance in 16 %; the two parameters cost a little, which lowers it.
    assert sum(changed) <= 0.25 * len(changed)


def test_no_label_changes() -> None:
    truth, _ = simulated(3)
    for exponent, smoothing in ((0.05, 0.1), (1.0, 1e-12), (20.0, 1e-3)):
        found = calibrated(truth, exponent, smoothing)
        np.testing.assert_array_equal(found.argmax(axis=1), truth.argmax(axis=1))
        np.testing.assert_allclose(found.sum(axis=1), 1)


def test_few_errors_are_no_evidence() -> None:
    labels = np.arange(120) % CLASSES
    probabilities = np.full((120, CLASSES), 0.2)
    probabilities[np.arange(120), labels] = 0.6
    found = judged(probabilities, labels)
    assert found.log_loss_after < found.log_loss_before - found.standard_error
    assert not found.is_worthwhile


def test_the_fitted_parameters_are_the_best_of_a_grid() -> None:
    truth, labels = simulated(4)
    wrong = calibrated(truth, 2.0, 0.0)
    exponent, smoothing = fit_calibration(wrong, labels)
    least = log_loss(labels, calibrated(wrong, exponent, smoothing))
    grid = [(e, s) for e in np.linspace(0.1, 3, 30) for s in (1e-9, 1e-4, 1e-2)]
    assert least <= min(log_loss(labels, calibrated(wrong, e, s)) for e, s in grid) + 1e-6


def test_held_out_rows_are_not_fitted_to() -> None:
    random = np.random.default_rng(6)
    rows, labels = random.normal(size=(2_000, 2)), random.integers(2, size=2_000)
    features = tuple(Feature(name=name, type="float") for name in "ab")
    contract = Contract(features=features, target=Target(name="y", type="integer", classes=(0, 1)))
    forest = next(each for each in CANDIDATES if each.name == "random_forest")
    found = held_out(forest, contract, Portion(rows, labels), seed=1)
    assert found.probabilities.shape == (1, 200, 2)
    # The labels are random, and a forest knows those of its own rows by heart.
    assert (found.probabilities[0].argmax(axis=1) == found.labels).mean() < 0.65
    assert sorted(np.unique(found.folds).tolist()) == [0, 1, 2, 3, 4]
