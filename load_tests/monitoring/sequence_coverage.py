"""How often intervals miss the truth at any of many looks: confidence sequences, and plain ones beside them.

There is a look after every LOOK_EVERY labels up to LAST_LOOK. The goal of each sequence is 5 % at most.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.monitoring.quality.mean_sequence import LossScale, LossSums, loss_sums, mean_evidence
from service.monitoring.quality.quality_metrics import BRIER, LEAST_PROBABILITY, LOG_LOSS
from service.monitoring.quality.share_sequence import ALPHA, share_evidence

LOOK_EVERY = 50
LAST_LOOK = 10_000
SHARES = (0.5, 0.9, 0.99)

_LOOKS = np.arange(LOOK_EVERY, LAST_LOOK + 1, LOOK_EVERY)
_RUNS_AT_ONCE = 200
_ROWS_OF_THE_MEAN = 4_000_000
"""From which the true mean of a loss is known closely enough."""


class CoverageRow(NamedTuple):
    """How often an interval missed."""

    interval: str
    of: str
    runs: int
    missed_share: float
    """Of the runs, at any look."""


def coverage_rows(seed: int, runs: int) -> list[CoverageRow]:
    """Of shares and losses, each with its plain interval."""
    rng = np.random.default_rng(seed)
    rows: list[CoverageRow] = []
    for share in SHARES:
        rows += _of_share(rng, share, runs)
    for name, scale in (("Brier", BRIER), ("log loss", LOG_LOSS)):
        rows += _of_loss(rng, name, scale, runs)
    return rows


def _of_share(rng: np.random.Generator, share: float, runs: int) -> list[CoverageRow]:
    hits = rng.binomial(LOOK_EVERY, share, (runs, len(_LOOKS))).cumsum(axis=1)
    mean = hits / _LOOKS
    missed = share_evidence(hits, _LOOKS, share) >= np.log(1 / ALPHA)
    plain = np.abs(mean - share) > 1.96 * np.sqrt(mean * (1 - mean) / _LOOKS)
    name = f"accuracy {share:g}"
    return [_row("beta-binomial mixture", name, missed), _row("plain interval", name, plain)]


def _of_loss(rng: np.random.Generator, name: str, scale: LossScale, runs: int) -> list[CoverageRow]:
    mean = float(_drawn_losses(rng, (_ROWS_OF_THE_MEAN,), scale).mean())
    missed, plain = [], []
    for begin in range(0, runs, _RUNS_AT_ONCE):
        losses = _drawn_losses(rng, (min(_RUNS_AT_ONCE, runs - begin), LAST_LOOK), scale)
        sums = loss_sums(losses, scale)
        looks = LossSums(sums.rows[_LOOKS - 1], *(array[:, _LOOKS - 1] for array in sums[1:]))
        evidence = np.maximum(*mean_evidence(looks, scale, mean))
        missed.append(evidence >= np.log(2 / ALPHA))
        squares = np.cumsum(losses**2, axis=1)[:, _LOOKS - 1] / _LOOKS
        deviation = np.sqrt(np.maximum(squares - looks.mean**2, 0) / _LOOKS)
        plain.append(np.abs(looks.mean - mean) > 1.96 * deviation)
    return [
        _row("empirical Bernstein", name, np.concatenate(missed)),
        _row("plain interval", name, np.concatenate(plain)),
    ]


def _row(interval: str, of: str, missed: NDArray[np.bool_]) -> CoverageRow:
    return CoverageRow(interval, of, len(missed), float(missed.any(axis=1).mean()))


def _drawn_losses(rng: np.random.Generator, shape: tuple[int, ...], scale: LossScale) -> NDArray[np.float64]:
    confidence = 0.5 + 0.5 * rng.beta(4, 1, shape)
    truth = np.where(rng.random(shape) < confidence, confidence, 1 - confidence)
    if scale is BRIER:
        return np.asarray(2 * (1 - truth) ** 2)
    return np.asarray(-np.log(np.maximum(truth, LEAST_PROBABILITY)))
