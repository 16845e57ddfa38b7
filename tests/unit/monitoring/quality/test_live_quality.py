from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.monitoring.assessment import LiveQuality
from service.monitoring.layout import Layout
from service.monitoring.quality.live_quality import assess_quality
from service.monitoring.spans import LabelledRows, Window
from tests.support.quality_rows import (
    CLASSES,
    HOUR_S,
    START_S,
    MadeHours,
    made_hours,
    made_profile,
    selected_rows,
)

LAYOUT = Layout(made_profile())
NO_ROWS = selected_rows(made_hours(np.random.default_rng(0), LAYOUT, 1).rows, slice(0))


def assess(hours: MadeHours, *, after_s: float = HOUR_S, label_delay_s: float | None = 600) -> LiveQuality:
    """The live quality so long after the end of the last hour."""
    now_s = hours.windows[-1].end_s + after_s
    return assess_quality(
        LAYOUT, CLASSES, hours.windows, hours.rows, now_s=now_s, label_delay_s=label_delay_s
    )


def rng() -> np.random.Generator:
    return np.random.default_rng(15)


def test_a_model_that_is_as_good_as_it_was_is_stable() -> None:
    quality = assess(made_hours(rng(), LAYOUT, 24))
    assert (quality.verdict, quality.reasons, quality.caveat) == ("stable", (), "")
    assert quality.labelled == 24 * 500
    assert quality.since_utc == datetime.fromtimestamp(START_S, UTC)
    assert quality.until_utc == datetime.fromtimestamp(START_S + 24 * HOUR_S, UTC)
    for figure in quality.figures:
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
        assert figure.held_out == LAYOUT.profile.quality[figure.metric]
    accuracy = quality.figures[0]
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low < 0.9 < accuracy.high
    assert [part.share for part in quality.coverage] == [1.0, 1.0, 1.0]


def test_concept_drift_is_an_alarm_in_the_second_window_and_the_estimate_does_not_see_it() -> None:
    hours = made_hours(rng(), LAYOUT, 12, flipped_from=10, flip=0.3)
    quality = assess(hours)
    assert quality.verdict == "drifting"
    assert [window.is_degraded for window in quality.windows] == [False] * 10 + [True] * 2
    assert quality.reasons[0].startswith("accuracy of the window from ")
    assert "2 of the last 5 windows with labels are degraded" in quality.reasons[0]
    assert [window.estimated_accuracy for window in quality.windows] == [pytest.approx(0.85)] * 12
    first = assess(MadeHours(hours.windows[:11], hours.rows))
    assert first.verdict == "stable"


def test_a_loss_that_no_window_shows_is_an_alarm_by_the_figures() -> None:
    hours = made_hours(rng(), LAYOUT, 600, predictions=40, flipped_from=0, flip=0.15)
    quality = assess(hours)
    assert sum(window.is_degraded for window in quality.windows[-5:]) < 2
    degraded = {figure.metric for figure in quality.figures if figure.is_degraded}
    assert {"accuracy", "f1_macro", "log_loss", "brier"} <= degraded
    assert quality.verdict == "drifting"
    assert any(reason.startswith("accuracy of all mature labels is 0.7") for reason in quality.reasons)


def test_a_loss_that_begins_late_and_that_no_window_shows_is_an_alarm_of_a_week() -> None:
    hours = made_hours(rng(), LAYOUT, 500, predictions=60, flipped_from=300, flip=0.08)
    quality = assess(hours)
    assert not any(figure.is_degraded for figure in quality.figures)
    assert quality.verdict == "drifting"
    (reason,) = quality.reasons
    assert reason.startswith("accuracy of the last 168 windows with labels together is 0.8")
    assert reason.endswith(f"over {168 * 60} labels.")


def test_labels_that_have_not_had_time_to_come_are_left_out() -> None:
    quality = assess(made_hours(rng(), LAYOUT, 10, labelled=lambda p: np.full(len(p), 0.5)),
                     after_s=60, label_delay_s=3 * HOUR_S)  # fmt: skip
    assert [window.is_mature for window in quality.windows] == [True] * 7 + [False] * 3
    assert quality.until_utc == datetime.fromtimestamp(START_S + 7 * HOUR_S, UTC)
    assert quality.labelled == sum(window.labelled for window in quality.windows[:7])
    assert quality.estimated is not None
    assert quality.estimated.rows == 1_500
    assert quality.estimated.accuracy == pytest.approx(0.85)
    assert "without labels" in quality.estimated.assumption


def test_a_window_whose_labels_have_all_come_is_mature_however_long_others_take() -> None:
    hours = made_hours(rng(), LAYOUT, 3)
    quality = assess(hours, after_s=0, label_delay_s=365 * 24 * HOUR_S)
    assert quality.labelled == 1_500
    partial = MadeHours(hours.windows, selected_rows(hours.rows, slice(None, None, 2)))
    assert assess(partial, after_s=0, label_delay_s=365 * 24 * HOUR_S).labelled == 0


def test_the_delay_is_measured_if_it_is_not_set() -> None:
    hours = made_hours(rng(), LAYOUT, 24, labelled=lambda p: np.full(len(p), 0.5), delay_s=1_800)
    quality = assess(hours, label_delay_s=None)
    assert quality.label_delay_s == pytest.approx(1_800 * np.log(20), rel=0.05)
    assert [window.is_mature for window in quality.windows] == [True] * 23 + [False]


def test_labels_of_one_predicted_class_alone_are_a_caveat() -> None:
    quality = assess(made_hours(rng(), LAYOUT, 5, labelled=lambda p: np.where(p == 1, 0.9, 0.0)))
    assert "of yes and 0 % of those of no" in quality.caveat
    assert [part.labelled for part in quality.coverage] == [quality.labelled, 0, quality.labelled]


def test_the_order_in_which_labels_came_changes_nothing() -> None:
    hours = made_hours(rng(), LAYOUT, 5)
    order = rng().permutation(len(hours.rows.truth))
    shuffled = MadeHours(hours.windows, selected_rows(hours.rows, order))
    assert assess(shuffled) == assess(hours)


@pytest.mark.parametrize("hours", [0, 3])
def test_without_labels_there_is_an_estimate_and_no_figure(hours: int) -> None:
    windows = made_hours(rng(), LAYOUT, hours).windows if hours else []
    quality = assess_quality(LAYOUT, CLASSES, windows, NO_ROWS, now_s=START_S, label_delay_s=None)
    assert (quality.verdict, quality.labelled, quality.label_delay_s) == ("insufficient", 0, None)
    assert {figure.value for figure in quality.figures} == {None}
    assert (quality.estimated is not None) == bool(hours)
    assert (quality.segments, quality.coverage, quality.caveat) == ((), (), "")


@settings(max_examples=30)
@given(st.integers(0, 80), st.data())
def test_any_rows_and_windows_give_a_document(rows: int, data: st.DataObject) -> None:
    numbers = arrays(np.float64, rows, elements=st.floats(width=32))
    times = arrays(np.float64, rows, elements=st.floats(START_S - 10, START_S + 5 * HOUR_S))
    places = arrays(np.intp, rows, elements=st.integers(-1, 3))
    labelled = LabelledRows(
        received_s=data.draw(times),
        delay_s=data.draw(numbers),
        predicted=data.draw(places),
        truth=data.draw(places),
        confidence=data.draw(numbers),
        truth_probability=data.draw(numbers),
        squares=data.draw(numbers),
        bins=data.draw(arrays(np.uint8, (rows, 2))),
    )
    counts = data.draw(arrays(np.int64, LAYOUT.size, elements=st.integers(0, 50)))
    windows = [
        Window(START_S + k * HOUR_S, START_S + (k + 1) * HOUR_S, data.draw(st.booleans()), counts)
        for k in range(data.draw(st.integers(0, 4)))
    ]
    quality = assess_quality(
        LAYOUT,
        CLASSES,
        windows,
        labelled,
        now_s=START_S + 9 * HOUR_S,
        label_delay_s=data.draw(st.none() | st.just(0.0)),
    )
    assert LiveQuality.model_validate_json(quality.model_dump_json()) == quality
