import numpy as np
import pytest
from scipy.stats import betabinom, binom, chi2

from service.monitoring.evidence.split_check import assigned_share, split_evidence
from tests.support.monitoring.evidence_states import release_of

RUNS, STEP = 1_000, 50
LOOKS = STEP * np.arange(1, 401)


def test_the_evidence_is_the_bayes_factor_of_the_dirichlet_mixture() -> None:
    factor = betabinom.logpmf(130, 1_000, 10, 90) - binom.logpmf(130, 1_000, 0.1)
    assert split_evidence(130, 870, 0.1) == pytest.approx(factor)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_a_right_split_is_refuted_at_any_of_400_looks_in_at_most_5_percent(share: float) -> None:
    keys = np.random.default_rng(16).binomial(STEP, share, (RUNS, len(LOOKS))).cumsum(axis=1)
    assert (split_evidence(keys, LOOKS - keys, share) >= np.log(20)).any(axis=1).mean() <= 0.05


def test_a_repeated_chi_squared_test_of_1_percent_refutes_more_than_10_percent_of_right_splits() -> None:
    keys = np.random.default_rng(16).binomial(STEP, 0.5, (RUNS, len(LOOKS))).cumsum(axis=1)
    chi_squared = (keys - LOOKS / 2) ** 2 / (LOOKS / 4)
    assert (chi_squared >= chi2.isf(0.01, 1)).any(axis=1).mean() > 0.1


def test_lost_requests_of_the_challenger_are_found() -> None:
    keys = np.random.default_rng(16).binomial(STEP, 0.09, (200, len(LOOKS))).cumsum(axis=1)
    assert (split_evidence(keys, LOOKS - keys, 0.1) >= np.log(160)).any(axis=1).mean() > 0.75


def test_a_share_of_0_or_1_is_refuted_by_one_key() -> None:
    assert split_evidence([0, 1], [10, 10], 0.0).tolist() == [0, np.inf]
    assert split_evidence([10, 10], [0, 1], 1.0).tolist() == [0, np.inf]


def test_the_share_is_that_of_whole_buckets() -> None:
    assert assigned_share(release_of("canary", share=0.00001)) == 0.0001
    assert assigned_share(release_of("ab", share=0.33333)) == 0.3333
