import dataclasses

import numpy as np
import pytest

from training.candidates.built_in import CANDIDATES
from training.evaluate.champion import choose_champion
from training.evaluate.evaluation import CrossValidation, Evaluation
from training.train import Training


@pytest.fixture
def evaluation(iris_training: Training) -> Evaluation:
    return iris_training.candidates[0].evaluation


def scored(evaluation: Evaluation, *scores: float, spread: float = 0.02) -> list[Evaluation]:
    """Evaluations of the candidates, simplest first, with these mean scores and this spread among folds."""
    deviations = np.tile([-spread, 0, spread], 5)
    return [
        dataclasses.replace(
            evaluation,
            candidate=candidate,
            cross_validation=CrossValidation(score + deviations, score + deviations, 0 * deviations),
        )
        for candidate, score in zip(CANDIDATES, scores, strict=False)
    ]


def test_the_best_score_wins_where_it_is_clearly_the_best(evaluation: Evaluation) -> None:
    choice = choose_champion(scored(evaluation, 0.80, 0.82, 0.95, 0.85))
    assert choice.champion.candidate.name == "random_forest"
    assert choice.reason == (
        "Random forest has the best mean macro F1, 0.9500, and no simpler candidate is within one standard "
        "error (0.0095) of it."
    )


def test_the_simplest_within_one_standard_error_wins(evaluation: Evaluation) -> None:
    choice = choose_champion(scored(evaluation, 0.80, 0.942, 0.944, 0.95))
    assert choice.champion.candidate.name == "k_nearest_neighbours"
    assert choice.reason == (
        "Gradient boosting has the best mean macro F1, 0.9500; k-nearest neighbours has 0.9420, which is "
        "within one standard error (0.0095) of it, and is the simpler model."
    )


def test_the_simplest_wins_a_tie_without_any_spread(evaluation: Evaluation) -> None:
    choice = choose_champion(scored(evaluation, 1.0, 1.0, 1.0, spread=0))
    assert choice.champion.candidate.name == "logistic_regression"
    assert choice.reason.endswith("and is the simplest candidate.")


def test_the_order_of_the_candidates_does_not_matter(evaluation: Evaluation) -> None:
    evaluations = scored(evaluation, 0.90, 0.942, 0.944, 0.95)
    chosen = {choose_champion(each).champion.candidate.name for each in (evaluations, evaluations[::-1])}
    assert chosen == {"k_nearest_neighbours"}


def test_logistic_regression_wins_on_iris(iris_training: Training) -> None:
    assert iris_training.choice.champion.candidate.name == "logistic_regression"
    assert iris_training.choice.reason == (
        "Logistic regression has the best mean macro F1, 0.9579, and is the simplest candidate."
    )
