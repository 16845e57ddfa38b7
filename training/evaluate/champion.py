"""The rule that chooses the champion, and the sentence that states the reason.

The candidate with the best mean score of cross-validation is chosen, unless a simpler one is within one
standard error of it. Such close scores cannot be distinguished, and then the model that is easier to explain,
faster to serve and less prone to overfitting is better. This is the one-standard-error rule of Breiman et
al., *Classification and Regression Trees* (1984), with the standard error of ``evaluation.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from training.evaluate.evaluation import Evaluation, Scored

Competitor = TypeVar("Competitor", bound=Evaluation | Scored)
"""A candidate with its scores, fitted to all rows or not."""


@dataclass(frozen=True)
class Choice(Generic[Competitor]):
    """The champion, and the reason for it."""

    champion: Competitor
    reason: str


def choose_champion(evaluations: Sequence[Competitor]) -> Choice[Competitor]:
    """The simplest candidate within one standard error of the best."""
    best = max(evaluations, key=lambda each: (each.cross_validation.score, -each.candidate.complexity))
    lowest = best.cross_validation.score - best.cross_validation.standard_error
    level = [each for each in evaluations if each.cross_validation.score >= lowest]
    champion = min(level, key=_complexity)
    simplest = min(evaluations, key=_complexity)
    return Choice(champion, _reason(champion, best, simplest))


def _complexity(evaluation: Evaluation | Scored) -> int:
    return evaluation.candidate.complexity


def _reason(champion: Competitor, best: Competitor, simplest: Competitor) -> str:
    error = f"one standard error ({best.cross_validation.standard_error:.4f}) of it"
    won = f"{best.candidate.title.capitalize()} has the best mean macro F1, {best.cross_validation.score:.4f}"
    if champion is simplest is best:
        return f"{won}, and is the simplest candidate."
    if champion is best:
        return f"{won}, and no simpler candidate is within {error}."
    own = f"{champion.candidate.title} has {champion.cross_validation.score:.4f}"
    return f"{won}; {own}, which is within {error}, and is the simpler model."
