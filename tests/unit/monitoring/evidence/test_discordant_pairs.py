import numpy as np
import pytest
from scipy.special import beta

from service.monitoring.evidence.discordant_pairs import discordance, discordance_evidence
from service.monitoring.evidence.evidence_state import PairedRows, no_rows
from tests.support.monitoring.evidence_states import pairs_of, rows_of


def test_the_evidence_is_the_sequential_mcnemar_test() -> None:
    expected = 2.0**30 * beta(20.5, 10.5) / beta(0.5, 0.5)
    assert np.exp(discordance_evidence(20, 10)) == pytest.approx(expected)
    assert discordance_evidence(0, 0) == 0


def test_equal_models_are_called_unequal_at_any_look_in_at_most_5_percent() -> None:
    rng = np.random.default_rng(16)
    first = (rng.random((2_000, 1_000)) < 0.5).cumsum(axis=1)
    evidence = discordance_evidence(first, np.arange(1, 1_001) - first)
    assert (evidence >= np.log(20)).any(axis=1).mean() <= 0.05


def test_rows_are_counted_and_requests_are_the_evidence() -> None:
    right = np.zeros(200, dtype=np.bool_)
    batches = PairedRows(*(rows_of(each, np.repeat(np.arange(10), 20)) for each in (right, ~right)))
    found = discordance(batches)
    assert (found.only_champion_right, found.only_challenger_right) == (0, 200)
    assert found.e_value == pytest.approx(np.exp(discordance_evidence(0, 10)))


def test_a_request_without_a_net_difference_is_no_evidence() -> None:
    right = np.arange(40) % 2 == 0
    found = discordance(PairedRows(*(rows_of(each, np.arange(40) // 2) for each in (right, ~right))))
    assert (found.only_champion_right, found.only_challenger_right, found.e_value) == (20, 20, 1.0)


def test_overwhelming_evidence_is_a_number_and_none_is_one() -> None:
    assert np.isfinite(discordance(pairs_of(100_000, 0, 100_000)).e_value)
    assert discordance(PairedRows(no_rows(), no_rows())).e_value == 1.0
