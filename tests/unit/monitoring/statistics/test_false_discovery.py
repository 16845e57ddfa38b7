import numpy as np
import pytest
from scipy import stats

from service.monitoring.statistics.false_discovery import adjusted

PUBLISHED = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
    0.7590, 1.0,
]  # fmt: skip
"""Of the example of Benjamini and Hochberg (1995), section 3.2: four are significant at 5 %."""


def test_the_published_example_has_four_discoveries() -> None:
    found = adjusted(np.array(PUBLISHED)[:, np.newaxis])[:, 0]
    assert (found <= 0.05).tolist() == [True] * 4 + [False] * 11


def test_each_window_is_adjusted_as_by_scipy_without_what_has_no_figure() -> None:
    p_values = np.random.default_rng(1).random((20, 6)) ** 3
    p_values[3, 2] = p_values[7, 2] = p_values[:, 4] = np.nan
    found = adjusted(p_values)
    for place in (0, 1, 2, 3, 5):
        known = ~np.isnan(p_values[:, place])
        expected = stats.false_discovery_control(p_values[known, place])
        assert found[known, place] == pytest.approx(expected)
        assert np.isnan(found[~known, place]).all()
    assert np.isnan(found[:, 4]).all()
