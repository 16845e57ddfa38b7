import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.monitoring.assessment import Decisions
from service.monitoring.quality.override_rate import assess_decisions
from service.monitoring.quality.share_sequence import share_interval
from service.monitoring.spans import DecidedRows


def decided(predicted: list[int], decided: list[int], truth: list[int]) -> Decisions:
    return assess_decisions(
        DecidedRows(*(np.array(part, dtype=np.intp) for part in (predicted, decided, truth)))
    )


def test_who_was_right_is_counted_where_the_truth_is_known() -> None:
    found = decided([0, 0, 0, 0, 1, 1] * 10, [1, 1, 1, 1, 1, 1] * 10, [0, 1, 2, -1, 1, -1] * 10)
    low, high = share_interval(40, 60)
    assert found == Decisions(
        decided=60,
        overridden=40,
        override_rate=40 / 60,
        low=float(low),
        high=float(high),
        overridden_with_truth=30,
        model_right=10,
        reviewer_right=10,
        neither_right=10,
    )


def test_few_decisions_have_counts_and_no_rate() -> None:
    found = decided([0] * 29, [1] * 29, [1] * 29)
    assert (found.decided, found.reviewer_right, found.override_rate, found.low) == (29, 29, None, None)


def test_no_decision_at_all_is_no_rate() -> None:
    assert decided([], [], []) == Decisions()


@given(st.integers(0, 60), st.data())
def test_every_overridden_row_with_a_truth_counts_once(rows: int, data: st.DataObject) -> None:
    places = arrays(np.intp, rows, elements=st.integers(-1, 3))
    found = assess_decisions(DecidedRows(data.draw(places), data.draw(places), data.draw(places)))
    assert found.overridden_with_truth == found.model_right + found.reviewer_right + found.neither_right
    assert found.overridden_with_truth <= found.overridden <= found.decided == rows
    if found.override_rate is not None:
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.override_rate <= found.high
        assert found.override_rate == pytest.approx(found.overridden / rows)
