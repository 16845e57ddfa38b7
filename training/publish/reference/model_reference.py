"""What a model carries for monitoring: its training profile, and rows of the table if a person wants that."""

from typing import NamedTuple

import numpy as np

from service.model.contract import Contract
from service.model.training_profile import TrainingProfile, TrainingSample
from training.evaluate.evaluation import Evaluation
from training.publish.reference.held_out_quality import held_out_quality
from training.publish.reference.kept_rows import keep_rows
from training.publish.reference.profiled_columns import profile_columns
from training.publish.reference.profiled_predictions import label_places, profile_predictions
from training.table.dataset import Split


class Reference(NamedTuple):
    """What monitoring compares with."""

    profile: TrainingProfile
    sample: TrainingSample | None = None


def make_reference(
    winner: Evaluation, contract: Contract, split: Split, seed: int, *, keeps_sample: bool = False
) -> Reference:
    """The reference of the winner, from all rows of the table."""
    probabilities = np.asarray(winner.probabilities, dtype=np.float64)
    profile = TrainingProfile(
        rows=len(split.train.labels) + len(split.test.labels),
        columns=profile_columns(contract, split),
        predictions=profile_predictions(winner),
        test_rows=len(split.test.labels),
        quality=held_out_quality(probabilities, label_places(winner), seed),
    )
    return Reference(profile, keep_rows(contract, split, seed) if keeps_sample else None)
