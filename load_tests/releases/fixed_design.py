"""The labels that a design with one look needs, with the same error: what looking at any time costs.

n = (z_(1 - alpha / 2) + z_power)^2 variance / distance^2, the usual formula for one mean or the difference of
two, as in S.-C. Chow, J. Shao, H. Wang, "Sample Size Calculations in Clinical Research". Such a design needs
the variance and the difference beforehand, and one look.
"""

import math

from scipy.stats import norm

from load_tests.releases.made_releases import Case
from service.model.release.release import Policy


def fixed_labels(case: Case, policy: Policy, power: float) -> int:
    """Labels to promote what is better than minus the margin, or to roll back what is not."""
    promotes = case.difference > -policy.margin
    distance = case.difference + policy.margin if promotes else case.difference
    errors = float(norm.ppf(1 - policy.alpha / 2) + norm.ppf(power))
    labels = math.ceil(errors**2 * _variance(case) / distance**2)
    return max(labels, policy.min_labels) if promotes else labels


def _variance(case: Case) -> float:
    """Of the estimate, times the labels."""
    if case.mode == "shadow":
        return case.design_effect * (case.discordance - case.difference**2)
    before, after = case.accuracy, case.accuracy + case.difference
    return before * (1 - before) / (1 - case.share) + after * (1 - after) / case.share
