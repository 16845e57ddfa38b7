"""The profile of predictions, and the calibration map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from service.model.calibration import calibrated
from service.model.training_profile import CONFIDENCE_EDGES
from tests.support.tables import load_iris
from training.candidates.built_in import CANDIDATES
from training.evaluate.calibrating import Calibration
from training.evaluate.evaluation import CrossValidation, OutOfFold, Scored, fit_and_test
from training.publish.reference.profiled_predictions import (
    MOST_CALIBRATION_BINS,
    ROWS_A_CALIBRATION_BIN,
    calibration_map,
    describe_predictions,
    profile_predictions,
)

Numbers = NDArray[np.float64]

confidences = npst.arrays(
    np.float64, st.integers(1, 600), elements=st.one_of(st.sampled_from([0.5, 0.75, 1.0]), st.floats(0.4, 1))
)


@given(confidences, st.integers(0, 2**32 - 1))
def test_the_calibration_map_ascends_and_keeps_the_share_of_right_predictions(
    confidence: Numbers, seed: int
) -> None:
    is_right = np.random.default_rng(seed).random(len(confidence)) < confidence
    edges, shares = calibration_map(confidence, is_right)
    bins = np.searchsorted(edges, confidence, side="left")
    counts = np.bincount(bins, minlength=len(shares))
    assert (np.diff(edges) > 0).all()
    assert (np.diff(shares) >= 0).all()
    assert len(shares) <= MOST_CALIBRATION_BINS
    assert counts.min() >= min(ROWS_A_CALIBRATION_BIN, len(confidence))
    # Pooling moves no prediction out of the whole.
    assert (counts * shares).sum() == pytest.approx(is_right.sum())
    means = np.bincount(bins, weights=is_right) / counts
    expected = IsotonicRegression().fit_transform(np.arange(len(shares)), means, sample_weight=counts)
    np.testing.assert_allclose(shares, expected, atol=1e-12)


def test_the_calibration_map_finds_how_often_an_overconfident_model_is_right() -> None:
    random = np.random.default_rng(5)
    confidence = random.uniform(0.5, 1, 200_000)
    truth = 0.5 + (confidence - 0.5) / 2
    edges, shares = calibration_map(confidence, random.random(len(truth)) < truth)
    assert len(shares) == MOST_CALIBRATION_BINS
    np.testing.assert_allclose(edges, np.linspace(0.55, 0.95, 9), atol=0.005)
    np.testing.assert_allclose(shares, np.linspace(0.5125, 0.7375, 10), atol=0.01)


@given(confidences, st.integers(0, 2**32 - 1))
def test_every_prediction_is_counted_by_its_class_and_its_confidence(confidence: Numbers, seed: int) -> None:
    random = np.random.default_rng(seed)
    predicted = random.integers(0, 3, len(confidence))
    profile = describe_predictions(predicted, confidence, random.random(len(confidence)) < 0.8, 4)
    assert profile.counts == tuple((predicted == place).sum() for place in range(4))
    bounds = [-np.inf, *CONFIDENCE_EDGES, np.inf]
    for low, high, count, mean in zip(
        bounds, bounds[1:], profile.confidence_counts, profile.confidence_means, strict=False
    ):
        of_bin = confidence[(confidence > low) & (confidence <= high)]
        assert count == len(of_bin)
        expected = of_bin.mean() if count else (max(low, 0) + min(high, 1)) / 2
        assert mean == pytest.approx(expected)


def test_a_rounding_above_one_is_a_confidence_of_one() -> None:
    above = np.array([1.0, np.nextafter(1.0, 2.0)])
    profile = describe_predictions(np.zeros(2, dtype=np.intp), above, np.ones(2, dtype=np.bool_), 2)
    assert (profile.confidence_counts[-1], profile.confidence_means[-1]) == (2, 1.0)


@pytest.mark.parametrize("is_calibrated", [False, True])
def test_out_of_fold_probabilities_are_calibrated_as_those_of_the_published_model(
    is_calibrated: bool,
) -> None:
    dataset = load_iris()
    split = dataset.split(0.2, 42)
    random = np.random.default_rng(3)
    labels = np.unique(split.train.labels, return_inverse=True)[1]
    repeats = random.dirichlet([1, 1, 1], (2, len(labels)))
    scored = Scored(
        CANDIDATES[0],
        CrossValidation(*np.zeros((3, 5))),
        len(labels),
        (),
        OutOfFold(labels, np.zeros((2, len(labels)), dtype=np.int8), repeats),
    )
    calibration = Calibration(0.4, 0.01, 1.0, 0.5, 0.1, 20) if is_calibrated else None
    winner = fit_and_test(scored, dataset.contract, split, 42, 1, calibration)
    profile = profile_predictions(winner)
    own = calibrated(repeats[0], 0.4, 0.01) if is_calibrated else repeats[0]
    rows = np.concatenate([own, winner.pipeline.predict_proba(split.test.matrix)])
    assert profile.rows == dataset.n_rows
    assert profile.counts == tuple(np.bincount(rows.argmax(axis=1), minlength=3).tolist())
    bins = np.searchsorted(CONFIDENCE_EDGES, rows.max(axis=1), side="left")
    assert profile.confidence_counts == tuple(np.bincount(bins, minlength=20).tolist())
