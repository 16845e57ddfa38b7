"""One row of the report: releases of one kind, simulated in parts so that they fit the memory."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from load_tests.releases.fixed_design import fixed_labels
from load_tests.releases.made_releases import Case, made_labels
from load_tests.releases.release_verdicts import Decided, decided, verdict_looks
from service.model.release.release import Policy

_RELEASES_AT_ONCE = 200
POLICY = Policy()


class Rates(NamedTuple):
    """Of one way to decide."""

    promoted: float
    rolled_back: float
    labels_median: int | None
    """None: fewer than half of the releases are decided at the last look."""
    labels_p90: int | None


class ReleaseRow(NamedTuple):
    """Releases of one kind."""

    case: Case
    releases: int
    evidence: Rates
    peeking: Rates
    """A z test of 5 % at the same looks."""
    fixed_80: int
    """Labels of a design with one look and a power of 80 %."""
    fixed_90: int

    @property
    def promotion_is_false(self) -> bool:
        """Whether the challenger is worse by the margin or more."""
        return self.case.difference <= -POLICY.margin

    @property
    def rollback_is_false(self) -> bool:
        """Whether the challenger is no worse."""
        return self.case.difference >= 0


def release_row(seed: int, case: Case, releases: int) -> ReleaseRow:
    """Simulate the releases and decide them."""
    rng = np.random.default_rng(seed)
    found: list[tuple[Decided, Decided]] = []
    for begin in range(0, releases, _RELEASES_AT_ONCE):
        labels = made_labels(rng, case, min(_RELEASES_AT_ONCE, releases - begin))
        evidence, z_test = verdict_looks(labels, case, POLICY)
        found.append((decided(evidence, case), decided(z_test, case)))
    fixed = (fixed_labels(case, POLICY, power) for power in (0.8, 0.9))
    return ReleaseRow(
        case, releases, _rates([each for each, _ in found]), _rates([each for _, each in found]), *fixed
    )


def _rates(parts: Sequence[Decided]) -> Rates:
    promoted, rolled_back, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    median, p90 = (float(np.quantile(labels, at, method="higher")) for at in (0.5, 0.9))
    return Rates(float(promoted.mean()), float(rolled_back.mean()), _finite(median), _finite(p90))


def _finite(labels: float) -> int | None:
    return round(labels) if math.isfinite(labels) else None
