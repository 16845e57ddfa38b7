"""The one function that judges: from the state of a model to its assessment."""

from datetime import UTC, datetime

from service.monitoring.assessment import (
    AssessedWindow,
    Assessment,
    ColumnDrift,
    LiveQuality,
    Status,
    TwoSample,
)
from service.monitoring.drift import assess_drift
from service.monitoring.layout import Layout
from service.monitoring.model_state import ModelState, Period, WindowOptions
from service.monitoring.quality.live_quality import assess_quality
from service.monitoring.quality.override_rate import assess_decisions
from service.monitoring.spans import Window
from service.monitoring.windows import merge_slots

SHOWN_WINDOWS = 200
"""Windows that an assessment lists."""
ALL_TIME = Period()


def assess(state: ModelState, options: WindowOptions, now: datetime, period: Period = ALL_TIME) -> Assessment:
    """The assessment of a model at a time, of all that was read or of a period."""
    if state.profile is None:
        return _without_windows(state, now, "not measured", state.why_unmeasured)
    layout = Layout(state.profile)
    slots = [slot for slot in state.slots if _is_within(slot.start_s, period)]
    windows = merge_slots(
        slots,
        slot_s=options.slot_s,
        min_rows=options.min_rows,
        now_s=int(now.timestamp()),
        rows_at=layout.rows,
    )
    drift = assess_drift(layout, state.model.classes, windows)
    quality = assess_quality(
        layout,
        state.model.classes,
        windows,
        state.labelled,
        now_s=now.timestamp(),
        label_delay_s=None if options.label_hours is None else options.label_hours * 3600,
    )
    alarms = _alarms(drift, quality, state.two_sample)
    complete = [window for window in windows if window.is_complete]
    status: Status = "alarm" if alarms else "ok" if complete else "insufficient"
    reason = "" if complete else _why_insufficient(windows, layout, options)
    return _without_windows(state, now, status, reason).model_copy(
        update={
            "alarms": alarms,
            "newest_window_end_utc": _utc(complete[-1].end_s) if complete else None,
            "reference_rows": state.profile.rows,
            "window_s": options.slot_s,
            "window_rows": options.min_rows,
            "label_hours": options.label_hours,
            "windows": _assessed(windows, layout, drift),
            "drift": drift,
            "two_sample": state.two_sample,
            "quality": quality,
        }
    )


def _without_windows(state: ModelState, now: datetime, status: Status, reason: str) -> Assessment:
    model = state.model
    return Assessment(
        assessed_utc=now,
        model_tag=model.tag,
        model_name=model.name,
        model_version=model.version,
        model_id=model.model_id,
        status=status,
        reason=reason,
        read_upto_id=state.read_upto_id,
        decisions=assess_decisions(state.decided),
        feedback=state.feedback,
    )


def _alarms(
    drift: tuple[ColumnDrift, ...], quality: LiveQuality, two_sample: TwoSample | None
) -> tuple[str, ...]:
    found = [column.text or column.column for column in drift if column.verdict == "drifting"]
    found += quality.reasons
    if two_sample is not None and two_sample.verdict == "drifting":
        found.append(two_sample.text)
    return tuple(found)


def _why_insufficient(windows: list[Window], layout: Layout, options: WindowOptions) -> str:
    rows = int(windows[-1].counts[layout.rows]) if windows else 0
    return (
        f"No window is complete: the first one has {rows:,} rows, and needs {options.min_rows:,} and "
        f"{options.slot_s:,} s."
    )


def _assessed(
    windows: list[Window], layout: Layout, drift: tuple[ColumnDrift, ...]
) -> tuple[AssessedWindow, ...]:
    deviating: dict[datetime, list[str]] = {}
    for column in drift:
        for window in column.windows:
            names = deviating.setdefault(window.start_utc, [])
            if window.deviates and column.column not in names:
                names.append(column.column)
    return tuple(
        AssessedWindow(
            start_utc=_utc(window.start_s),
            end_utc=_utc(window.end_s),
            rows=int(window.counts[layout.rows]),
            is_complete=window.is_complete,
            deviating=tuple(deviating.get(_utc(window.start_s), ())),
        )
        for window in windows[-SHOWN_WINDOWS:]
    )


def _is_within(start_s: int, period: Period) -> bool:
    start = _utc(start_s)
    return (period.since is None or start >= period.since) and (period.until is None or start < period.until)


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
