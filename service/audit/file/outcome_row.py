"""The outcome of a prediction's row as its record has it: what was true, or what a person decided.

The body of the record is the outcome as JSON, always written in the same way. So a body and the row of table
``outcome`` follow from each other. Separate from the type that validates what clients send
(outcome/sent_outcome.py), so that the process that writes the log does not load it.
"""

from typing import Any, Literal, NamedTuple

from pydantic_core import from_json, to_json

from service.model.label import Label, TargetType, label_from, label_text, label_type

OutcomeKind = Literal["truth", "decision"]
"""truth: the label that turned out to be right. decision: what a person decided, which need not be right."""


class OutcomeRow(NamedTuple):
    """A row of ``outcome`` without the id of its record."""

    request_id: str
    row: int
    kind: OutcomeKind
    label: str
    label_type: TargetType
    observed_utc: str | None = None
    source: str | None = None
    reviewer: str | None = None
    reason_code: str | None = None


_NOT_AN_OUTCOME = "it is not the body of an outcome"
OUTCOME_COLUMNS = ", ".join(OutcomeRow._fields)


def outcome_json(outcome: OutcomeRow) -> bytes:
    """The outcome as the body of its record; what is None is left out."""
    members = outcome._asdict()
    members["label"] = label_from(outcome.label, members.pop("label_type"))
    return to_json({name: value for name, value in members.items() if value is not None})


def outcome_row(body: bytes, request_id: str) -> OutcomeRow:
    """The outcome of a body; raises TypeError or ValueError for one that is not of this request id."""
    members: Any = from_json(body)
    if not isinstance(members, dict) or "label" not in members:
        raise ValueError(_NOT_AN_OUTCOME)
    label: Label = members["label"]
    outcome = OutcomeRow(**members | {"label": label_text(label), "label_type": label_type(label)})
    types = [type(value) for value in outcome]
    are_typed = types.pop(1) is int and {*types} <= {str, type(None)}
    if not are_typed or outcome_json(outcome) != body or outcome.request_id != request_id:
        raise ValueError(_NOT_AN_OUTCOME)
    return outcome
