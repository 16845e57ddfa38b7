"""What is known of one model's traffic and outcomes: what an assessment is made from."""

from datetime import datetime
from typing import NamedTuple

from service.model.training_profile import TrainingProfile
from service.monitoring.assessment import FeedbackState, TwoSample
from service.monitoring.spans import DecidedRows, LabelledRows, Slot


class ModelIdentity(NamedTuple):
    """The names of a model, and of its classes."""

    tag: str
    name: str
    version: str
    model_id: str
    classes: tuple[str, ...]
    """The labels as texts, in the order of the probabilities; none if the model is not in the store."""


class ModelState(NamedTuple):
    """The counts and labelled rows of one model, as of one place in the log."""

    model: ModelIdentity
    profile: TrainingProfile | None
    why_unmeasured: str
    """A sentence, if there is no profile."""
    slots: tuple[Slot, ...]
    """In the order of time."""
    labelled: LabelledRows
    decided: DecidedRows
    feedback: FeedbackState
    two_sample: TwoSample | None
    read_upto_id: int


class WindowOptions(NamedTuple):
    """How windows are made."""

    slot_s: int = 3_600
    """Seconds of a slot, the shortest window."""
    min_rows: int = 500
    label_hours: float | None = None
    """Hours until nearly all labels have come; None: as measured."""


class Period(NamedTuple):
    """The time that an assessment is limited to; a slot counts if it begins within it."""

    since: datetime | None = None
    until: datetime | None = None
