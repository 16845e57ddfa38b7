"""Sorts outcomes by what the log has of their predictions, and makes the records of those that are new.

An outcome is matched if the log has one prediction with its request id, and ambiguous if it has several. It
waits if there is none: the prediction may be in the log of another replica, or in a backup. Each of these is
recorded. An outcome that is the same as the newest of its row and kind is not: it was sent before.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from service.audit.columns import OUTCOME
from service.audit.file.outcome_row import OutcomeRow, outcome_json
from service.audit.outcome.sent_outcome import MAX_FINDINGS, LabelRule, OutcomeCheck
from service.audit.query.outcome_lookup import FoundPrediction, OutcomeKey
from service.audit.write.record import AuditRecord
from service.errors.problem import ProblemFinding
from service.model.model_id import ModelIdentity
from service.routes import FEEDBACK

MAX_OUTCOMES = 10_000
"""Outcomes in one request."""
CHUNK_OUTCOMES = 200
"""Outcomes that are looked up and committed at once: some milliseconds of the event loop."""
MAX_LISTED_IDS = 100
"""Ambiguous request ids that an answer lists."""

State = Literal["matched", "waiting", "ambiguous"]
STATES = ("matched", "waiting", "ambiguous", "repeated", "refused")


class FeedbackAnswer(BaseModel):
    """What became of the outcomes of a request."""

    model_config = ConfigDict(frozen=True)

    request_id: str
    outcomes: int = Field(description="Outcomes in the request: all that are counted below.")
    matched: int = Field(description="Recorded, and the log has the prediction.")
    waiting: int = Field(description="Recorded; the log has no prediction with this request id yet.")
    ambiguous: int = Field(
        description="Recorded; the log has several predictions with this request id. No figure counts them."
    )
    repeated: int = Field(
        description="Not recorded again: the newest outcome of this row and kind is the same."
    )
    refused: int = Field(description="Not recorded; see `errors`.")
    ambiguous_request_ids: list[str] = Field(
        description=f"The first {MAX_LISTED_IDS} request ids of ambiguous outcomes."
    )
    errors: list[ProblemFinding] = Field(
        description="Why outcomes are refused, with the index of each in the request: the first "
        f"{MAX_FINDINGS}."
    )


class Pending(NamedTuple):
    """A valid outcome that is not recorded yet."""

    place: int | None
    """Its index in the request; None if it is alone."""
    outcome: OutcomeRow

    @property
    def key(self) -> OutcomeKey:
        """What it is about."""
        return self.outcome[:3]


class Accepted(NamedTuple):
    """An outcome that is to be recorded."""

    outcome: OutcomeRow
    state: State
    subject: str | None
    """The person of its prediction."""


class Origin(NamedTuple):
    """What the records of the outcomes of one request, or of one file, have in common."""

    received_utc: datetime
    transport: str
    model: ModelIdentity
    """The model whose contract allows the labels."""
    client: str | None = None
    key_name: str | None = None


class OutcomeBatch:
    """The outcomes of one request or of one file, and what became of them."""

    def __init__(self, rule: LabelRule) -> None:
        self.check = OutcomeCheck(rule)
        """Which outcomes are refused."""
        self._pending: dict[OutcomeKey, Pending] = {}
        self._counts: Counter[str] = Counter()
        self.ambiguous: dict[str, None] = {}
        """The first request ids of ambiguous outcomes."""

    @property
    def counts(self) -> dict[str, int]:
        """The number of outcomes in each state, in the order of ``STATES``."""
        return {state: self._counts[state] for state in STATES[:-1]} | {"refused": self.check.refused}

    def add(self, value: object, place: int | None) -> None:
        """Check an outcome and keep it; one of the same row and kind before it then counts as repeated."""
        outcome = self.check.check(value, place)
        if outcome is None:
            return
        pending = Pending(place, outcome)
        if self._pending.pop(pending.key, None) is not None:
            self._counts["repeated"] += 1
        self._pending[pending.key] = pending

    def take(self) -> list[Pending]:
        """The outcomes that were kept, in their order, which are then no longer kept."""
        pending, self._pending = self._pending, {}
        return [*pending.values()]

    def sort_out(self, pending: Sequence[Pending], found: Sequence[FoundPrediction]) -> list[Accepted]:
        """Those that are to be recorded. ``found`` is what the log has of each, in the same order."""
        accepted = []
        for each, known in zip(pending, found, strict=True):
            if known.is_redacted:
                self.check.refuse(each.place, "request_id", "its prediction was redacted")
            elif known.predictions == 1 and each.outcome.row >= known.rows:
                rows = "1 row" if known.rows == 1 else f"{known.rows} rows"
                self.check.refuse(each.place, "row", f"the prediction has {rows}")
            elif known.newest_json is not None and known.newest_json.encode() == outcome_json(each.outcome):
                self._counts["repeated"] += 1
            else:
                state = _state(known)
                if state == "ambiguous" and len(self.ambiguous) < MAX_LISTED_IDS:
                    self.ambiguous[each.outcome.request_id] = None
                accepted.append(Accepted(each.outcome, state, known.subject))
        return accepted

    def recorded(self, accepted: Sequence[Accepted]) -> None:
        """Count outcomes that are in the log now."""
        self._counts.update(each.state for each in accepted)

    def answer(self, request_id: str) -> FeedbackAnswer:
        """The counts and the findings."""
        counts = self.counts
        findings = [ProblemFinding(loc=[*found.loc], msg=found.msg) for found in self.check.findings]
        return FeedbackAnswer(
            request_id=request_id,
            outcomes=sum(counts.values()),
            **counts,
            ambiguous_request_ids=[*self.ambiguous],
            errors=findings,
        )


def _state(known: FoundPrediction) -> State:
    return "matched" if known.predictions == 1 else "ambiguous" if known.predictions else "waiting"


def outcome_record(accepted: Accepted, origin: Origin, duration_ms: float = 0.0) -> AuditRecord:
    """The record of an outcome."""
    return AuditRecord(
        request_id=accepted.outcome.request_id,
        received_utc=origin.received_utc,
        transport=origin.transport,
        route=FEEDBACK,
        status=int(OUTCOME),
        duration_ms=duration_ms,
        client=origin.client,
        model_name=origin.model.model_name,
        model_version=origin.model.model_version,
        rows=1,
        request=outcome_json(accepted.outcome),
        response=to_json({"state": accepted.state}),
        key_name=origin.key_name,
        model_id=origin.model.model_id,
        subject=accepted.subject,
    )
