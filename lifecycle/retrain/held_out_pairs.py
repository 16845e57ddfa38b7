"""What champion and challenger say of the rows that were held out, row by row."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lifecycle.retrain.labelled_log import LabelledRow
from service.model.published import PublishedModel
from service.monitoring.evidence.evidence_state import ModelRows, PairedRows

Floats = NDArray[np.float64]

_CALL_ROWS = 10_000


def probabilities_of(model: PublishedModel, rows: Sequence[LabelledRow]) -> Floats:
    """``(n_rows, n_classes)``; raises any error of the model."""
    parts = [
        model.predict_proba(
            model.contract.matrix_of([row.values for row in rows[start : start + _CALL_ROWS]])
        )
        for start in range(0, len(rows), _CALL_ROWS)
    ]
    return np.concatenate(parts).astype(np.float64)


def pairs_of(champion: PublishedModel, challenger: PublishedModel, rows: Sequence[LabelledRow]) -> PairedRows:
    """The rows as both models answer them; the models have the same features and classes."""
    return PairedRows(*(_answered(model, rows) for model in (champion, challenger)))


def _answered(model: PublishedModel, rows: Sequence[LabelledRow]) -> ModelRows:
    probabilities = probabilities_of(model, rows)
    places = {label: place for place, label in enumerate(model.contract.target.classes)}
    truth = np.array([places[row.label] for row in rows])
    each = np.arange(len(rows))
    predicted = probabilities.argmax(axis=1)
    return ModelRows(
        request=np.array([row.record_id for row in rows], dtype=np.int64),
        received_s=np.array([row.received_s for row in rows]),
        is_right=predicted == truth,
        confidence=probabilities[each, predicted],
        truth_probability=probabilities[each, truth],
        squares=np.square(probabilities).sum(axis=1),
    )
