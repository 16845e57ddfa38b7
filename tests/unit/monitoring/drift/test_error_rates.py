"""By simulation, with fixed seeds; bounds that a right implementation does not miss."""

import numpy as np
import pytest

from load_tests.monitoring.drift_power import Scenario, detect
from load_tests.monitoring.false_alarms import column_months, rates
from load_tests.monitoring.made_columns import Change
from load_tests.monitoring.made_streams import MIXED, made_stream, made_windows
from service.monitoring.drift import assess_drift
from service.monitoring.spans import Window


@pytest.mark.parametrize(("reference_rows", "rows"), [(150, 50), (150, 1_000), (10_000, 500)])
def test_months_without_drift_have_no_alarm(reference_rows: int, rows: int) -> None:
    features, outputs = column_months(21, MIXED, reference_rows, rows, tables=6)
    found = rates(np.random.default_rng(1), features, outputs, n_columns=20, months=20)
    # One is allowed by chance; a rule that alarms in a tenth of the months has two in most draws.
    assert found.months_with_alarm <= 1
    assert found.windows_deviating < 0.003 * found.windows


def test_a_shift_of_a_fifth_of_a_sigma_is_found_within_five_windows() -> None:
    found = detect(22, Scenario("", {0: Change(shift=0.2)}), tables=1)
    assert found.within_5 > 0.9
    assert found.other_alarms < 0.1


def test_columns_that_are_drawn_from_a_pool_deviate_as_often_as_assessed_ones() -> None:
    rng = np.random.default_rng(23)
    deviating = windows = 0
    for _ in range(10):
        stream = made_stream(rng, MIXED, len(MIXED), 150)
        counts = made_windows(rng, stream, 12, 1_000)
        hours = [Window(place * 3_600, (place + 1) * 3_600, True, each) for place, each in enumerate(counts)]
        drift = assess_drift(stream.layout, ("a", "b", "c"), hours)
        deviating += sum(window.deviates for column in drift for window in column.windows)
        windows += 12
    assert windows == 120
    assert deviating <= 2
