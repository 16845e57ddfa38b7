"""Live quality: by the time of the prediction, over windows whose labels have had time to come."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from service.model.training_profile import TrainingProfile
from service.monitoring.assessment import LabelCoverage, LiveQuality, Verdict
from service.monitoring.layout import Layout
from service.monitoring.quality.estimated_accuracy import estimate_unlabelled
from service.monitoring.quality.label_coverage import caveat_of, coverage_of
from service.monitoring.quality.label_delay import label_delay
from service.monitoring.quality.lasting_loss import lasting_losses
from service.monitoring.quality.live_figures import degraded_sentences, live_figures
from service.monitoring.quality.live_segments import worst_segments
from service.monitoring.quality.quality_metrics import LEAST_LABELS, LabelledCohort, accuracy
from service.monitoring.quality.quality_windows import (
    RECENT,
    as_quality_windows,
    degraded_windows,
    is_alarm,
)
from service.monitoring.quality.share_sequence import ALPHA
from service.monitoring.quality.window_labels import (
    WindowLabels,
    in_order,
    labels_of_windows,
    mature_rows,
)
from service.monitoring.spans import LabelledRows, Window

SHOWN_WINDOWS = 60
"""The last ones, of which the assessment lists the accuracy. The verdicts use all."""


def assess_quality(
    layout: Layout,
    classes: Sequence[str],
    windows: Sequence[Window],
    rows: LabelledRows,
    *,
    now_s: float,
    label_delay_s: float | None,
) -> LiveQuality:
    """The live quality of a model.

    ``windows`` are all that are kept, oldest first; rows outside of them are left out. ``classes`` are the
    labels as texts, in class order. A ``label_delay_s`` of None is measured. Rows are taken by the time of
    their prediction; those of one time are to come in the order of their ids.
    """
    profile, rows = layout.profile, in_order(rows)
    if label_delay_s is None:
        label_delay_s = label_delay(rows.received_s, rows.delay_s, now_s)
    labels = labels_of_windows(layout, windows, rows, now_s, label_delay_s)
    rows = mature_rows(rows, labels)
    mature = [of_window.window for of_window in labels if of_window.is_mature]
    cohort = LabelledCohort(*rows[2:7], len(classes))
    figures = live_figures(cohort, profile.quality, profile.test_rows)
    degraded = degraded_windows(labels, _held_out_accuracy(profile), profile.test_rows)
    coverage = _coverage(layout, classes, mature, rows)
    reasons = (*_window_sentences(labels, degraded, profile), *degraded_sentences(figures))
    return LiveQuality(
        verdict=_verdict(len(rows.truth), reasons),
        reasons=reasons,
        labelled=len(rows.truth),
        since_utc=datetime.fromtimestamp(mature[0].start_s, UTC) if mature else None,
        until_utc=datetime.fromtimestamp(mature[-1].end_s, UTC) if mature else None,
        label_delay_s=label_delay_s,
        figures=figures,
        coverage=coverage,
        estimated=estimate_unlabelled(layout, labels),
        segments=worst_segments(profile.columns, rows.bins, cohort.is_right, accuracy(cohort, ALPHA)),
        windows=as_quality_windows(labels[-SHOWN_WINDOWS:], degraded[-SHOWN_WINDOWS:]),
        caveat=caveat_of(coverage),
    )


def _held_out_accuracy(profile: TrainingProfile) -> float:
    """0 if the profile has none: nothing is below it."""
    return profile.quality["accuracy"].value if "accuracy" in profile.quality else 0.0


def _coverage(
    layout: Layout, classes: Sequence[str], mature: Sequence[Window], rows: LabelledRows
) -> tuple[LabelCoverage, ...]:
    if not mature:
        return ()
    counts = np.sum([window.counts[layout.labels] for window in mature], axis=0)
    known = rows.predicted[(rows.predicted >= 0) & (rows.predicted < len(classes))]
    return coverage_of(counts, np.bincount(known, minlength=len(classes)), classes)


def _window_sentences(
    windows: Sequence[WindowLabels], degraded: Sequence[bool], profile: TrainingProfile
) -> Iterator[str]:
    judged = [pair for pair in zip(windows, degraded, strict=True) if pair[0].is_judged]
    recent = [is_degraded for _, is_degraded in judged[-RECENT:]]
    if is_alarm(recent):
        newest = judged[-1][0]
        start = datetime.fromtimestamp(newest.window.start_s, UTC)
        yield (
            f"accuracy of the window from {start:%Y-%m-%d %H:%M} UTC is {newest.right / newest.labelled:.3g} "
            f"over {newest.labelled} labels; {sum(recent)} of the last {len(recent)} windows with labels are "
            "degraded."
        )
    lasting = lasting_losses(windows, degraded, _held_out_accuracy(profile), profile.test_rows)
    if lasting and (span := lasting[-1]):
        together = [labels for labels, _ in judged[-span:]]
        rows = sum(labels.labelled for labels in together)
        share = sum(labels.right for labels in together) / rows
        yield f"accuracy of the last {span} windows with labels together is {share:.3g} over {rows} labels."


def _verdict(labelled: int, reasons: Sequence[str]) -> Verdict:
    if reasons:
        return "drifting"
    return "insufficient" if labelled < LEAST_LABELS else "stable"
