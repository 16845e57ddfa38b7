"""The native API's messages: the bodies that clients send and get, as types made from a contract.

The same types declare the ``@bentoml.api`` methods, validate in the gateway and make the OpenAPI
document, so that the three cannot disagree.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model
from pydantic_core import to_json

from service.inference.engine import Predictions
from service.model.contract import Contract, Row, Values
from service.model.contract_view import ShownContract
from service.model.label import Label
from service.model.published import Lineage
from service.model.reference_profile import MAX_LISTED_FLAGS, FlagReason
from service.native.native_reader import NativeReader
from service.system.steps import Steps

Parsed = Sequence[Values] | Steps[Sequence[Values]]
"""The rows of a body; or the steps in which they are read, where the body is long or to be refused."""

_AMPLE_VALUE_BYTES = 256
"""Length of a number with all that may stand round it."""
_AMPLE_ROW_BYTES = 1024**2
_AMPLE_BATCH_BYTES = 4 * 1024**2
"""Lengths that are always read, however few the features are."""

RowT = TypeVar("RowT", bound=Row)
LabelT = TypeVar("LabelT", bound=Label)


class Batch(BaseModel, Generic[RowT]):
    """Rows that are predicted together."""

    model_config = ConfigDict(extra="forbid")

    instances: list[RowT]


class FlaggedValue(BaseModel):
    """A value that was answered although the training table held nothing like it."""

    row: int
    """Index of the row in the request."""
    feature: str
    reason: FlagReason


class Answer(BaseModel, Generic[LabelT]):
    """The predictions for the rows of one request, in their order."""

    model_config = ConfigDict(protected_namespaces=())

    predictions: list[LabelT]
    probabilities: list[list[float]] = Field(
        description="A list per row, in the class order that /model/info gives."
    )
    model_name: str
    model_version: str
    processing_time_ms: float
    timestamp: datetime = Field(description="When the request was received, UTC.")
    request_id: str
    flags: list[FlaggedValue] | None = Field(
        default=None,
        description="Values outside what the training table held, ordered by row; left out when there are "
        f"none. At most {MAX_LISTED_FLAGS:,} are listed.",
    )
    flags_total: int | None = Field(
        default=None, description="How many there are, where not all of them are listed; else left out."
    )


class ModelInfo(BaseModel):
    """The model that is served: what it takes, what it gives, where it comes from."""

    model_config = ConfigDict(protected_namespaces=())

    tag: str = Field(description="The BentoML model.")
    model_name: str
    model_version: str
    classes: list[Label] = Field(description="In the order of every answer's probabilities.")
    contract: ShownContract
    lineage: Lineage
    runtime: str = Field(
        description="What computes the probabilities; `lineage.compilation` has whether it may be compiled."
    )
    max_batch_rows: int


class Health(BaseModel):
    """Whether the worker that answers can do its work."""

    model_config = ConfigDict(protected_namespaces=())

    status: str = Field(
        description="`ok`; `failing` where the audit log cannot be written and answers wait for it; "
        "`degraded` where they do not, or where records were dropped; `draining` before it stops."
    )
    model: str
    model_name: str
    model_version: str
    runtime: str = Field(description="What computes the probabilities, with its version.")
    audit_mode: str = Field(
        description="`strict`, or `relaxed` where answers do not wait until they are recorded."
    )
    audit_writable: bool
    audit_dropped: int = Field(description="Records that this worker dropped since it started.")
    uptime_s: float


class Messages:
    """The message types of one contract, and the way from a body to rows."""

    def __init__(self, contract: Contract, max_batch_rows: int) -> None:
        self.contract = contract
        self.max_batch_rows = max_batch_rows
        self._reader = NativeReader(contract, max_batch_rows)

    @property
    def row_type(self) -> type[Row]:
        """What ``POST /predict`` takes."""
        return self.contract.row_type

    @cached_property
    def batch_type(self) -> type[Batch[Row]]:
        """What ``POST /predict/batch`` takes."""
        row_type = self.contract.row_type
        instances = Field(
            min_length=1,
            max_length=self.max_batch_rows,
            description=f"At most {self.max_batch_rows} rows; more are refused with 413.",
            json_schema_extra=_without_max_items,
        )
        return create_model("Batch", __base__=Batch[Row], instances=(list[row_type], instances))  # type: ignore[valid-type]

    @cached_property
    def answer_type(self) -> type[Answer[Label]]:
        """What both answer."""
        label_type = self.contract.label_type
        return create_model(
            "Answer",
            __base__=Answer[Label],
            predictions=(list[label_type], Field()),  # type: ignore[valid-type]
        )

    @cached_property
    def longest_row_bytes(self) -> int:
        """Length of the longest body of ``POST /predict`` that could be valid, generously."""
        return max(_AMPLE_ROW_BYTES, _row_bytes(self.contract))

    @cached_property
    def longest_batch_bytes(self) -> int:
        """Length of the longest body of a batch, native or v2, that could be valid, generously."""
        return max(_AMPLE_BATCH_BYTES, self.max_batch_rows * _row_bytes(self.contract) + _AMPLE_ROW_BYTES)

    @property
    def longest_message_bytes(self) -> int:
        """Length of the longest gRPC message that could be valid, generously: as JSON it would be longer."""
        return self.longest_batch_bytes

    def parse_row(self, body: bytes) -> Parsed:
        """The one row of a body of ``POST /predict``; raises BodyMalformed or RowsInvalid."""
        row = self._reader.row_at_once(body)
        return self._reader.row(body) if row is None else (row,)

    def parse_batch(self, body: bytes) -> Parsed:
        """The rows of a body of ``POST /predict/batch``.

        Raises BodyMalformed, RowsInvalid or TooManyRows.
        """
        return self._reader.batch_at_once(body) or self._reader.batch(body)

    def answer(
        self,
        predictions: Predictions,
        lineage: Lineage,
        *,
        request_id: str,
        timestamp: datetime,
        processing_time_ms: float,
    ) -> Answer[Label]:
        """The answer that gives the predictions of a model."""
        # Not validated: all of it comes from the service itself.
        return self.answer_type.model_construct(
            predictions=list(predictions.labels),
            probabilities=list(predictions.probabilities),
            model_name=lineage.model_name,
            model_version=lineage.model_version,
            processing_time_ms=processing_time_ms,
            timestamp=timestamp,
            request_id=request_id,
            flags=[FlaggedValue.model_construct(**flag) for flag in predictions.flags.objects] or None,
            flags_total=predictions.flags.unlisted_total,
        )

    def answer_json(
        self,
        predictions: Predictions,
        lineage: Lineage,
        *,
        request_id: str,
        timestamp: datetime,
        processing_time_ms: float,
    ) -> bytes:
        """The JSON text of ``answer``, at once: most of the time would go into making the answer."""
        members = {
            "predictions": predictions.labels,
            "probabilities": predictions.probabilities,
            "model_name": lineage.model_name,
            "model_version": lineage.model_version,
            "processing_time_ms": processing_time_ms,
            "timestamp": timestamp,
            "request_id": request_id,
        }
        if (flags := predictions.flags).listed:
            members["flags"] = flags.objects
            if (total := flags.unlisted_total) is not None:
                members["flags_total"] = total
        return to_json(members)


def _row_bytes(contract: Contract) -> int:
    # Each character of a name or text may be written as an escape or two, \ud83d\ude00; numbers may have more
    # digits than they need, and spaces round them.
    return sum(
        12 * len(feature.name) + max(12 * feature.max_text_length, _AMPLE_VALUE_BYTES)
        for feature in contract.features
    )


def _without_max_items(schema: dict[str, JsonValue]) -> None:
    # How many rows are served at once is a limit of the service, not a property of a valid body.
    del schema["maxItems"]
