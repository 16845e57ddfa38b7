import numpy as np
import pytest

from service.monitoring.quality.label_coverage import caveat_of, coverage_of


def caveat(rows: list[int], labelled: list[int]) -> str:
    return caveat_of(coverage_of(np.array(rows), np.array(labelled), ["no", "yes"]))


def test_the_coverage_is_of_all_and_of_each_predicted_class() -> None:
    coverage = coverage_of(np.array([100, 0]), np.array([40, 0]), ["no", "yes"])
    assert [(part.predicted, part.rows, part.labelled, part.share) for part in coverage] == [
        ("", 100, 40, 0.4),
        ("no", 100, 40, 0.4),
        ("yes", 0, 0, 0.0),
    ]


@pytest.mark.parametrize(
    ("rows", "labelled"), [([500, 500], [490, 480]), ([500, 500], [0, 0]), ([0, 0], [0, 0])]
)
def test_there_is_no_caveat_where_nearly_all_or_no_predictions_have_labels(
    rows: list[int], labelled: list[int]
) -> None:
    assert caveat(rows, labelled) == ""


def test_labels_of_acted_on_predictions_alone_are_named() -> None:
    text = caveat([900, 100], [0, 100])
    assert "Only 10 % of the predictions have a label" in text
    assert "100 % of the predictions of yes and 0 % of those of no" in text
    assert "biased" in text


def test_a_difference_that_scatter_explains_is_not_named() -> None:
    assert caveat([10, 10], [10, 8]) == ""
    assert "biased" in caveat([1_000, 1_000], [1_000, 800])


def test_a_few_labels_are_not_told_as_none() -> None:
    assert "under 1 %" in caveat([100_000, 100_000], [40, 40])
