"""When releases are decided: by the evidence of the service, at all looks at once, and by a z test beside it.

``tests/unit/load_tests`` holds that the decisions are those of ``assess_evidence`` at each look.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from load_tests.releases.made_releases import Case, Labels, sums_at_looks
from service.model.release.release import Policy
from service.monitoring.evidence.clustered_sums import ClusteredSums
from service.monitoring.evidence.gains import effective_counts
from service.monitoring.evidence.paired_sequence import paired_evidence
from service.monitoring.evidence.policy_action import LEAST_KEYS, difference_alpha, guardrail_alpha
from service.monitoring.evidence.share_difference import distance
from service.monitoring.evidence.split_check import split_evidence

Flags = NDArray[np.bool_]

NORMAL = 1.959964
"""Of a two-sided test of 5 %, as the ends of the intervals have 2.5 % each."""


class Looks(NamedTuple):
    """What each look recommends, of the shape (releases, looks)."""

    promotes: Flags
    rolls_back: Flags


class Decided(NamedTuple):
    """Of each release."""

    promoted: Flags
    rolled_back: Flags
    labels: NDArray[np.float64]
    """At the decision; infinite if there is none up to the last look."""


def decided(looks: Looks, case: Case) -> Decided:
    """By the first look that recommends anything; a look that recommends both rolls back."""
    either = looks.promotes | looks.rolls_back
    first = either.argmax(axis=1)
    each = np.arange(len(first))
    rolled_back = looks.rolls_back[each, first]
    labels = np.where(either[each, first], case.looks[first], np.inf)
    return Decided(looks.promotes[each, first] & ~rolled_back, rolled_back, labels)


def verdict_looks(labels: Labels, case: Case, policy: Policy) -> tuple[Looks, Looks]:
    """Of the evidence, and of a z test at each look."""
    if labels.is_challenger is None:
        sums = sums_at_looks(labels.outcome, None, case)
        return _paired(sums, policy), _paired_z_test(sums, policy)
    arms = [
        sums_at_looks(labels.outcome, role, case) for role in (~labels.is_challenger, labels.is_challenger)
    ]
    return _routed(arms[0], arms[1], case, policy), _two_sample_z_test(arms[0], arms[1], policy)


def _paired(sums: ClusteredSums, policy: Policy) -> Looks:
    """An end of the interval is beyond a value exactly where the evidence against it is enough."""
    wins, losses, rows = effective_counts(sums)
    enough = np.log(2 / difference_alpha(policy.alpha))
    promotes = paired_evidence(wins, losses, rows, -policy.margin) > enough
    rolls_back = paired_evidence(losses, wins, rows, 0.0) > enough
    return Looks(promotes & (sums.rows >= policy.min_labels), rolls_back)


def _routed(champion: ClusteredSums, challenger: ClusteredSums, case: Case, policy: Policy) -> Looks:
    """Each labelled row is taken to be of a key of its own."""
    alpha = difference_alpha(policy.alpha)
    is_above = distance(champion, challenger, -policy.margin, alpha) > 1
    is_below = distance(champion, challenger, 0.0, alpha) < -1
    keys = np.minimum(champion.rows, challenger.rows) >= LEAST_KEYS
    evidence = split_evidence(challenger.rows, champion.rows, case.share)
    is_split_broken = evidence >= np.log(1 / guardrail_alpha(policy.alpha))
    labelled = champion.rows + challenger.rows >= policy.min_labels
    return Looks(is_above & keys & labelled, (is_below & keys) | is_split_broken)


def _paired_z_test(sums: ClusteredSums, policy: Policy) -> Looks:
    variance = (sums.row_squares / sums.rows - sums.mean**2) / sums.rows
    return _z_test(sums.mean, variance, sums.rows, policy)


def _two_sample_z_test(champion: ClusteredSums, challenger: ClusteredSums, policy: Policy) -> Looks:
    variance = sum(arm.mean * (1 - arm.mean) / np.maximum(arm.rows, 1) for arm in (champion, challenger))
    difference = np.where(np.minimum(champion.rows, challenger.rows) > 0, challenger.mean - champion.mean, 0)
    return _z_test(difference, np.asarray(variance), champion.rows + challenger.rows, policy)


def _z_test(
    difference: NDArray[np.float64], variance: NDArray[np.float64], rows: NDArray[np.float64], policy: Policy
) -> Looks:
    margin = NORMAL * np.sqrt(np.maximum(variance, 0))
    known = variance > 0
    promotes = known & (difference - margin > -policy.margin) & (rows >= policy.min_labels)
    return Looks(promotes, known & (difference + margin < 0))
