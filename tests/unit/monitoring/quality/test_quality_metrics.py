import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, f1_score
from sklearn.metrics import log_loss as sklearn_log_loss

from service.model.training_profile import CONFIDENCE_EDGES
from service.monitoring.quality.quality_metrics import LEAST_LABELS, METRICS, LabelledCohort
from service.monitoring.quality.share_sequence import ALPHA, Estimate


def cohort_of(probabilities: np.ndarray, truth: np.ndarray) -> LabelledCohort:
    rows = np.arange(len(truth))
    predicted = probabilities.argmax(axis=1)
    return LabelledCohort(
        predicted=predicted,
        truth=truth,
        confidence=probabilities[rows, predicted],
        truth_probability=probabilities[rows, truth],
        squares=(probabilities**2).sum(axis=1),
        classes=probabilities.shape[1],
    )


def drawn(rows: int, seed: int = 15, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes, and labels that are drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.3, 0.3, 0.3], rows)
    sharper = probabilities**scale
    truth = (probabilities.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return sharper / sharper.sum(axis=1, keepdims=True), truth


def figure(name: str, cohort: LabelledCohort, alpha: float = ALPHA) -> Estimate:
    found = next(metric for metric in METRICS if metric.name == name).measure(cohort, alpha)
    assert found is not None
    return found


def test_the_figures_are_those_of_scikit_learn() -> None:
    probabilities, truth = drawn(2_000)
    cohort = cohort_of(probabilities, truth)
    predicted = probabilities.argmax(axis=1)
    one_hot = np.eye(3)[truth]
    assert figure("accuracy", cohort).value == pytest.approx(accuracy_score(truth, predicted))
    assert figure("f1_macro", cohort).value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert figure("log_loss", cohort).value == pytest.approx(sklearn_log_loss(truth, probabilities))
    brier = ((probabilities - one_hot) ** 2).sum(axis=1).mean()
    assert figure("brier", cohort).value == pytest.approx(brier)


def test_the_calibration_error_is_the_weighted_difference_over_the_bins() -> None:
    probabilities, truth = drawn(2_000)
    cohort = cohort_of(probabilities, truth)
    bins = np.digitize(cohort.confidence, CONFIDENCE_EDGES, right=True)
    expected = sum(
        np.abs((cohort.is_right[bins == place] - cohort.confidence[bins == place]).sum())
        for place in np.unique(bins)
    )
    assert figure("calibration_error", cohort).value == pytest.approx(expected / 2_000)


def test_a_calibrated_model_has_no_certain_calibration_error_and_an_overconfident_one_has() -> None:
    calibrated = [figure("calibration_error", cohort_of(*drawn(1_000, seed))) for seed in range(100)]
    assert sum(found.low > 0 for found in calibrated) <= 5
    overconfident = figure("calibration_error", cohort_of(*drawn(5_000, scale=3.0)))
    large = figure("calibration_error", cohort_of(*drawn(500_000, seed=1, scale=3.0)))
    assert 0.05 < overconfident.low < large.value < overconfident.high


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    probabilities = np.tile([1.0, 0.0], (40, 1))
    cohort = cohort_of(probabilities, np.array([0] * 39 + [1]))
    assert figure("log_loss", cohort).value == pytest.approx(-np.log(np.finfo(float).eps) / 40)
    assert figure("brier", cohort).value == pytest.approx(2 / 40)


def test_below_30_labels_there_is_no_figure() -> None:
    few, enough = (cohort_of(*drawn(rows)) for rows in (LEAST_LABELS - 1, LEAST_LABELS))
    assert [metric.measure(few, ALPHA) for metric in METRICS] == [None] * len(METRICS)
    assert None not in [metric.measure(enough, ALPHA) for metric in METRICS]


def test_answers_without_probabilities_have_accuracy_and_f1_alone() -> None:
    cohort = cohort_of(*drawn(100))
    nothing = np.full(100, np.nan)
    cohort = cohort._replace(confidence=nothing, truth_probability=nothing, squares=nothing)
    have = [metric.name for metric in METRICS if metric.measure(cohort, ALPHA) is not None]
    assert have == ["accuracy", "f1_macro"]


@given(st.integers(0, 80), st.data())
def test_any_arrays_give_ordered_finite_figures_or_none(rows: int, data: st.DataObject) -> None:
    places = arrays(np.intp, rows, elements=st.integers(-1, 3))
    numbers = arrays(np.float64, rows, elements=st.floats(width=32))
    cohort = LabelledCohort(
        data.draw(places),
        data.draw(places),
        data.draw(numbers),
        data.draw(numbers),
        data.draw(numbers),
        3,
    )
    for metric in METRICS:
        found = metric.measure(cohort, ALPHA)
        assert found is None or np.isfinite(found).all()
        assert found is None or found.low <= found.value <= found.high
        assert rows >= LEAST_LABELS or found is None
