"""Why there is no receipt for a prediction."""

from http import HTTPStatus

from service.errors.refusals import RequestError, shortened


class PredictionUnknown(RequestError):
    """The audit log has no record of the request id."""

    status, kind = HTTPStatus.NOT_FOUND, "prediction-unknown"

    def __init__(self, request_id: str, pruned_upto: str | None = None) -> None:
        pruned = f" Records up to {pruned_upto} were pruned." if pruned_upto else ""
        super().__init__(f"The audit log has no record of the request {shortened(request_id)}.{pruned}")


class ReceiptPending(RequestError):
    """No checkpoint covers the record yet. The next one does."""

    status, kind = HTTPStatus.CONFLICT, "receipt-pending"

    def __init__(self, request_id: str, due_utc: str | None = None) -> None:
        due = f" It is due at {due_utc}." if due_utc else " `python -m service.audit checkpoint` takes it."
        super().__init__(f"The next checkpoint will cover the request {shortened(request_id)}.{due}")


class ReceiptTooLarge(RequestError):
    """The receipt would be longer than an answer may be."""

    status, kind = HTTPStatus.CONFLICT, "receipt-too-large"

    def __init__(self, limit_bytes: int, limit_records: int) -> None:
        super().__init__(
            f"The receipt would have more than {limit_bytes} bytes or {limit_records} records. Ask for one "
            "record with received_utc, or without its bodies with content=false."
        )


class PredictionPruned(RequestError):
    """Retention has removed the records of that time."""

    status, kind = HTTPStatus.GONE, "prediction-pruned"

    def __init__(self, request_id: str, pruned_upto: str) -> None:
        super().__init__(
            f"The audit log has no record of the request {shortened(request_id)} of that time: records up to "
            f"{pruned_upto} were pruned."
        )
