"""Streams of windows over many made columns, with the predictions of a made model."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from load_tests.monitoring.made_columns import NO_CHANGE, Categories, Change, FewValues, MadeColumn, Normal
from service.model.training_profile import CONFIDENCE_EDGES, PredictionProfile, TrainingProfile
from service.monitoring.layout import Counts, Layout

MIXED: tuple[MadeColumn, ...] = (
    Normal(),
    Normal(missing=0.03),
    Categories.of(8, missing=0.01),
    Normal(log_spread=1.5),
    FewValues((0.7, 0.3)),
    Categories.of(50),
    Normal(mean=0.0, missing=0.3),
    FewValues((0.05, 0.15, 0.22, 0.22, 0.17, 0.1, 0.05, 0.03, 0.01)),
    Categories.of(3),
    FewValues((0.98, 0.02), missing=0.002),
)
"""Kinds of columns: numbers, heavy tails, counts, booleans and categories, some with missing values."""

NUMBERS: tuple[MadeColumn, ...] = (Normal(),)

_LABELS = (0.6, 0.3, 0.1)
_CONFIDENCE_SHARES = np.concatenate([np.zeros(8), np.arange(1, 13) ** 2 / (np.arange(1, 13) ** 2).sum()])


class Stream(NamedTuple):
    """A training table and its columns."""

    layout: Layout
    columns: tuple[MadeColumn, ...]


def made_stream(rng: np.random.Generator, kinds: Sequence[MadeColumn], n_columns: int, rows: int) -> Stream:
    """A drawn training table of as many columns and rows."""
    columns = tuple(kinds[place % len(kinds)] for place in range(n_columns))
    profiles = tuple(column.profile(rng, f"c{place}", rows) for place, column in enumerate(columns))
    profile = TrainingProfile(
        rows=rows, columns=profiles, predictions=made_predictions(rng, rows), test_rows=rows // 5, quality={}
    )
    return Stream(Layout(profile), columns)


def made_predictions(rng: np.random.Generator, rows: int) -> PredictionProfile:
    """The predictions of a made model, of as many rows."""
    middles = (np.array([0, *CONFIDENCE_EDGES]) + np.array([*CONFIDENCE_EDGES, 1])) / 2
    return PredictionProfile(
        counts=tuple(rng.multinomial(rows, _LABELS).tolist()),
        confidence_counts=tuple(rng.multinomial(rows, _CONFIDENCE_SHARES).tolist()),
        confidence_means=tuple(middles.tolist()),
        calibration_edges=(),
        calibration=(0.9,),
    )


def made_windows(
    rng: np.random.Generator,
    stream: Stream,
    n_windows: int,
    rows: int,
    changes: Mapping[int, Change] | None = None,
) -> Counts:
    """Drawn windows ``(n_windows, size)``, in which the columns at some places change."""
    layout = stream.layout
    windows = np.zeros((n_windows, layout.size), dtype=np.int64)
    windows[:, layout.rows] = rows
    for place, (column, section) in enumerate(zip(stream.columns, layout.sections, strict=True)):
        column.fill(rng, section, windows, rows, (changes or {}).get(place, NO_CHANGE))
    windows[:, layout.labels] = rng.multinomial(rows, _LABELS, n_windows)
    windows[:, layout.confidences] = rng.multinomial(rows, _CONFIDENCE_SHARES, n_windows)
    return windows
