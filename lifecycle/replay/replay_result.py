"""What a replay with another model found: the one statement that text, JSON, page, MLflow and gate use.

"Compared" is the other side: the recorded answers, or another model's if one is named. Differences are
oriented: positive is better for the candidate.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from service.model.contract import Value
from service.model.release.release import Policy
from service.monitoring.evidence.evidence import Difference, Discordance, Guardrail

Verdict = Literal["passed", "objection", "undecided"]
"""passed: the policy would promote it. undecided: nothing speaks against it, but too few labels have come to
say more."""


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )


class ComparedModel(_Part):
    """A model whose answers the candidate is compared with."""

    tag: str
    model_id: str = ""
    """Of its card; empty for a model that was named."""
    records: int = 0
    differences: tuple[str, ...] = ()
    """What keeps the candidate from taking over its requests, a sentence each. None are known if the store
    does not have its contract."""
    is_contract_known: bool = True


class ReplayedRecords(_Part):
    """What became of the answered records."""

    records: int = 0
    replayed: int = 0
    broken: int = 0
    """The candidate's contract refuses them, or the candidate fails on them."""
    redacted: int = 0
    unreadable: int = 0
    """Recorded in a way that this version cannot read."""
    first_received_utc: AwareDatetime | None = None
    last_received_utc: AwareDatetime | None = None


class BrokenRule(_Part):
    """A rule of the candidate's contract that recorded requests break."""

    feature: str
    message: str
    records: int
    request_ids: tuple[str, ...] = ()
    """Examples."""


class ClassPair(_Part):
    """Rows that got one label, and would get another."""

    compared: str
    candidate: str
    rows: int


class DifferingRow(_Part):
    """An example of a row with different labels."""

    request_id: str
    row: int
    received_utc: AwareDatetime
    features: dict[str, Value]
    """A date is its days since 1970-01-01; the values of withheld features are left out."""
    compared: str
    candidate: str
    compared_confidence: float | None = None
    """None if the answer has no probabilities."""
    candidate_confidence: float
    truth: str | None = None


class Disagreements(_Part):
    """How often the labels differ."""

    rows: int = 0
    differing: int = 0
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: tuple[ClassPair, ...] = ()
    """The most frequent ones first."""
    examples: tuple[DifferingRow, ...] = ()


class ReplayedSegment(_Part):
    """The rows with one category, or in one tenth of the training table's numbers."""

    feature: str
    values: str
    rows: int
    differing: int
    labelled: int = 0
    compared_accuracy: float | None = None
    candidate_accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    """The interval of the candidate's accuracy; all segments' intervals hold together."""


class CalibrationBin(_Part):
    """The labelled rows with a confidence between two bounds."""

    rows: int
    confidence: float
    """Their mean."""
    accuracy: float
    low: float
    high: float


class Calibration(_Part):
    """The candidate's confidence beside its accuracy."""

    error: float
    low: float
    high: float
    bins: tuple[CalibrationBin, ...] = ()


class MatchedOutcomes(_Part):
    """What became of the true labels of replayed rows."""

    labelled: int = 0
    """Rows whose truth is known, by the newest outcome."""
    judged: int = 0
    """Those that the figures are of: the newest ones, if there are more than memory may hold."""
    ambiguous: int = 0
    """With a request id that has several predictions."""
    out_of_range: int = 0
    """Of a row that is not there."""
    not_a_class: int = 0
    """Labels that are no class of the candidate."""


class ModelSpeed(_Part):
    """How long one model takes for rows of this log, in one process with one thread, without HTTP."""

    tag: str
    runtime: str
    rows_per_second: float
    microseconds_a_row: float
    """In calls of many rows."""
    single_row_microseconds: float
    """In calls of one row, the median."""


class ReplayResult(_Part):
    """What a replay found."""

    replayed_utc: AwareDatetime
    log: str
    """The name of its file."""
    upto_id: int
    """The last record that the log had: what came later is not in here."""
    candidate: str
    """Its tag."""
    candidate_version: str
    """In MLflow's registry."""
    compared: tuple[ComparedModel, ...]
    is_against_model: bool = False
    """Whether another model's answers are compared, not the recorded ones."""
    policy: Policy
    max_disagreement: float | None = None
    max_broken: float = 0.0
    records: ReplayedRecords
    broken: tuple[BrokenRule, ...] = ()
    disagreements: Disagreements
    outcomes: MatchedOutcomes
    differences: tuple[Difference, ...] = ()
    """Of accuracy, Brier score and log loss; the policy's metric first."""
    discordance: Discordance | None = None
    guardrails: tuple[Guardrail, ...] = ()
    calibration: Calibration | None = None
    segments: tuple[ReplayedSegment, ...] = ()
    """Those in which the candidate is worst, or differs most, first."""
    speed: tuple[ModelSpeed, ...] = ()
    """The candidate's first."""
    seconds: float = 0.0
    """How long the replay took."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why, a sentence each."""
