import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from training.candidates.built_in import CANDIDATES, Candidate
from training.candidates.table_size import TableSize
from training.evaluate.evaluation import CrossValidation, Evaluation, fit_and_test
from training.evaluate.plan import make_plan
from training.evaluate.selection import select
from training.progress import Progress
from training.table.dataset import Dataset, Split
from training.table.portion import Portion
from training.train import Training

ACCURACY_PRECISION_RECALL_F1 = {
    "logistic_regression": (93.33, 93.33, 93.33, 93.33),
    "random_forest": (90.00, 90.24, 90.00, 89.97),
}


def evaluated(candidate: Candidate, dataset: Dataset, split: Split) -> Evaluation:
    """A candidate that competes alone, fitted to the training split and tested."""
    plan = make_plan([candidate], TableSize.of(dataset.contract, len(split.train.labels)))
    with Progress(Console(quiet=True)) as progress:
        (scored,) = select(plan, dataset.contract, split.train, 42, progress)
    return fit_and_test(scored, dataset.contract, split, 42)


@pytest.mark.parametrize("name", ACCURACY_PRECISION_RECALL_F1)
def test_the_test_splits_figures_on_iris(name: str, iris_training: Training) -> None:
    (metrics,) = (
        each.evaluation.metrics for each in iris_training.candidates if each.evaluation.candidate.name == name
    )
    names = ("accuracy", "precision_weighted", "recall_weighted", "f1_weighted")
    figures = tuple(round(100 * metrics[f"test_{metric}"], 2) for metric in names)
    assert figures == ACCURACY_PRECISION_RECALL_F1[name]


FEW_TREES = dataclasses.replace(CANDIDATES[2], parameters={"n_estimators": 10})
FEW_ITERATIONS = dataclasses.replace(CANDIDATES[3], parameters={"max_iter": 10})


@pytest.mark.parametrize(
    "candidate", [*CANDIDATES[:2], FEW_TREES, FEW_ITERATIONS], ids=lambda candidate: candidate.name
)
def test_one_seed_gives_the_same_scores_and_probabilities(
    candidate: Candidate, mixed_dataset: Dataset
) -> None:
    portion = mixed_dataset.split(0.2, 3)
    small = Split(portion.train.take(np.arange(60)), portion.test)
    first, again = (evaluated(candidate, mixed_dataset, small) for _ in range(2))
    assert first.metrics == again.metrics
    np.testing.assert_array_equal(first.probabilities, again.probabilities)


def test_the_test_split_has_no_say_in_the_score(iris_dataset: Dataset) -> None:
    split = iris_dataset.split(0.2, 42)
    wrong = Split(split.train, Portion(split.test.matrix, np.roll(split.test.labels, 7)))
    honest, spoiled = (evaluated(CANDIDATES[0], iris_dataset, each) for each in (split, wrong))
    assert spoiled.cross_validation.metrics == honest.cross_validation.metrics
    assert spoiled.metrics["test_accuracy"] < honest.metrics["test_accuracy"]


def test_the_standard_error_is_corrected_for_overlapping_folds() -> None:
    scores = np.array([0.8, 0.9, 1.0] * 5)
    cross_validation = CrossValidation(scores, scores, scores)
    assert cross_validation.standard_error == pytest.approx(scores.std(ddof=1) * math.sqrt(1 / 15 + 1 / 4))


def test_what_scikit_learn_warns_of_is_noted_once(iris_dataset: Dataset) -> None:
    hasty = dataclasses.replace(CANDIDATES[0], classifier=LogisticRegression, parameters={"max_iter": 1})
    evaluation = evaluated(hasty, iris_dataset, iris_dataset.split(0.2, 42))
    (note,) = evaluation.notes
    assert "failed to converge" in note


def test_two_classes_are_judged_by_the_second(mixed_dataset: Dataset) -> None:
    split = mixed_dataset.split(0.2, 42)
    two = Split(*(Portion(each.matrix, each.labels == "stays") for each in (split.train, split.test)))
    evaluation = evaluated(CANDIDATES[0], mixed_dataset, two)
    ranks = pd.Series(evaluation.probabilities[:, 1]).rank()
    positive = two.test.labels
    wins = ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    auc = wins / (positive.sum() * (~positive).sum())
    assert evaluation.metrics["test_roc_auc"] == pytest.approx(auc)
