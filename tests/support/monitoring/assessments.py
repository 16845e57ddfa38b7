"""Assessments of the tests' own making: with something to say in each part, with nothing, and a long one."""

from datetime import UTC, datetime, timedelta
from functools import cache

from service.model.release.release import Release
from service.model.training_profile import Figure
from service.monitoring.assessment import (
    AssessedWindow,
    Assessment,
    ColumnDrift,
    Decisions,
    Estimated,
    FeedbackState,
    LabelCoverage,
    LiveFigure,
    LiveQuality,
    QualityWindow,
    Segment,
    TwoSample,
    Verdict,
    WindowDrift,
)
from service.monitoring.evidence.evidence import (
    Difference,
    Disagreement,
    Evidence,
    Guardrail,
    RoleTraffic,
)

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOSTILE = '<script>alert("1")</script>&\'"'
CAVEAT = "Only predictions that were acted on have labels, so the figures may be biased."


@cache
def windows(effects: tuple[float | None, ...], rows: int = 2_614) -> tuple[WindowDrift, ...]:
    return tuple(
        WindowDrift(
            start_utc=BEGIN + place * HOUR,
            end_utc=BEGIN + (place + 1) * HOUR,
            rows=rows if effect is not None else 212,
            effect=effect,
            p_value=None if effect is None else (1e-9 if effect >= 1 else 0.4),
            deviates=effect is not None and effect >= 1,
        )
        for place, effect in enumerate(effects)
    )


def column(
    name: str, over_time: list[float | None], verdict: Verdict = "stable", **other: object
) -> ColumnDrift:
    shown = windows(tuple(over_time))
    known = [window for window in shown if window.effect is not None]
    return ColumnDrift.model_validate(
        {
            "column": name,
            "verdict": verdict,
            "effect": known[-1].effect if known else None,
            "p_value": known[-1].p_value if known else None,
            "windows": shown,
            **other,
        }
    )


def drifting_columns() -> tuple[ColumnDrift, ...]:
    calm: list[float | None] = [0.1 + 0.05 * (place % 4) for place in range(24)]
    calm[7] = None
    risen = [*calm[:20], 1.6, 3.2, 3.9, 4.1]
    words = "petal_width: median 1.3 -> 3.2, 61 % above all of training"
    return (
        column("sepal_length", calm),
        column("sepal_width", calm),
        column("petal_length", [*calm[:23], 1.2], text="petal_length: median 4.3 -> 4.9"),
        column("petal_width", risen, "drifting", text=words, effects={"psi": 0.41, "wasserstein": 1.9}),
        column("petal_width", [0.0] * 24, aspect="missing", effects={"missing_rate": 0.0}),
        column("island", [None] * 24, "insufficient"),
        column("island", [0.2] * 24, aspect="unknown_categories", effects={"unknown_rate": 0.01}),
        column("prediction", risen, "drifting", is_output=True, text="prediction: virginica 33 % -> 58 %"),
        column("confidence", calm, is_output=True),
    )


def live_figures() -> tuple[LiveFigure, ...]:
    held_out = Figure(value=0.953, low=0.93, high=0.972)
    return (
        LiveFigure(metric="accuracy", value=0.89, low=0.868, high=0.912, held_out=held_out, is_degraded=True),
        LiveFigure(metric="f1_macro", value=0.88, low=0.851, high=0.909, held_out=held_out),
        LiveFigure(metric="log_loss", value=0.31, low=0.25, high=0.38),
        LiveFigure(metric="brier"),
    )


def quality_windows() -> tuple[QualityWindow, ...]:
    """Of accuracies that fall, and one window without labels enough."""
    fallen = [0.95, 0.96, 0.94, None, 0.95, 0.93, 0.91, 0.9, 0.88, 0.87]
    return tuple(
        QualityWindow(
            start_utc=BEGIN - (48 - place) * HOUR,
            end_utc=BEGIN - (47 - place) * HOUR,
            labelled=12 if accuracy is None else 120,
            accuracy=accuracy,
            low=None if accuracy is None else accuracy - 0.05,
            high=None if accuracy is None else min(1.0, accuracy + 0.04),
            estimated_accuracy=0.94,
            is_mature=place < 9,
            is_degraded=accuracy is not None and accuracy < 0.9,
        )
        for place, accuracy in enumerate(fallen)
    )


def quality() -> LiveQuality:
    return LiveQuality(
        verdict="drifting",
        labelled=1_220,
        since_utc=BEGIN - 48 * HOUR,
        until_utc=BEGIN,
        label_delay_s=86_400,
        figures=live_figures(),
        coverage=(
            LabelCoverage(predicted="", rows=2_000, labelled=1_220, share=0.61),
            LabelCoverage(predicted="setosa", rows=700, labelled=448, share=0.64),
            LabelCoverage(predicted="versicolor", rows=650, labelled=384, share=0.59),
            LabelCoverage(predicted="virginica", rows=650, labelled=388, share=0.6),
        ),
        estimated=Estimated(accuracy=0.93, rows=2_614, assumption="It assumes the calibration of training."),
        segments=(
            Segment(feature="island", values="Dream", labelled=88, accuracy=0.71, low=0.58, high=0.82),
            Segment(
                feature="petal_width", values="1.8 to 2.5", labelled=240, accuracy=0.78, low=0.71, high=0.84
            ),
        ),
        windows=quality_windows(),
        caveat=CAVEAT,
    )


def two_sample() -> TwoSample:
    return TwoSample(
        finished_utc=BEGIN + 19 * HOUR,
        since_utc=BEGIN - 5 * HOUR,
        training_rows=120,
        received_rows=5_000,
        auc=0.71,
        p_value=1e-6,
        verdict="drifting",
        columns=("petal_width", "petal_length"),
    )


def assessed_windows() -> tuple[AssessedWindow, ...]:
    return tuple(
        AssessedWindow(
            start_utc=BEGIN + place * HOUR,
            end_utc=BEGIN + (place + 1) * HOUR,
            rows=2_614 - 300 * (place % 3),
            is_complete=place < 24,
            deviating=("petal_width", "prediction") if place >= 20 else (),
        )
        for place in range(25)
    )


def decisions() -> Decisions:
    return Decisions(
        decided=120,
        overridden=9,
        override_rate=0.075,
        low=0.035,
        high=0.138,
        overridden_with_truth=6,
        model_right=2,
        reviewer_right=3,
        neither_right=1,
    )


def evidence() -> Evidence:
    """Of a challenger in shadow that is better."""
    release = Release(
        release_id="6" * 32,
        since_utc=BEGIN,
        champion="iris:4vdr5axhtwswwax4",
        challenger="iris:5kq2v3axhtwswwax",
        mode="shadow",
        changed_by="service",
    )
    return Evidence(
        assessed_utc=BEGIN + 24 * HOUR,
        release=release,
        read_upto_id=412_008,
        champion=RoleTraffic(requests=9_000, rows=9_100, mean_ms=2.1, mean_confidence=0.91),
        challenger=RoleTraffic(requests=8_800, rows=8_900, mean_ms=0.7, mean_confidence=0.93),
        differences=(
            Difference(
                metric="accuracy",
                champion=0.9,
                challenger=0.92,
                difference=0.02,
                low=0.004,
                high=0.036,
                labelled=1_830,
                is_paired=True,
            ),
        ),
        disagreement=Disagreement(rows=8_900, rate=0.06, low=0.05, high=0.07),
        guardrails=(Guardrail(name="failures", value=0.0, low=-0.001, high=0.001, limit=0.01, text="ok"),),
        action="promote",
        reasons=("The challenger is better.",),
    )


def alarming(model_id: str = "3f0c4e6a9b1d2758", **other: object) -> Assessment:
    """The assessment of a service with something to say in each part."""
    shown: dict[str, object] = {
        "assessed_utc": datetime.now(UTC),
        "model_tag": "iris_classifier:4vdr5axhtwswwax4",
        "model_name": "iris_classifier",
        "model_version": "3",
        "model_id": model_id,
        "status": "alarm",
        "alarms": (
            "petal_width: median 1.3 -> 3.2, 61 % above all of training",
            "prediction: virginica 33 % -> 58 %",
            "Accuracy is degraded: 0.890 [0.868, 0.912] against 0.953 held out",
        ),
        "read_upto_id": 0,
        "newest_window_end_utc": BEGIN + 24 * HOUR,
        "reference_rows": 150,
        "windows": assessed_windows(),
        "drift": drifting_columns(),
        "two_sample": two_sample(),
        "quality": quality(),
        "decisions": decisions(),
        "feedback": FeedbackState(outcomes=1_300, matched=1_250, waiting=40, ambiguous=7, not_a_class=3),
        "evidence": evidence(),
        "automatic_change": "rollback",
    }
    return Assessment.model_validate({**shown, **other})


def calm(model_id: str = "3f0c4e6a9b1d2758", **other: object) -> Assessment:
    """The assessment of a service without outcomes, in which all is stable."""
    stable = tuple(each for each in drifting_columns() if each.verdict == "stable")
    parts: dict[str, object] = {
        "status": "ok",
        "alarms": (),
        "drift": stable,
        "quality": None,
        "two_sample": None,
        "decisions": Decisions(),
        "feedback": FeedbackState(),
        "evidence": None,
        "automatic_change": None,
    }
    return alarming(model_id, **{**parts, **other})


def long(columns: int = 200, hours: int = 400) -> Assessment:
    """One of a wide table over weeks, with an alarm for every column, and names that are markup."""
    effects: list[float | None] = [0.37 + (place % 17) * 0.11 for place in range(hours)]
    names = [f"{HOSTILE} column number {number}" for number in range(columns)]
    words = "median 1,234.56 -> 4,321.09; 61 % above all of training; 48 % instead of 3 % in 10 to 12"
    drift = tuple(
        column(name, effects, "drifting", aspect=aspect, text=words)
        for name in names
        for aspect in ("values", "missing", "unknown_categories")
    )
    assessed = tuple(
        AssessedWindow(
            start_utc=BEGIN + place * HOUR,
            end_utc=BEGIN + (place + 1) * HOUR,
            rows=2_614,
            is_complete=True,
            deviating=tuple(names),
        )
        for place in range(hours)
    )
    alarms = tuple(f"{each.column} drifts: {words}" for each in drift)
    return alarming(drift=drift, windows=assessed, alarms=alarms)
