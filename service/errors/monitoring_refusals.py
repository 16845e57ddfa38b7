"""Why there is no assessment of the served model."""

from http import HTTPStatus

from service.errors.refusals import RequestError


class AssessmentMissing(RequestError):
    """Monitoring is off, or has not assessed the served model yet."""

    status, kind = HTTPStatus.NOT_FOUND, "assessment-missing"

    def __init__(self, *, is_off: bool) -> None:
        super().__init__(
            "Drift and live quality are not measured: TABENTO_MONITORING is off. Set it to on and restart "
            "the service."
            if is_off
            else "The served model is not assessed yet. The first assessment comes within minutes of the "
            "start; if it does not, /health shows monitoring as stale and the service's log has the reason."
        )
