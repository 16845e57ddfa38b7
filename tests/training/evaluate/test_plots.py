import dataclasses

import numpy as np
import pytest
from sklearn.base import clone

from training.evaluate.evaluation import Evaluation
from training.evaluate.plots import draw_calibration, draw_confusion_matrix
from training.table.portion import Portion
from training.train import Training


@pytest.fixture
def forest(iris_training: Training) -> Evaluation:
    return iris_training.candidates[2].evaluation


def test_the_confusion_matrix_counts_true_against_predicted_classes(forest: Evaluation) -> None:
    axes = draw_confusion_matrix(forest).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["setosa", "versicolor", "virginica"]
    assert [text.get_text() for text in axes.texts] == ["10", "0", "0", "0", "9", "1", "0", "2", "8"]
    assert axes.get_title() == "Random forest: confusion on 30 test rows"


def test_calibration_has_a_line_for_each_class(forest: Evaluation) -> None:
    axes = draw_calibration(forest).axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.texts] == [
        "perfectly calibrated",
        "setosa",
        "versicolor",
        "virginica",
    ]


def test_two_classes_have_one_line_of_calibration(forest: Evaluation) -> None:
    two = _with_classes(forest, ["no", "yes"])
    assert len(draw_calibration(two).axes[0].lines) == 2


def test_counts_are_left_out_where_they_could_not_be_read(forest: Evaluation) -> None:
    many = _with_classes(forest, [f"{n}: costs ${n} and has a long name besides" for n in range(10, 40)])
    axes = draw_confusion_matrix(many).axes[0]
    assert list(axes.texts) == []
    assert axes.get_yticklabels()[0].get_text() == "10: costs \\$10 and has a…"


def _with_classes(evaluation: Evaluation, classes: list[str]) -> Evaluation:
    """A fitted evaluation with other classes, one test row of each at least."""
    labels = np.array([classes[n % len(classes)] for n in range(2 * len(classes))])
    matrix = np.tile(np.arange(len(labels), dtype=float)[:, np.newaxis], 4)
    pipeline = clone(evaluation.pipeline).fit(matrix, labels)
    return dataclasses.replace(
        evaluation,
        pipeline=pipeline,
        test=Portion(matrix, labels),
        probabilities=pipeline.predict_proba(matrix),
    )
