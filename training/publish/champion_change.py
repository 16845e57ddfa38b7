"""The decision whether the winner of a training becomes the champion.

The winner is compared with the present champion on the test split of the new training. It becomes champion
if its macro F1 is not lower by more than the margin. A champion that cannot be compared stays, unless the
change is forced: a model that answers must not be replaced by one of which nothing is known.
"""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from service.model.contract import Contract, Matrix
from training.evaluate.comparison import Comparison, compare, compared_rows
from training.evaluate.evaluation import Evaluation
from training.publish.golden_rows import json_rows
from training.publish.present_champion import PresentChampion
from training.training_errors import ChampionIncomparable

MARGIN = 0.01
"""By how much the macro F1 of a new champion may be lower, by default."""

_SAME_SPLIT = ("data_sha256", "seed", "test_size", "target")
"""Parameters of a training; if they are equal, so is the test split."""


@dataclass(frozen=True)
class Decision:
    """Whether the winner becomes champion, and why."""

    is_champion: bool
    reason: str
    """A sentence or two."""
    present: PresentChampion | None
    """The champion until now."""
    comparison: Comparison | None
    """None if there was no champion, or it could not be compared."""
    margin: float
    forced: bool = False
    """Whether the winner is champion only because of --force."""
    note: str | None = None
    """What makes the comparison less than fair."""

    def as_json(self) -> dict[str, object] | None:
        """The comparison as ``--json`` prints it; None if there was no champion."""
        if self.present is None:
            return None
        found = self.comparison
        return {
            "champion_version": self.present.version,
            "champion_tag": self.present.tag,
            "margin": self.margin,
            "rows": found and found.rows,
            "f1_macro_difference": found and found.difference,
            "f1_macro_standard_error": found and found.standard_error,
            "log_loss": found and found.log_loss,
            "champion_log_loss": found and found.other_log_loss,
            "forced": self.forced,
            "reason": self.reason,
            "note": self.note,
        }


def decide(
    winner: Evaluation,
    contract: Contract,
    present: PresentChampion | None,
    parameters: dict[str, object],
    *,
    seed: int,
    margin: float,
    force: bool,
) -> Decision:
    """Compare the winner with the present champion and decide; ``parameters`` are those of the training."""
    if present is None:
        return Decision(True, "It is the first champion of this name.", None, None, margin)
    decision = _decide(winner, contract, present, seed, margin)
    if decision.comparison is not None:
        decision = replace(decision, note=_doubt(present, parameters))
    if decision.is_champion or not force:
        return decision
    reason = decision.reason.removesuffix(f" {_remedy(present)}")
    return replace(
        decision, is_champion=True, forced=True, reason=f"{reason} It became champion because of --force."
    )


def as_challenger(decision: Decision) -> Decision:
    """The decision of a training whose winner does not become champion by it."""
    reason = "It was trained as a challenger, which its release makes champion, or not."
    return replace(decision, is_champion=False, forced=False, reason=reason)


def _decide(
    winner: Evaluation, contract: Contract, present: PresentChampion, seed: int, margin: float
) -> Decision:
    try:
        comparison = _compare(winner, contract, present, seed)
    except ChampionIncomparable as error:
        reason = f"Version {present.version}, the present champion, cannot be compared: {error}."
        return Decision(False, f"{reason} {_remedy(present)}", present, None, margin)
    if comparison.difference >= -margin:
        reason = f"Its macro F1 is not more than {margin:g} below that of version {present.version}."
        return Decision(True, reason, present, comparison, margin)
    reason = f"Its macro F1 is more than {margin:g} below that of version {present.version}."
    return Decision(False, f"{reason} {_remedy(present)}", present, comparison, margin)


def _remedy(present: PresentChampion) -> str:
    return f"Version {present.version} stays champion; --force makes the new model champion."


def _compare(winner: Evaluation, contract: Contract, present: PresentChampion, seed: int) -> Comparison:
    chosen = compared_rows(len(winner.test.labels), seed)
    matrix = cast(Matrix, np.asarray(winner.test.matrix))
    rows = json_rows(contract, matrix[chosen])
    target = contract.target
    theirs = present.probabilities(rows, target)
    labels = winner.test.labels[chosen]
    return compare(target.classes, labels, winner.probabilities[chosen], theirs, seed)


def _doubt(present: PresentChampion, parameters: dict[str, object]) -> str | None:
    """A sentence if the present champion may have been fitted to the rows of this test split."""
    before = present.learned_from()
    if all(before.get(name) == str(parameters[name]) for name in _SAME_SPLIT):
        return None
    return f"Version {present.version} may have been fitted to some of these rows, which favours it."
