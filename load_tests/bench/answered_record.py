"""Records of single rows of a model, as its service writes them."""

from datetime import datetime

from service.audit.write.record import AuditRecord
from service.inference.engine import Predictions
from service.model.card import ModelCard, identity_of
from service.model.published import PublishedModel
from service.model.reference_profile import NO_FLAGS
from service.native.messages import Messages
from service.routes import PREDICT


class AnsweredRows:
    """Rows that a model has answered."""

    def __init__(self, model: PublishedModel, card: ModelCard) -> None:
        self._model = model
        self._messages = Messages(model.contract, 1)
        self._identity = identity_of(card)

    def record(self, body: bytes, request_id: str, moment: datetime) -> AuditRecord:
        """The record of a body that is sent to ``/predict`` at that moment."""
        contract = self._model.contract
        row = self._messages.row_type.model_validate_json(body)
        (probabilities,) = self._model.predict_proba(contract.matrix([row])).tolist()
        confidence = max(probabilities)
        label = contract.target.classes[probabilities.index(confidence)]
        response = self._messages.answer_json(
            Predictions((label,), (probabilities,), (confidence,), NO_FLAGS),
            self._identity,
            request_id=request_id,
            timestamp=moment,
            processing_time_ms=1.0,
        )
        return AuditRecord(
            request_id=request_id,
            received_utc=moment,
            transport="http",
            route=PREDICT,
            status=200,
            duration_ms=1.0,
            client="127.0.0.1",
            rows=1,
            request=body,
            response=response,
            predictions=((label, confidence),),
            **self._identity._asdict(),
        )
