"""The native API's messages: the bodies of requests and answers, as types made from a contract.

The same types declare the ``@bentoml.api`` methods, validate requests in the gateway and define the OpenAPI
document, so that the three cannot differ.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model
from pydantic_core import to_json

from service.inference.engine import Predictions
from service.model.card import ModelCard
from service.model.contract import Contract, Row, Values
from service.model.contract_view import ContractView
from service.model.label import Label
from service.model.model_id import ModelIdentity
from service.model.published import Lineage
from service.model.reference_profile import MAX_LISTED_FLAGS, FlagReason
from service.monitoring.assessment_watch import MonitoringState
from service.native.native_reader import NativeReader
from service.native.release_view import ReleaseHealth, ReleaseView
from service.system.steps import Steps

Parsed = Sequence[Values] | Steps[Sequence[Values]]
"""The rows of a short valid body; or the steps that read any other body."""

_AMPLE_VALUE_BYTES = 256
"""Bytes allowed for a number with its punctuation and whitespace."""
_AMPLE_ROW_BYTES = 1024**2
_AMPLE_BATCH_BYTES = 4 * 1024**2
"""Lengths that are always read, even if the contract has few features."""

RowT = TypeVar("RowT", bound=Row)
LabelT = TypeVar("LabelT", bound=Label)


class Batch(BaseModel, Generic[RowT]):
    """A batch of rows."""

    model_config = ConfigDict(extra="forbid")

    instances: list[RowT]


class FlaggedValue(BaseModel):
    """A value outside the range or categories of the training data."""

    row: int
    """Index of the row in the request."""
    feature: str
    reason: FlagReason


class Answer(BaseModel, Generic[LabelT]):
    """The predictions for the rows of a request, in order."""

    model_config = ConfigDict(protected_namespaces=())

    predictions: list[LabelT]
    probabilities: list[list[float]] = Field(description="A list per row, in the class order of /model/info.")
    model_name: str
    model_version: str
    model_id: str = Field(description="The id of the model's card, which /model/info and the ledger have.")
    processing_time_ms: float
    timestamp: datetime = Field(description="When the request was received, UTC.")
    request_id: str
    flags: list[FlaggedValue] | None = Field(
        default=None,
        description="Values outside the range or categories of the training data, ordered by row; left out "
        f"if there are none. At most {MAX_LISTED_FLAGS:,} are listed.",
    )
    flags_total: int | None = Field(
        default=None, description="Number of all flags, if not all are listed; else left out."
    )


class ModelInfo(BaseModel):
    """The champion: its contract, classes and lineage."""

    model_config = ConfigDict(protected_namespaces=())

    tag: str = Field(description="The BentoML model.")
    model_name: str
    model_version: str
    model_id: str = Field(description="The id of the card, as answers and records have it.")
    card: ModelCard = Field(
        description="What computes the answers: the model's files by digest, versions, processor, settings."
    )
    release: ReleaseView
    classes: list[Label] = Field(description="The classes in the order of the probabilities.")
    contract: ContractView
    lineage: Lineage
    runtime: str = Field(
        description="The library that computes the probabilities; see also `lineage.compilation`."
    )
    max_batch_rows: int
    has_profile: bool = Field(
        description="Whether the model has a training profile. Without one, drift is not measured."
    )


class Health(BaseModel):
    """The state of the worker that answers."""

    model_config = ConfigDict(protected_namespaces=())

    status: str = Field(
        description="`ok`; `failing` if the audit log cannot be written in strict mode; `degraded` if it "
        "cannot be written in relaxed mode, or records were dropped; `draining` before the worker stops."
    )
    model: str = Field(description="The champion, as the next four members.")
    model_name: str
    model_version: str
    model_id: str = Field(description="The id of the model's card.")
    release: ReleaseHealth
    runtime: str = Field(description="The library that computes the probabilities, with its version.")
    audit_mode: str = Field(
        description="`strict`: answers wait for the commit of their records; `relaxed`: they do not."
    )
    audit_writable: bool
    audit_dropped: int = Field(description="Records that this worker has dropped since its start.")
    uptime_s: float
    monitoring: MonitoringState = Field(
        description="`on`; `off` by setting; `not measured` if the model has no training profile to compare "
        "with; `stale` if the newest assessment, or a record that it does not cover, is older than three "
        "minutes. It does not change the status."
    )
    newer_model: str | None = Field(
        default=None,
        description="A model of the same name that entered the store after the served one: the newest "
        "champion, or else the newest. Left out if there is none. It is served after a restart, or by a "
        "release.",
    )
    newer_model_is_champion: bool | None = Field(
        default=None,
        description="Whether it was champion when it was published. If not, a restart does not serve it, "
        "unless its tag is named.",
    )


class Messages:
    """The message types of a contract, and the parsing of bodies."""

    def __init__(self, contract: Contract, max_batch_rows: int) -> None:
        self.contract = contract
        self.max_batch_rows = max_batch_rows
        self._reader = NativeReader(contract, max_batch_rows)

    @property
    def row_type(self) -> type[Row]:
        """The body of ``POST /predict``."""
        return self.contract.row_type

    @cached_property
    def batch_type(self) -> type[Batch[Row]]:
        """The body of ``POST /predict/batch``."""
        row_type = self.contract.row_type
        instances = Field(
            min_length=1,
            max_length=self.max_batch_rows,
            description=f"At most {self.max_batch_rows} rows; more get 413.",
            json_schema_extra=_without_max_items,
        )
        return create_model("Batch", __base__=Batch[Row], instances=(list[row_type], instances))  # type: ignore[valid-type]

    @cached_property
    def answer_type(self) -> type[Answer[Label]]:
        """The answer of both routes."""
        label_type = self.contract.label_type
        return create_model(
            "Answer",
            __base__=Answer[Label],
            predictions=(list[label_type], Field()),  # type: ignore[valid-type]
        )

    @cached_property
    def longest_row_bytes(self) -> int:
        """Upper bound of the length of a valid body of ``POST /predict``."""
        return max(_AMPLE_ROW_BYTES, _row_bytes(self.contract))

    @cached_property
    def longest_batch_bytes(self) -> int:
        """Upper bound of the length of a valid batch, native or v2."""
        return max(_AMPLE_BATCH_BYTES, self.max_batch_rows * _row_bytes(self.contract) + _AMPLE_ROW_BYTES)

    @property
    def longest_message_bytes(self) -> int:
        """Upper bound of the length of a valid gRPC message, which is shorter than the same rows as JSON."""
        return self.longest_batch_bytes

    def parse_row(self, body: bytes) -> Parsed:
        """The row of a body of ``POST /predict``; raises BodyMalformed or RowsInvalid."""
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
        model: ModelIdentity,
        *,
        request_id: str,
        timestamp: datetime,
        processing_time_ms: float,
    ) -> Answer[Label]:
        """The answer with the predictions."""
        # Not validated: the service itself made all values.
        return self.answer_type.model_construct(
            predictions=list(predictions.labels),
            probabilities=list(predictions.probabilities),
            model_name=model.model_name,
            model_version=model.model_version,
            model_id=model.model_id,
            processing_time_ms=processing_time_ms,
            timestamp=timestamp,
            request_id=request_id,
            flags=[FlaggedValue.model_construct(**flag) for flag in predictions.flags.objects] or None,
            flags_total=predictions.flags.unlisted_total,
        )

    def answer_json(
        self,
        predictions: Predictions,
        model: ModelIdentity,
        *,
        request_id: str,
        timestamp: datetime,
        processing_time_ms: float,
    ) -> bytes:
        """The JSON text of ``answer``, without constructing the answer, which would take most of the time."""
        members = {
            "predictions": predictions.labels,
            "probabilities": predictions.probabilities,
            "model_name": model.model_name,
            "model_version": model.model_version,
            "model_id": model.model_id,
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
    # Each character of a name or text may be written as one or two escapes (\ud83d\ude00). Numbers may have
    # superfluous digits and spaces.
    return sum(
        12 * len(feature.name) + max(12 * feature.max_text_length, _AMPLE_VALUE_BYTES)
        for feature in contract.features
    )


def _without_max_items(schema: dict[str, JsonValue]) -> None:
    # The number of rows is a limit of the service (413), not a property of a valid body.
    del schema["maxItems"]
