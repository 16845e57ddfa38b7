import numpy as np
import pytest

from service.monitoring.evidence.evidence_state import ModelRows, RoleCounts, no_rows
from service.monitoring.evidence.guardrails import calibration, failure_increase, guardrails, latency_ratio
from tests.support.monitoring.evidence_states import (
    TRAFFIC,
    pairs_of,
    release_of,
    routed_state,
    rows_of,
    shadow_state,
    share_right,
)

ALPHA = 0.05
RUNS = 60
LOOKS = np.array([50, 100, 200, 400, 700, 1_000, 2_000, 4_000])


def requests(number: int, failed: int = 0, mean_log_ms: float = 1.0) -> RoleCounts:
    return RoleCounts(
        requests=number,
        failed_requests=failed,
        rows=number,
        keys=number,
        log_ms_sum=number * mean_log_ms,
        log_ms_squares=number * (mean_log_ms**2 + 0.25),
    )


def first_rows(rows: ModelRows, number: int) -> ModelRows:
    return rows_of(rows.is_right[:number])


def test_shadow_has_neither_latency_nor_split() -> None:
    names = [each.name for each in guardrails(shadow_state(pairs_of(9, 9, 900)), ALPHA)]
    assert names == ["failures", "calibration"]


def test_canary_and_ab_have_all() -> None:
    state = routed_state(share_right(0.9, 900), share_right(0.9, 900))
    found = guardrails(state, ALPHA)
    assert [each.name for each in found] == ["split", "failures", "latency", "calibration"]
    assert not any(each.is_broken for each in found)


@pytest.mark.parametrize("failed", [(0.0, 0.01), (0.001, 0.001), (0.3, 0.3)])
def test_the_interval_of_failures_misses_at_any_look_in_at_most_5_percent(
    failed: tuple[float, float],
) -> None:
    rng = np.random.default_rng(16)
    missed = 0
    for _ in range(RUNS):
        before, after = (rng.binomial(np.diff(LOOKS, prepend=0), share).cumsum() for share in failed)
        for look, first, second in zip(LOOKS.tolist(), before.tolist(), after.tolist(), strict=True):
            found = failure_increase(requests(look - first, first), requests(look - second, second), ALPHA)
            assert found is not None
            if not found.low <= failed[1] - failed[0] <= found.high:
                missed += 1
                break
    assert missed / RUNS <= ALPHA


def test_a_challenger_that_always_fails_breaks_the_guardrail_within_30_requests() -> None:
    found = failure_increase(requests(1_000), requests(0, 30), 0.006)
    assert found is not None
    assert found.low > 0.5


def test_failures_need_requests_of_both() -> None:
    assert failure_increase(requests(0), requests(10), ALPHA) is None
    assert failure_increase(requests(10), requests(0), ALPHA) is None


def test_the_ratio_of_durations_is_that_of_geometric_means() -> None:
    found = latency_ratio(requests(5_000), requests(5_000, mean_log_ms=1 + np.log(3)), ALPHA)
    assert found is not None
    assert found.value == pytest.approx(3)
    assert 2.8 < found.low < 3 < found.high < 3.2


def test_the_ratio_of_few_durations_is_not_known() -> None:
    found = latency_ratio(requests(5_000), requests(3, mean_log_ms=3.0), ALPHA)
    assert found is not None
    assert found.low < 0.1
    assert latency_ratio(requests(10), requests(0), ALPHA) is None


def test_a_slow_challenger_breaks_the_guardrail_in_canary_only() -> None:
    slow = TRAFFIC._replace(log_ms_sum=60_000.0, log_ms_squares=200_000.0)
    routed = guardrails(routed_state(no_rows(), no_rows(), challenger=slow), ALPHA)
    assert [each.name for each in routed if each.is_broken] == ["latency"]
    assert not any(each.is_broken for each in guardrails(shadow_state(challenger=slow), ALPHA))


def test_overconfidence_breaks_the_guardrail_and_its_distance_is_shown() -> None:
    rows = rows_of(np.arange(4_000) % 10 < 7, confidence=0.95)
    found = calibration(rows, ALPHA)
    assert found is not None
    assert found.value == pytest.approx(0.25)
    assert 0.2 < found.low < 0.25 < found.high < 0.3
    state = routed_state(share_right(0.9, 4_000), rows)
    assert [each.name for each in guardrails(state, ALPHA) if each.is_broken] == ["calibration"]


def test_a_calibrated_model_is_called_uncalibrated_at_any_look_in_at_most_5_percent() -> None:
    rng = np.random.default_rng(16)
    missed = 0
    for _ in range(RUNS):
        rows = rows_of(rng.random(LOOKS[-1]) < 0.9)
        found = (calibration(first_rows(rows, look), ALPHA) for look in LOOKS.tolist())
        missed += any(each is not None and each.low > 0 for each in found)
    assert missed / RUNS <= ALPHA


def test_without_probabilities_there_is_no_calibration() -> None:
    assert calibration(rows_of(np.ones(9, np.bool_))._replace(confidence=np.full(9, np.nan)), ALPHA) is None
    assert calibration(no_rows(), ALPHA) is None


def test_a_share_of_0_that_got_a_key_breaks_the_split() -> None:
    state = routed_state(
        no_rows(), no_rows(), release=release_of("canary", share=0.0), challenger=requests(1)
    )
    assert guardrails(state, ALPHA)[0].is_broken
