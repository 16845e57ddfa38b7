"""Models with a training profile, published without the search of a training."""

import numpy as np

from service.model.training_profile import TrainingProfile
from tests.support.small_models import lineage_of
from training.candidates.built_in import CANDIDATES
from training.publish.golden_rows import golden_rows
from training.publish.publication import publish
from training.publish.reference.held_out_quality import held_out_quality
from training.publish.reference.kept_rows import keep_rows
from training.publish.reference.model_reference import Reference
from training.publish.reference.profiled_columns import profile_columns
from training.publish.reference.profiled_predictions import describe_predictions
from training.table.dataset import Dataset


def publish_profiled(
    dataset: Dataset, name: str, *, keeps_sample: bool = False, rows: int | None = None
) -> str:
    """Publish a logistic regression of a table, or of its first rows, with its profile; gives the tag."""
    contract, split = dataset.contract, dataset.split(0.2, 42)
    pipeline = CANDIDATES[0].pipeline(contract, 42)
    pipeline.fit(split.train.matrix[:rows], split.train.labels[:rows])
    probabilities = pipeline.predict_proba(split.test.matrix)
    labels = np.searchsorted(pipeline.classes_, split.test.labels)
    predicted, n_classes = probabilities.argmax(axis=1), probabilities.shape[1]
    profile = TrainingProfile(
        rows=len(split.train.labels) + len(labels),
        columns=profile_columns(contract, split),
        predictions=describe_predictions(
            predicted, probabilities.max(axis=1), predicted == labels, n_classes
        ),
        test_rows=len(labels),
        quality=held_out_quality(probabilities, labels, 42),
    )
    reference = Reference(profile, keep_rows(contract, split, 42) if keeps_sample else None)
    golden = golden_rows(pipeline, contract, split.train.matrix, None)
    return publish(pipeline, contract, golden, lineage_of(name), reference=reference)
