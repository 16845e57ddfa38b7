"""Outcomes of the records that the tests of the audit log write."""

from datetime import timedelta
from typing import Any

from service.audit.file.outcome_row import OutcomeRow
from service.audit.outcome.outcome_batch import Accepted, Origin, State, outcome_record
from service.audit.write.record import AuditRecord
from service.model.label import Label, label_text, label_type
from service.model.model_id import ModelIdentity
from tests.support.audit.logs import NINE

IRIS = ModelIdentity("iris_logistic_regression", "3", "")


def outcome_of(
    request_id: str,
    label: Label = "setosa",
    *,
    row: int = 0,
    state: State = "matched",
    subject: str | None = None,
    minutes: float = 60,
    model_id: str = "",
    **members: Any,
) -> AuditRecord:
    """The record of an outcome of this request, that came so many minutes after nine."""
    members.setdefault("kind", "truth")
    outcome = OutcomeRow(request_id, row, label=label_text(label), label_type=label_type(label), **members)
    origin = Origin(NINE + timedelta(minutes=minutes), "http", IRIS._replace(model_id=model_id), "192.0.2.7")
    return outcome_record(Accepted(outcome, state, subject), origin)


def decision_on(request_id: str, label: Label = "setosa", **members: Any) -> AuditRecord:
    """The record of a decision of a person on this request."""
    return outcome_of(request_id, label, kind="decision", reviewer="Grace", **members)
