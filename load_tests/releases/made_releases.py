"""Releases with a known difference of the models, as their labels arrive.

Requests come at equal distances. Their labels come late, half of them after a mean of 1,000 rows, half of
10,000, so that labels of old requests arrive between those of new ones until the end.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.monitoring.evidence.clustered_sums import ClusteredSums

LAST_LOOK = 30_000
LOOK_EVERY = 50
BATCH_ROWS = 20
_BATCH_LOOK_EVERY = 60
_DELAYS = (1_000.0, 10_000.0)
_MORE_ROWS = 1.5
"""Rows are predicted until so many times the labels of the last look; the rest has none yet."""
_COPIES = 0.5
"""The share of a batch's rows that have the outcome of its first case: correlated by the square of it."""

Outcomes = NDArray[np.int8]


class Case(NamedTuple):
    """A kind of release."""

    mode: str
    difference: float
    """Accuracy of the challenger minus that of the champion."""
    discordance: float = 0.0
    """In shadow: the share of rows of which one model is right."""
    accuracy: float = 0.0
    """In canary and ab: of the champion."""
    share: float = 0.0
    batch_rows: int = 1

    @property
    def looks(self) -> NDArray[np.int64]:
        """The labelled rows at each look."""
        step = LOOK_EVERY if self.batch_rows == 1 else _BATCH_LOOK_EVERY
        return np.arange(step, LAST_LOOK + 1, step)

    @property
    def design_effect(self) -> float:
        """The true one."""
        return 1 + (self.batch_rows - 1) * _COPIES**2


class Labels(NamedTuple):
    """Labelled rows of releases in the order of their arrival, of the shape (releases, rows)."""

    outcome: Outcomes
    """In shadow -1, 0 or 1: challenger's being right minus champion's. Else 1 if the answer is right."""
    is_challenger: NDArray[np.bool_] | None
    """Who answered, in canary and ab."""


def cases() -> Iterator[Case]:
    """All that are simulated: no difference, better and worse ones, and the margin itself."""
    for discordance in (0.01, 0.06, 0.2, 0.5):
        for difference in (-0.03, -0.01, 0.0, 0.01, 0.02):
            if abs(difference) <= discordance:
                yield Case("shadow", difference, discordance)
    for discordance in (0.06, 0.2):
        for difference in (-0.03, -0.01, 0.0, 0.02):
            yield Case("shadow", difference, discordance, batch_rows=BATCH_ROWS)
    for mode, share in (("ab", 0.5), ("canary", 0.1)):
        for accuracy in (0.9, 0.98):
            for difference in (-0.03, -0.01, 0.0, 0.01, 0.02):
                yield Case(mode, difference, accuracy=accuracy, share=share)


def made_labels(rng: np.random.Generator, case: Case, releases: int) -> Labels:
    """As many releases, up to the last look."""
    requests = LAST_LOOK // case.batch_rows
    order = _arrivals(rng, releases, round(_MORE_ROWS * requests), case.batch_rows)[:, :requests]
    shape = (releases, round(_MORE_ROWS * requests), case.batch_rows)
    if case.mode == "shadow":
        return Labels(_arrived(_gains(rng, case, shape), order), None)
    role = (rng.random(shape) < case.share).astype(np.int8)
    is_right = (rng.random(shape) < case.accuracy + case.difference * role).astype(np.int8)
    return Labels(_arrived(is_right, order), _arrived(role, order) == 1)


def _arrivals(rng: np.random.Generator, releases: int, requests: int, rows: int) -> NDArray[np.intp]:
    delays = np.where(rng.random((releases, requests)) < 0.5, *_DELAYS)
    return np.argsort(rows * np.arange(requests) + delays * rng.standard_exponential(delays.shape), axis=1)


def _gains(rng: np.random.Generator, case: Case, shape: tuple[int, int, int]) -> Outcomes:
    wins = (case.discordance + case.difference) / 2
    chance = rng.random(shape)
    gains = (chance < wins).astype(np.int8) - ((chance >= wins) & (chance < case.discordance))
    if shape[2] > 1:
        gains = np.where(rng.random(shape) < _COPIES, gains[..., :1], gains)
    return np.asarray(gains, dtype=np.int8)


def _arrived(values: Outcomes, order: NDArray[np.intp]) -> Outcomes:
    arrived = np.take_along_axis(values, order[..., np.newaxis], axis=1)
    return np.asarray(arrived.reshape(len(values), -1))


def sums_at_looks(values: Outcomes, counted: NDArray[np.bool_] | None, case: Case) -> ClusteredSums:
    """What ``clustered_sums`` is of the first rows, for each release and look.

    ``counted`` are the rows of one model; each is a request. Without it requests have the rows of a batch.
    """
    size = case.batch_rows
    places = case.looks // size - 1
    ones = np.ones(values.shape, dtype=np.int8) if counted is None else counted
    by_request = (values * ones).reshape(len(values), -1, size)
    totals = by_request.sum(axis=2, dtype=np.int64)
    rows = np.cumsum(ones.reshape(by_request.shape).sum(axis=2, dtype=np.int64), axis=1)[:, places]
    total, squares, row_squares = (
        np.cumsum(each, axis=1)[:, places]
        for each in (totals, totals**2, (by_request.astype(np.int64) ** 2).sum(axis=2))
    )
    sums = (rows / size, rows, total, row_squares, squares, size * total, size * rows)
    return ClusteredSums(*(each.astype(np.float64) for each in sums))
