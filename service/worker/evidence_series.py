"""The gauges of the evidence on a release: each is one of its figures, and none is computed anew."""

from typing import get_args

from service.monitoring.assessment import Assessment, AutomaticChange
from service.monitoring.evidence.evidence import Action, Evidence
from service.telemetry.monitoring_gauges import Series

_BOUNDS = (("value", "difference"), ("low", "low"), ("high", "high"))


def evidence_series(assessment: Assessment) -> dict[str, Series]:
    """The series of a release; none of one without a challenger, but for how it came about."""
    if (evidence := assessment.evidence) is None:
        return {}
    change = assessment.automatic_change
    automatic: Series = {(each,): float(each == change) for each in get_args(AutomaticChange)}
    challenged = {} if evidence.release.challenger is None else _of_challenger(evidence)
    return {**challenged, "tabento_release_automatic_change": automatic}


def _of_challenger(evidence: Evidence) -> dict[str, Series]:
    first = evidence.differences[0] if evidence.differences else None
    rate = None if evidence.disagreement is None else evidence.disagreement.rate
    values = [(bound, getattr(first, member, None)) for bound, member in _BOUNDS]
    return {
        "tabento_release_difference": {(bound,): value for bound, value in values if value is not None},
        "tabento_release_labelled_rows": {(): float(first.labelled if first else 0)},
        "tabento_release_disagreement_rate": {} if rate is None else {(): rate},
        "tabento_release_guardrail_broken": {
            (guardrail.name,): float(guardrail.is_broken) for guardrail in evidence.guardrails
        },
        "tabento_release_recommendation": {
            (action,): float(action == evidence.action) for action in get_args(Action)
        },
    }
