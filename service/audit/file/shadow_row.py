"""The record of a prediction that no client saw: the challenger's in shadow, beside the champion's answer.

It has the request id, the subject, the transport and the key of the request, and the challenger as its model.
Its route is ``SHADOW_ROUTE``, its status ``SHADOWED``, and it was received when the challenger predicted. Its
bodies are JSON, always written in the same way: the request's has the champion's answer, by the time of whose
record the two are matched, and the response's the challenger's. It has no rows in ``request_label``, so no
filter of the history finds it as a prediction.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from service.audit.columns import BodyValue
from service.model.label import Label

SHADOW_ROUTE = "/shadow"
"""The route of its record."""

_NOT_A_SHADOW = "it is not the record of a prediction in shadow"


class ChampionAnswer(NamedTuple):
    """What the client got."""

    received_utc: str
    """Of the record of the prediction: its column."""
    model_id: str
    predictions: Sequence[Label]
    confidences: Sequence[float]
    model_ms: float
    """From the queue of the model to its result, with the time in the queue."""


class ShadowRow(NamedTuple):
    """The bodies of a record in shadow, as values."""

    release_id: str
    champion: ChampionAnswer
    model_id: str
    """Of the challenger."""
    predictions: Sequence[Label] = ()
    """Of the challenger; none if it failed."""
    probabilities: Sequence[Sequence[float]] = ()
    """A list per row, in the contract's class order."""
    error: str | None = None
    """Why there are no predictions."""

    @property
    def differs(self) -> int:
        """The rows whose label is not the champion's."""
        pairs = zip(self.champion.predictions, self.predictions, strict=False)
        return sum(one != other for one, other in pairs)


def shadow_bodies(row: ShadowRow) -> tuple[bytes, bytes]:
    """The bodies of the record: what the champion answered, and what the challenger says."""
    champion = row.champion._asdict()
    request = {"release": row.release_id, "champion": champion}
    if row.error is not None:
        return to_json(request), to_json({"error": row.error, "model_id": row.model_id})
    answer = {
        "predictions": row.predictions,
        "probabilities": row.probabilities,
        "model_id": row.model_id,
    }
    return to_json(request), to_json(answer)


def read_shadow(request: BodyValue, response: BodyValue) -> ShadowRow:
    """What the bodies of a record say; raises ValueError for other bodies, or none after a redaction."""
    try:
        asked: Any = from_json(request)
        answer: Any = from_json(response)
        champion = ChampionAnswer(**asked["champion"])
        return ShadowRow(
            asked["release"],
            champion,
            answer["model_id"],
            answer.get("predictions", ()),
            answer.get("probabilities", ()),
            answer.get("error"),
        )
    except (TypeError, LookupError, AttributeError, ValueError):
        raise ValueError(_NOT_A_SHADOW) from None
