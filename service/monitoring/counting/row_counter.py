"""Counts rows of one model by slots of time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.model.contract import Contract, Value
from service.model.training_profile import CONFIDENCE_EDGES, TrainingProfile
from service.monitoring.counting.column_codes import Bins, codes_of
from service.monitoring.layout import Counts, Layout, Places
from service.monitoring.spans import Slot

UNKNOWN = -1
"""The place of a predicted class that is not known."""


class CountedRows(NamedTuple):
    """Rows with their predictions, as far as they are counted."""

    received_s: NDArray[np.float64]
    """When each was received, seconds since 1970."""
    columns: Sequence[Sequence[Value]]
    """The values of each feature, in contract order; a date as its text or its days."""
    predicted: Places
    """The place of each predicted class, or UNKNOWN."""
    confidence: NDArray[np.float64]
    """Of the predicted class; NaN if it is not known."""


class RowCounter:
    """Counts rows of one model."""

    def __init__(self, contract: Contract, profile: TrainingProfile, slot_s: int) -> None:
        """Take the seconds of a slot; raise ValueError if the profile is not of this contract."""
        self._slot_s = slot_s
        self.layout = Layout(profile)
        self._codes = codes_of(contract, self.layout)
        self._confidence_edges = np.array(CONFIDENCE_EDGES)
        self._calibration_edges = np.array(profile.predictions.calibration_edges)
        if len(profile.predictions.counts) != len(contract.target.classes):
            raise ValueError("its profile has other classes than its contract")

    def count(self, rows: CountedRows) -> list[Slot]:
        """The slots of the rows, in order."""
        spans, places = np.unique(rows.received_s // self._slot_s, return_inverse=True)
        size = self.layout.size
        vectors: Counts = np.zeros(len(spans) * size, dtype=np.int64)
        starts = places.astype(np.intp) * size
        np.add.at(vectors, starts + self.layout.rows, 1)
        for codes, values in zip(self._codes, rows.columns, strict=True):
            codes.add(values, starts, vectors)
        self._add_predictions(rows, starts, vectors)
        by_span = vectors.reshape(len(spans), size)
        return [Slot(int(span) * self._slot_s, by_span[place]) for place, span in enumerate(spans.tolist())]

    def segments(self, columns: Sequence[Sequence[Value]]) -> Bins:
        """The bins of rows for segments, ``(n_rows, n_features)``."""
        return np.stack([codes.segments(v) for codes, v in zip(self._codes, columns, strict=True)], axis=1)

    def _add_predictions(self, rows: CountedRows, starts: Places, vectors: Counts) -> None:
        known = rows.predicted != UNKNOWN
        np.add.at(vectors, starts[known] + self.layout.labels.start + rows.predicted[known], 1)
        sure = ~np.isnan(rows.confidence)
        starts, confidence = starts[sure], rows.confidence[sure]
        for section, edges in (
            (self.layout.confidences, self._confidence_edges),
            (self.layout.calibration, self._calibration_edges),
        ):
            np.add.at(vectors, starts + section.start + np.searchsorted(edges, confidence, side="left"), 1)
