"""The assessment: the one verdict that every page, command, gauge and report shows."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.model.training_profile import Figure, QualityMetric
from service.monitoring.evidence.evidence import Evidence

Verdict = Literal["insufficient", "stable", "drifting"]
Aspect = Literal["values", "missing", "unknown_categories"]
AutomaticChange = Literal["promote", "rollback", "stop"]
Status = Literal["ok", "alarm", "insufficient", "not measured"]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )


class WindowDrift(_Part):
    """One column in one window."""

    start_utc: datetime
    end_utc: datetime
    rows: int
    """Rows of the window that the comparison used."""
    effect: float | None = Field(default=None, description="1: as large as counts; null without a figure.")
    p_value: float | None = None
    """Of the comparison with the training profile, adjusted for the number of columns."""
    deviates: bool = False
    """Whether it is significant and large enough."""
    is_seasonal: bool = False
    """Whether it deviates as the same hours of earlier weeks did, and counts as stable."""


class ColumnDrift(_Part):
    """What became of one column, in one aspect."""

    column: str
    """A feature; ``prediction`` for the predicted labels and ``confidence`` for their confidences, with
    ``is_output``."""
    is_output: bool = False
    aspect: Aspect = "values"
    verdict: Verdict
    """drifting: an alarm. Two of the last five windows deviate, the newest among them."""
    effect: float | None = None
    """Of the newest complete window. 1: as large as counts."""
    p_value: float | None = None
    effects: dict[str, float] = {}
    """The effect sizes by name: psi, wasserstein (in standard deviations), jensen_shannon, missing_rate,
    unknown_rate, ..."""
    text: str = ""
    """The direction and the largest bins, in words, if it deviates."""
    windows: tuple[WindowDrift, ...] = ()
    """The last ones, oldest first."""


class AssessedWindow(_Part):
    """A window of time: one or more whole hours, merged until they hold rows enough."""

    start_utc: datetime
    end_utc: datetime
    rows: int
    is_complete: bool
    deviating: tuple[str, ...] = ()
    """Names of the columns that deviate in it."""


class TwoSample(_Part):
    """The nightly classifier two-sample test: whether a classifier can tell training rows from received."""

    finished_utc: datetime
    since_utc: datetime
    training_rows: int
    received_rows: int
    auc: float | None = None
    """0.5: it cannot."""
    p_value: float | None = None
    verdict: Verdict
    columns: tuple[str, ...] = ()
    """The columns that it used most."""
    text: str = ""
    """What it found, in words."""


class LiveFigure(_Part):
    """A quality figure of labelled rows. Its interval is valid at every look: a confidence sequence."""

    metric: QualityMetric
    value: float | None = None
    """None below 30 labels."""
    low: float | None = None
    high: float | None = None
    held_out: Figure | None = None
    is_degraded: bool = False
    """Whether it is worse than held-out quality by a relevant amount, and its interval, at a stricter level,
    lies wholly on the worse side of the held-out one."""


class LabelCoverage(_Part):
    """How many predictions got a label."""

    predicted: str
    """The predicted class; empty for all."""
    rows: int
    labelled: int
    share: float


class Segment(_Part):
    """Rows with one category or range of a feature."""

    feature: str
    values: str
    labelled: int
    accuracy: float
    low: float
    high: float
    is_worse: bool = False
    """Whether its interval lies below that of all rows."""


class QualityWindow(_Part):
    """The accuracy of one window of predictions."""

    start_utc: datetime
    end_utc: datetime
    labelled: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    estimated_accuracy: float | None = None
    is_mature: bool
    """Whether its labels have had time to come."""
    is_degraded: bool = False


class Estimated(_Part):
    """Accuracy without labels: the mean of the calibrated confidences."""

    accuracy: float
    rows: int
    assumption: str


class LiveQuality(_Part):
    """Quality by outcomes that came back."""

    verdict: Verdict
    """drifting: two of the last five mature windows are degraded, the newest among them, or a day or week of
    them is together, or a figure is."""
    reasons: tuple[str, ...] = ()
    """One sentence for each reason why it is drifting."""
    labelled: int
    """Rows with a label, of mature windows."""
    since_utc: datetime | None = None
    until_utc: datetime | None = None
    label_delay_s: float | None = None
    """Seconds within which nearly all labels come: a window is mature so long after its end."""
    figures: tuple[LiveFigure, ...] = ()
    coverage: tuple[LabelCoverage, ...] = ()
    estimated: Estimated | None = None
    segments: tuple[Segment, ...] = ()
    """The worst ones."""
    windows: tuple[QualityWindow, ...] = ()
    caveat: str = ""
    """Why the figures may be biased."""


class Decisions(_Part):
    """What persons decided, and who was right where the truth is known."""

    decided: int = 0
    overridden: int = 0
    override_rate: float | None = None
    low: float | None = None
    high: float | None = None
    overridden_with_truth: int = 0
    model_right: int = 0
    reviewer_right: int = 0
    neither_right: int = 0


class FeedbackState(_Part):
    """Outcomes of the log."""

    outcomes: int = 0
    matched: int = 0
    waiting: int = 0
    """Their prediction is not in the log (yet)."""
    ambiguous: int = 0
    """Their request id was used for more than one prediction; they are left out."""
    out_of_range: int = 0
    """They name a row that the prediction does not have."""
    not_a_class: int = 0
    """Their label is none of the model's classes."""
    not_measured: int = 0
    """Their prediction is of a model that is not measured, was redacted, or cannot be read."""
    dropped: int = 0
    """They waited for their prediction and were dropped, because too many did."""


class Assessment(_Part):
    """The state of a model, as far as the log shows it."""

    assessed_utc: datetime
    model_tag: str
    model_name: str
    model_version: str
    model_id: str
    status: Status
    """alarm: any verdict is drifting."""
    reason: str = ""
    """Why it is not measured or insufficient, in a sentence."""
    alarms: tuple[str, ...] = ()
    """One sentence for each alarm."""
    read_upto_id: int
    """The last id of the log that was read."""
    newest_window_end_utc: datetime | None = None
    """The end of the newest complete window."""
    reference_rows: int | None = None
    window_s: int = 3_600
    """Seconds of the shortest window."""
    window_rows: int = 500
    """Rows that a window holds at least."""
    label_hours: float | None = None
    """Hours until nearly all labels have come, as set; null: they are measured."""
    windows: tuple[AssessedWindow, ...] = ()
    """The last ones, oldest first; an incomplete one is last."""
    drift: tuple[ColumnDrift, ...] = ()
    two_sample: TwoSample | None = None
    quality: LiveQuality | None = None
    decisions: Decisions = Decisions()
    feedback: FeedbackState = FeedbackState()
    evidence: Evidence | None = None
    """Of the release in force, if there is one: how its challenger compares with its champion."""
    automatic_change: AutomaticChange | None = None
    """What the service did without a person to bring that release into force; null: a person did."""
