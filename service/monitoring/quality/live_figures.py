"""The figures of all mature labels, and whether one of them is degraded."""

from collections.abc import Mapping, Sequence

from scipy.special import ndtri

from service.model.training_profile import Figure, QualityMetric
from service.monitoring.assessment import LiveFigure
from service.monitoring.quality.quality_metrics import METRICS, LabelledCohort, Metric
from service.monitoring.quality.quality_windows import REFERENCE_ALPHA, held_out_bound
from service.monitoring.quality.share_sequence import ALPHA

ALARM_ALPHA = 0.001
"""The level of the intervals by which a figure is degraded. Those that are shown are at ALPHA: an alarm that
is wrong for one model in twenty is not believed."""

_WIDER = float(ndtri(1 - REFERENCE_ALPHA) / ndtri(1 - ALPHA / 2))
"""The factor from the held-out interval, of 95 %, to one that is wrong on the worse side as rarely."""


def live_figures(
    cohort: LabelledCohort, held_out: Mapping[QualityMetric, Figure], held_out_rows: int
) -> tuple[LiveFigure, ...]:
    """Every figure, also those without a value."""
    return tuple(_figure(metric, cohort, held_out.get(metric.name), held_out_rows) for metric in METRICS)


def _figure(metric: Metric, cohort: LabelledCohort, held_out: Figure | None, rows: int) -> LiveFigure:
    shown = metric.measure(cohort, ALPHA)
    if shown is None:
        return LiveFigure(metric=metric.name, held_out=held_out)
    return LiveFigure(
        metric=metric.name,
        value=shown.value,
        low=shown.low,
        high=shown.high,
        held_out=held_out,
        is_degraded=held_out is not None and _is_degraded(metric, cohort, held_out, rows),
    )


def _is_degraded(metric: Metric, cohort: LabelledCohort, held_out: Figure, rows: int) -> bool:
    found = metric.measure(cohort, ALARM_ALPHA)
    if found is None:
        return False
    if metric.is_loss:
        bound = held_out.value + _WIDER * (held_out.high - held_out.value)
        return found.low > bound and found.value >= held_out.value + metric.least_change
    bound = held_out.value - _WIDER * (held_out.value - held_out.low)
    if metric.name == "accuracy":
        bound = min(bound, held_out_bound(held_out.value, rows))
    return found.high < bound and found.value <= held_out.value - metric.least_change


def degraded_sentences(figures: Sequence[LiveFigure]) -> list[str]:
    """One sentence for each degraded figure."""
    return [
        f"{figure.metric} of all mature labels is {figure.value:.3g} (95 % interval {figure.low:.3g} to "
        f"{figure.high:.3g}); it was {figure.held_out.value:.3g} on held-out rows."
        for figure in figures
        if figure.is_degraded and figure.held_out is not None
    ]
