"""The route of feedback in the OpenAPI document."""

from pydantic import JsonValue

from service.audit.outcome.outcome_batch import MAX_OUTCOMES, FeedbackAnswer
from service.audit.outcome.outcome_table import COLUMNS, REQUIRED
from service.audit.outcome.sent_outcome import LabelRule, SentOutcome
from service.errors import (
    BodyMalformed,
    BodyTooLarge,
    DeadlineExceeded,
    InternalFailure,
    MediaTypeUnsupported,
    OutcomesInvalid,
    OutcomesUnavailable,
    Overloaded,
)
from service.errors.problem import MEDIA_TYPE, Problem
from service.http.openapi import examples
from service.http.openapi.operations import Content, Operation, Schemas, with_example
from service.model.contract import Contract

RESPONSE_TYPES = (FeedbackAnswer,)

_TAG = "predictions"
_OPTIONAL = ", ".join(f"`{name}`" for name in COLUMNS if name not in REQUIRED)
_DESCRIPTION = (
    f"Takes one outcome, or a list of up to {MAX_OUTCOMES:,}: what was true of a row of a prediction, or "
    "what a person decided on it. As CSV, the first line names the columns: "
    f"`{'` and `'.join(REQUIRED)}`, and any of {_OPTIONAL}. Each outcome that is recorded is a record of "
    "the audit log, committed before the answer. To send it again changes nothing; another label for the "
    "same row and kind is a correction, and the newest counts. Outcomes that are refused are listed; if none "
    "can be recorded, the answer is 422."
)


def outcome_type(contract: Contract) -> type[SentOutcome]:
    """The type of the outcomes of a contract's predictions."""
    return LabelRule(contract.target.type, contract.target.classes).outcome_type


def operation(schemas: Schemas, type_: type[SentOutcome], contract: Contract) -> Operation:
    """The operation, for outcomes of this type."""
    (one,) = schemas.request(type_).values()
    several = {"type": "array", "items": one["schema"], "maxItems": MAX_OUTCOMES}
    outcome = _outcome(contract)
    label = examples.label(contract)
    body: Content = {
        **with_example({"application/json": {"schema": {"anyOf": [one["schema"], several]}}}, [outcome]),
        **with_example(
            {"text/csv": {"schema": {"type": "string"}}},
            f"request_id,label,source\n{examples.REQUEST_ID},{label},laboratory\n",
        ),
    }
    return Operation(
        _TAG,
        with_example(schemas.response(FeedbackAnswer), _answer()),
        error=schemas.response(Problem, MEDIA_TYPE),
        description=_DESCRIPTION,
        body=body,
        refusals=(
            BodyMalformed,
            BodyTooLarge,
            MediaTypeUnsupported,
            OutcomesInvalid,
            Overloaded,
            InternalFailure,
            OutcomesUnavailable,
            DeadlineExceeded,
        ),
    )


def _outcome(contract: Contract) -> dict[str, JsonValue]:
    return {
        "request_id": examples.REQUEST_ID,
        "row": 0,
        "kind": "truth",
        "label": contract.target.classes[0],
        "observed_utc": "2026-07-11T08:00:00Z",
        "source": "laboratory",
    }


def _answer() -> dict[str, JsonValue]:
    answer = FeedbackAnswer(
        request_id=examples.REQUEST_ID,
        outcomes=1,
        matched=1,
        waiting=0,
        ambiguous=0,
        repeated=0,
        refused=0,
        ambiguous_request_ids=[],
        errors=[],
    )
    return answer.model_dump(mode="json")
