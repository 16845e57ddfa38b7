import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.monitoring.quality.label_delay import label_delay

DAY_S = 86_400.0


def known(rng: np.random.Generator, days: float, mean_delay_s: float, rows: int = 50_000) -> np.ndarray:
    """The times and delays of the labels that have come after so many days of traffic, ``(2, n)``."""
    received = rng.random(rows) * days * DAY_S
    delays = rng.exponential(mean_delay_s, rows)
    return np.stack([received, delays])[:, received + delays <= days * DAY_S]


def test_all_delays_known_give_their_95_percent_quantile() -> None:
    rng = np.random.default_rng(15)
    delays = rng.exponential(3_600, 5_000)
    found = label_delay(np.zeros(5_000), delays, 365 * DAY_S)
    assert found == pytest.approx(np.quantile(delays, 0.95), rel=0.01)


def test_young_predictions_do_not_shorten_the_delay() -> None:
    received, delays = known(np.random.default_rng(15), days=6, mean_delay_s=DAY_S)
    found = label_delay(received, delays, 6 * DAY_S)
    assert np.quantile(delays, 0.95) < 2.6 * DAY_S
    assert found == pytest.approx(np.log(20) * DAY_S, rel=0.05)


def test_a_young_log_shows_no_delay_longer_than_itself() -> None:
    received, delays = known(np.random.default_rng(15), days=1, mean_delay_s=14 * DAY_S)
    found = label_delay(received, delays, DAY_S)
    assert found is not None
    assert found <= DAY_S


def test_one_slow_label_does_not_decide() -> None:
    rng = np.random.default_rng(15)
    received = np.append(0.0, 50 * DAY_S + rng.random(1_000) * DAY_S)
    delays = np.append(50 * DAY_S, rng.exponential(3_600, 1_000))
    found = label_delay(received, delays, 52 * DAY_S)
    assert found is not None
    assert found < DAY_S


def test_few_labels_give_no_delay() -> None:
    assert label_delay(np.zeros(29), np.ones(29), DAY_S) is None
    assert label_delay(np.zeros(30), np.ones(30), DAY_S) == 1


@given(st.integers(0, 100), st.data())
def test_any_times_give_a_delay_that_was_seen_or_none(rows: int, data: st.DataObject) -> None:
    numbers = arrays(np.float64, rows, elements=st.floats())
    received, delays = data.draw(numbers), data.draw(numbers)
    found = label_delay(received, delays, 1e9)
    assert found is None or found in np.maximum(delays, 0)
