"""When a watcher retrains, what it only tells, and what it waits for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle.watch.triggers import Situation, Triggers, drift_alarms, hindrance_of, reasons_of
from lifecycle.watch.watch_state import WatchState
from service.model.release.release import Release
from service.monitoring.assessment import Assessment, ColumnDrift, LiveQuality, Verdict

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def assessed(quality: Verdict, drift: Verdict = "stable", at: datetime = NOW) -> Assessment:
    return Assessment(
        assessed_utc=at,
        model_tag="rivers:1",
        model_name="rivers",
        model_version="1",
        model_id="",
        status="ok",
        read_upto_id=1,
        drift=(ColumnDrift(column="x", verdict=drift),),
        quality=LiveQuality(verdict=quality, labelled=100),
    )


def situation(**changes: Any) -> Situation:
    usual: dict[str, Any] = {
        "now": NOW, "state": WatchState(), "new_labels": 0, "last_id": 0, "assessment": None, "in_force": None
    }  # fmt: skip
    return Situation(**{**usual, **changes})


def release(**changes: Any) -> Release:
    return Release(
        **{"release_id": "a" * 32, "since_utc": NOW, "champion": "rivers:1", "challenger": "rivers:2",
           "mode": "shadow", **changes}
    )  # fmt: skip


@pytest.mark.parametrize(("labels", "reasons"), [(499, 0), (500, 1)])
def test_so_many_new_labels_are_a_reason(labels: int, reasons: int) -> None:
    assert len(reasons_of(Triggers(new_labels=500), situation(new_labels=labels))) == reasons


def test_a_schedule_counts_from_the_last_retraining_or_from_the_first_watching() -> None:
    daily = Triggers(every_s=86_400)
    began = WatchState(since_utc=NOW - 25 * HOUR)
    assert reasons_of(daily, situation(state=began)) == ["1.04d have passed since the last retraining"]
    retrained = began.model_copy(update={"retrained_utc": NOW - 23 * HOUR})
    assert reasons_of(daily, situation(state=retrained)) == []


def test_only_a_confirmed_loss_after_the_last_retraining_is_a_reason() -> None:
    on_loss = Triggers(on_loss=True)
    lost = assessed("drifting")
    assert len(reasons_of(on_loss, situation(assessment=lost))) == 1
    assert reasons_of(on_loss, situation(assessment=assessed("stable"))) == []
    assert reasons_of(Triggers(new_labels=1), situation(assessment=lost)) == []
    later = WatchState(retrained_utc=NOW + HOUR)
    assert reasons_of(on_loss, situation(assessment=lost, state=later)) == []


def test_input_drift_alone_is_told_and_no_reason() -> None:
    drifting = assessed("stable", "drifting")
    everything = Triggers(new_labels=1, every_s=1, on_loss=True)
    assert reasons_of(everything, situation(assessment=drifting)) == []
    assert drift_alarms(drifting) == ("x",)


def test_a_cool_down_counts_from_the_beginning_of_the_last_retraining() -> None:
    triggers = Triggers(cool_down_s=3_600)
    begun = WatchState(begun_utc=NOW - HOUR / 2)
    hindrance = hindrance_of(triggers, situation(state=begun))
    assert hindrance == "Cool-down until 2026-11-28 12:30:00 UTC."
    assert hindrance_of(triggers, situation(state=WatchState(begun_utc=NOW - HOUR))) is None


def test_a_challenger_that_is_being_compared_is_waited_for_and_a_fallback_is_not() -> None:
    compared = hindrance_of(Triggers(), situation(in_force=release()))
    assert compared == "rivers:2 is being compared in mode shadow: one challenger at a time."
    assert hindrance_of(Triggers(), situation(in_force=release(is_fallback=True))) is None
    assert hindrance_of(Triggers(), situation(in_force=release(challenger=None, mode="single"))) is None


def test_after_failures_the_next_try_is_waited_for() -> None:
    failed = WatchState(failures=2, retry_utc=NOW + HOUR)
    assert hindrance_of(Triggers(), situation(state=failed)) is not None
    assert hindrance_of(Triggers(), situation(state=failed, now=NOW + HOUR)) is None


def test_the_triggers_are_stated_in_a_sentence() -> None:
    text = str(Triggers(new_labels=500, every_s=7 * 86_400, on_loss=True, cool_down_s=20))
    assert text == (
        "Triggers: 500 new labels; or every 7d; or a confirmed loss of live quality. Cool-down: 20s. Input "
        "drift is only told."
    )
