"""Why there is no receipt for a prediction."""

from http import HTTPStatus
from typing import Self

from service.errors.refusals import RequestError, shortened


class PredictionUnknown(RequestError):
    """The audit log has no record of the request id."""

    status, kind = HTTPStatus.NOT_FOUND, "prediction-unknown"

    def __init__(self, request_id: str, pruned_upto: str | None = None) -> None:
        pruned = f" Records up to {pruned_upto} were pruned." if pruned_upto else ""
        self._facts = request_id, pruned_upto
        super().__init__(f"The audit log has no record of the request {shortened(request_id)}.{pruned}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str | None]]:
        """Pickle the facts: the error is raised in the history process and sent to the worker."""
        return type(self), self._facts


class ReceiptPending(RequestError):
    """No checkpoint covers the record yet. The next one does."""

    status, kind = HTTPStatus.CONFLICT, "receipt-pending"

    def __init__(self, request_id: str, due_utc: str | None = None) -> None:
        due = f" It is due at {due_utc}." if due_utc else " `python -m service.audit checkpoint` takes it."
        self._facts = request_id, due_utc
        super().__init__(f"The next checkpoint will cover the request {shortened(request_id)}.{due}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str | None]]:
        """Pickle the facts: the error is raised in the history process and sent to the worker."""
        return type(self), self._facts


class ReceiptTooLarge(RequestError):
    """The receipt would be longer than an answer may be."""

    status, kind = HTTPStatus.UNPROCESSABLE_ENTITY, "receipt-too-large"

    def __init__(self, limit_bytes: int, limit_records: int) -> None:
        self._facts = limit_bytes, limit_records
        super().__init__(
            f"The receipt would have more than {limit_bytes} bytes or {limit_records} records. Ask for one "
            "record with received_utc, or without its bodies with content=false."
        )

    def __reduce__(self) -> tuple[type[Self], tuple[int, int]]:
        """Pickle the facts: the error is raised in the history process and sent to the worker."""
        return type(self), self._facts


class PredictionPruned(RequestError):
    """Retention has removed the records of that time."""

    status, kind = HTTPStatus.GONE, "prediction-pruned"

    def __init__(self, request_id: str, pruned_upto: str) -> None:
        self._facts = request_id, pruned_upto
        super().__init__(
            f"The audit log has no record of the request {shortened(request_id)} of that time: records up to "
            f"{pruned_upto} were pruned."
        )

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Pickle the facts: the error is raised in the history process and sent to the worker."""
        return type(self), self._facts
