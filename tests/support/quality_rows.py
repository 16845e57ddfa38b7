"""A model of two classes, its training profile, and hours of predictions with their labels."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.model.training_profile import (
    CONFIDENCE_EDGES,
    CategoryProfile,
    Figure,
    NumberProfile,
    PredictionProfile,
    TrainingProfile,
)
from service.monitoring.layout import Layout
from service.monitoring.spans import LabelledRows, Window

CLASSES = ("no", "yes")
HOUR_S = 3_600
START_S = 490_000 * HOUR_S
ACCURACY = 0.9
"""Of the model, held out and in the hours that are made."""

_CALIBRATION_EDGES = (0.6, 0.7, 0.8, 0.9)
_CALIBRATION = (0.55, 0.65, 0.75, 0.85, 0.95)


def made_profile(test_rows: int = 500) -> TrainingProfile:
    """The profile of a number ``width``, evenly from 0 to 100, and a category ``colour``."""
    quantiles = tuple(float(value) for value in range(101))
    return TrainingProfile(
        rows=1_000,
        columns=(
            NumberProfile(
                name="width",
                edges=(50.0,),
                counts=(500, 500),
                means=(25.0, 75.0),
                mean=50.0,
                standard_deviation=29.0,
                quantiles=quantiles,
            ),
            CategoryProfile(name="colour", categories=("blue", "red"), counts=(600, 400)),
        ),
        predictions=PredictionProfile(
            counts=(500, 500),
            confidence_counts=(0,) * 18 + (1_000, 0),
            confidence_means=tuple(0.025 + step / 20 for step in range(len(CONFIDENCE_EDGES) + 1)),
            calibration_edges=_CALIBRATION_EDGES,
            calibration=_CALIBRATION,
        ),
        test_rows=test_rows,
        quality={
            "accuracy": Figure(value=ACCURACY, low=0.87, high=0.92),
            "f1_macro": Figure(value=ACCURACY, low=0.87, high=0.92),
            "log_loss": Figure(value=0.33, low=0.28, high=0.38),
            "brier": Figure(value=0.18, low=0.14, high=0.22),
            "calibration_error": Figure(value=0.02, low=0.0, high=0.06),
        },
    )


class MadeHours(NamedTuple):
    """Hours of predictions, and those that have labels."""

    windows: list[Window]
    rows: LabelledRows


def made_hours(
    rng: np.random.Generator,
    layout: Layout,
    hours: int,
    *,
    predictions: int = 500,
    labelled: Callable[[NDArray[np.intp]], NDArray[np.float64]] = np.ones_like,
    delay_s: float = 600,
    flipped_from: int | None = None,
    flip: float = 0.0,
) -> MadeHours:
    """A window for each hour; rows are right as often as their confidence of 0.9 says.

    ``labelled`` gives the chance of a label from the predicted classes. From the hour ``flipped_from`` on the
    share ``flip`` of the labels is the other class: concept drift.
    """
    n_rows = hours * predictions
    hour = np.repeat(np.arange(hours), predictions)
    received_s = START_S + hour * HOUR_S + np.sort(rng.random((hours, predictions)) * HOUR_S).ravel()
    predicted = rng.integers(0, 2, n_rows)
    is_right = rng.random(n_rows) < ACCURACY
    if flipped_from is not None:
        is_right ^= (hour >= flipped_from) & (rng.random(n_rows) < flip)
    confidence = np.full(n_rows, ACCURACY)
    rows = LabelledRows(
        received_s=received_s,
        delay_s=rng.exponential(delay_s, n_rows),
        predicted=predicted.astype(np.intp),
        truth=np.where(is_right, predicted, 1 - predicted).astype(np.intp),
        confidence=confidence,
        truth_probability=np.where(is_right, confidence, 1 - confidence),
        squares=confidence**2 + (1 - confidence) ** 2,
        bins=np.column_stack([rng.integers(0, 10, n_rows), rng.integers(0, 2, n_rows)]).astype(np.uint8),
    )
    has_label = rng.random(n_rows) < labelled(rows.predicted)
    windows = [
        _window(layout, START_S + number * HOUR_S, rows.predicted[hour == number]) for number in range(hours)
    ]
    return MadeHours(windows, selected_rows(rows, has_label))


def selected_rows(rows: LabelledRows, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> LabelledRows:
    """Some of the rows."""
    return LabelledRows._make(array[which] for array in rows)


def _window(layout: Layout, start_s: int, predicted: NDArray[np.intp]) -> Window:
    counts = layout.zeros()
    counts[layout.rows] = len(predicted)
    counts[layout.labels] = np.bincount(predicted, minlength=2)
    counts[layout.calibration.start + 3] = len(predicted)
    return Window(start_s, start_s + HOUR_S, True, counts)
