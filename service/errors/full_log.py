"""The refusal of predictions while the audit log is full."""

from http import HTTPStatus

from service.errors.refusals import RequestError


class AuditFull(RequestError):
    """The audit log has reached its size limit, and its requests are too young to be removed."""

    status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "audit-full"
    retry_after_s = 60

    def __init__(self) -> None:
        super().__init__(
            "The audit log has reached its size limit and its requests must be kept longer, so no prediction "
            "is returned, and no outcome recorded."
        )
