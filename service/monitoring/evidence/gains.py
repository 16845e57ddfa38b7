"""The difference of the models in a metric, oriented so that positive is better.

In shadow both models answer the same rows, so the difference is a mean over pairs; in canary and ab it is
that of two samples of unequal size. Of pairs, accuracy has the exact sequence, with counts divided by the
design effect of batches; of samples, that of two shares. Losses have the asymptotic sequence, as they have
more than a few values.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.model.release.release import Metric
from service.monitoring.evidence.asymptotic_sequence import asymptotic_margin
from service.monitoring.evidence.clustered_sums import (
    ClusteredSums,
    balanced_requests,
    clustered_sums,
    design_effect,
    variance_of_difference,
    variance_of_mean,
)
from service.monitoring.evidence.evidence import Difference
from service.monitoring.evidence.evidence_state import EvidenceState, ModelRows, PairedRows
from service.monitoring.evidence.paired_sequence import paired_interval
from service.monitoring.evidence.share_difference import share_difference_interval
from service.monitoring.quality.quality_metrics import LEAST_PROBABILITY

Floats = NDArray[np.float64]
Interval = tuple[Floats, Floats]

METRICS: tuple[Metric, ...] = ("accuracy", "brier", "log_loss")
LARGEST: Mapping[Metric, float] = {
    "accuracy": 1.0,
    "brier": 2.0,
    "log_loss": -float(np.log(LEAST_PROBABILITY)),
}
"""The largest difference that there can be."""
_UNITS: Mapping[Metric, float] = {"accuracy": 1.0, "brier": 1.0, "log_loss": 4.0}
"""What a row may usually differ by: the unit of the prior requests."""


def gains(state: EvidenceState, alpha: float) -> tuple[Difference, ...]:
    """The differences in all metrics, the policy's first."""
    first = state.release.policy.metric
    order = (first, *(metric for metric in METRICS if metric != first))
    if state.release.mode == "shadow":
        return tuple(paired_gain(state.paired, metric, alpha) for metric in order)
    return tuple(sample_gain(state.champion_rows, state.challenger_rows, metric, alpha) for metric in order)


def paired_gain(paired: PairedRows, metric: Metric, alpha: float) -> Difference:
    """Of labelled pairs."""
    champion, challenger = (_scores(rows, metric) for rows in paired)
    known = np.isfinite(champion) & np.isfinite(challenger)
    if not known.any():
        return Difference(metric=metric, is_paired=True)
    request = paired.champion.request[known]
    sums = clustered_sums(challenger[known] - champion[known], request)
    ends = paired_ends(sums, metric, alpha)
    return _difference(metric, champion[known], challenger[known], sums.mean, ends, is_paired=True)


def sample_gain(champion: ModelRows, challenger: ModelRows, metric: Metric, alpha: float) -> Difference:
    """Of two samples; without a difference if one of them has no labelled row."""
    scores = [(_scores(rows, metric), rows.request) for rows in (champion, challenger)]
    scores = [
        (values[known], request[known]) for values, request in scores for known in [np.isfinite(values)]
    ]
    (first, _), (second, _) = scores
    if not len(first) or not len(second):
        return _difference(metric, first, second, None, None, is_paired=False)
    sums = [clustered_sums(*each) for each in scores]
    middle = sums[1].mean - sums[0].mean
    ends = sample_ends(sums[0], sums[1], metric, alpha)
    return _difference(metric, first, second, middle, ends, is_paired=False)


def paired_ends(sums: ClusteredSums, metric: Metric, alpha: float) -> Interval:
    """The ends of the interval of differences; their values are -1, 0 and 1 for accuracy."""
    if metric != "accuracy":
        margin = asymptotic_margin(variance_of_mean(sums, _UNITS[metric]), sums.requests, alpha)
        return sums.mean - margin, sums.mean + margin
    return paired_interval(*effective_counts(sums), alpha)


def effective_counts(sums: ClusteredSums) -> tuple[Floats, Floats, Floats]:
    """Wins, losses and rows of differences that are -1, 0 or 1, divided by the design effect."""
    effect = design_effect(sums)
    wins, losses = (sums.row_squares + sums.total) / 2, (sums.row_squares - sums.total) / 2
    return wins / effect, losses / effect, sums.rows / effect


def sample_ends(champion: ClusteredSums, challenger: ClusteredSums, metric: Metric, alpha: float) -> Interval:
    """The ends of the interval of the difference of two means."""
    if metric == "accuracy":
        return share_difference_interval(champion, challenger, alpha)
    variance = variance_of_difference(champion, challenger, _UNITS[metric])
    margin = asymptotic_margin(variance, balanced_requests(champion, challenger), alpha)
    middle = challenger.mean - champion.mean
    return middle - margin, middle + margin


def _scores(rows: ModelRows, metric: Metric) -> Floats:
    """Higher is better; NaN where the answer has no probabilities."""
    if metric == "accuracy":
        return rows.is_right.astype(np.float64)
    if metric == "brier":
        return np.asarray(2 * rows.truth_probability - rows.squares - 1)
    return np.asarray(np.log(np.clip(rows.truth_probability, LEAST_PROBABILITY, 1)))


def _difference(
    metric: Metric,
    champion: Floats,
    challenger: Floats,
    middle: Floats | None,
    ends: Interval | None,
    *,
    is_paired: bool,
) -> Difference:
    """The figures of the models are shown as they are known: losses are positive."""
    sign = 1 if metric == "accuracy" else -1
    limit = LARGEST[metric]
    low, high = (None, None) if ends is None else (float(np.clip(end, -limit, limit)) for end in ends)
    return Difference(
        metric=metric,
        champion=sign * float(champion.mean()) if len(champion) else None,
        challenger=sign * float(challenger.mean()) if len(challenger) else None,
        difference=None if middle is None else float(middle),
        low=low,
        high=high,
        labelled=len(champion) if is_paired else len(champion) + len(challenger),
        is_paired=is_paired,
    )
