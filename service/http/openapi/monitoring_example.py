"""An example of an assessment for the OpenAPI document: the first feature drifts, and accuracy has fallen."""

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from service.http.openapi.examples import MODEL_ID, VERSION
from service.model.contract import Contract
from service.model.label import label_text
from service.model.training_profile import Figure
from service.monitoring.assessment import (
    AssessedWindow,
    Assessment,
    ColumnDrift,
    Decisions,
    FeedbackState,
    LabelCoverage,
    LiveFigure,
    LiveQuality,
    WindowDrift,
)

_BEGIN = datetime(2026, 7, 4, 8, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_ROWS = 2_614


def assessment(contract: Contract, model: str) -> dict[str, JsonValue]:
    """The answer of /monitoring for a model of this name."""
    feature = contract.features[0].name
    column = _column(feature)
    shown = Assessment(
        assessed_utc=_BEGIN + 2 * _HOUR + timedelta(minutes=1),
        model_tag=f"{model}:4vdr5axhtwswwax4",
        model_name=model,
        model_version=VERSION,
        model_id=MODEL_ID,
        status="alarm",
        alarms=(f"{feature} drifts: {column.text}",),
        read_upto_id=412_008,
        newest_window_end_utc=_BEGIN + 2 * _HOUR,
        reference_rows=150,
        windows=tuple(
            AssessedWindow(
                start_utc=window.start_utc,
                end_utc=window.end_utc,
                rows=window.rows,
                is_complete=True,
                deviating=(feature,),
            )
            for window in column.windows
        ),
        drift=(column,),
        quality=_quality(contract),
        decisions=Decisions(decided=120, overridden=9, override_rate=0.075, low=0.035, high=0.138),
        feedback=FeedbackState(outcomes=1_300, matched=1_250, waiting=50),
    )
    return shown.model_dump(mode="json")


def _column(feature: str) -> ColumnDrift:
    windows = tuple(
        WindowDrift(
            start_utc=_BEGIN + hour * _HOUR,
            end_utc=_BEGIN + (hour + 1) * _HOUR,
            rows=_ROWS,
            effect=4.1,
            p_value=1e-12,
            deviates=True,
        )
        for hour in range(2)
    )
    return ColumnDrift(
        column=feature,
        verdict="drifting",
        effect=4.1,
        p_value=1e-12,
        effects={"psi": 0.41, "wasserstein": 0.9},
        text="median 1.3 -> 3.2, 61 % above all of training",
        windows=windows,
    )


def _quality(contract: Contract) -> LiveQuality:
    first = label_text(contract.target.classes[0])
    coverage = (
        LabelCoverage(predicted="", rows=2_000, labelled=1_220, share=0.61),
        LabelCoverage(predicted=first, rows=700, labelled=448, share=0.64),
    )
    held_out = Figure(value=0.953, low=0.93, high=0.972)
    accuracy = LiveFigure(
        metric="accuracy", value=0.89, low=0.868, high=0.912, held_out=held_out, is_degraded=True
    )
    return LiveQuality(
        verdict="drifting",
        labelled=1_220,
        since_utc=_BEGIN - 48 * _HOUR,
        until_utc=_BEGIN,
        label_delay_s=86_400,
        figures=(accuracy,),
        coverage=coverage,
    )
