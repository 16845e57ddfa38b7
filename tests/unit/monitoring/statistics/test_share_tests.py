import numpy as np
import pytest
from scipy import stats

from service.monitoring.statistics.share_tests import differs, more_than

ONE = np.ones(1, dtype=np.int64)


@pytest.mark.parametrize(
    ("hits", "rows", "window_hits", "window_rows"),
    [(3, 150, 9, 60), (0, 150, 4, 500), (300, 10_000, 61, 1_000), (9_990, 10_000, 940, 1_000), (7, 10, 1, 9)],
)
def test_a_tail_is_that_of_fishers_exact_test(
    hits: int, rows: int, window_hits: int, window_rows: int
) -> None:
    table = [[window_hits, hits], [window_rows - window_hits, rows - hits]]
    more, less = (stats.fisher_exact(table, alternative=side).pvalue for side in ("greater", "less"))
    arguments = (hits * ONE, rows * ONE, window_hits * ONE, window_rows * ONE)
    assert more_than(*arguments) == pytest.approx(more, rel=1e-7)
    assert differs(*arguments) == pytest.approx(min(1, 2 * min(more, less)), rel=1e-7)


def test_the_tea_tasting_of_fisher_has_its_published_value() -> None:
    # R. A. Fisher, "The Design of Experiments", 1935: 3 of 4 cups are right with 17/70 by chance.
    assert more_than(1 * ONE, 4 * ONE, 3 * ONE, 4 * ONE) == pytest.approx(17 / 70)


def test_many_rows_are_near_the_exact_tail() -> None:
    arguments = (50_000 * ONE, 1_000_000 * ONE, 5_250 * ONE, 100_000 * ONE)
    exact = stats.hypergeom.sf(5_249, 1_100_000, 55_250, 100_000)
    assert more_than(*arguments) == pytest.approx(exact, rel=0.1)


def test_a_share_of_nothing_in_few_rows_says_little() -> None:
    # With no unknown category in 150 rows, ten in 1,000 are no surprise; in 10,000 rows they are.
    assert more_than(0 * ONE, 150 * ONE, 10 * ONE, 1_000 * ONE)[0] > 0.1
    assert more_than(0 * ONE, 10_000 * ONE, 10 * ONE, 1_000 * ONE)[0] < 1e-9


def test_no_hits_or_nothing_but_hits_tell_nothing() -> None:
    hits = np.array([0, 40])
    rows = np.array([40, 40])
    assert np.isnan(differs(hits, rows, hits, rows)).all()
