"""Why outcomes are not recorded."""

from collections.abc import Sequence
from http import HTTPStatus

from service.errors.refusals import Finding, RequestError


class CsvMalformed(RequestError):
    """The body is not a table of outcomes in CSV (RFC 4180)."""

    status, kind = HTTPStatus.BAD_REQUEST, "csv-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is not a table of outcomes: {reason}.")
        self.reason = reason


class TooManyOutcomes(RequestError):
    """The request has more outcomes than one may have."""

    status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-outcomes"

    def __init__(self, max_outcomes: int) -> None:
        super().__init__(
            f"A request may have at most {max_outcomes} outcomes; split it into several requests."
        )


class OutcomesInvalid(RequestError):
    """No outcome of the request could be recorded."""

    status, kind = HTTPStatus.UNPROCESSABLE_ENTITY, "outcomes-invalid"

    def __init__(self, outcomes: int, findings: Sequence[Finding]) -> None:
        what = "The outcome" if outcomes == 1 else f"None of the {outcomes} outcomes"
        super().__init__(f"{what} can{'not' if outcomes == 1 else ''} be recorded; see errors.", findings)


class OutcomesUnavailable(RequestError):
    """The audit log cannot be read or written at present, so some of the outcomes may not be recorded.

    To send all of them again is safe: those that are recorded change nothing.
    """

    status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "outcomes-unavailable"
    retry_after_s = 1
    recorded = False

    def __init__(self) -> None:
        super().__init__(
            "The audit log cannot be used at present, so some outcomes may not be recorded. Send all of them "
            "again."
        )
