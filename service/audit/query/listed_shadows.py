"""What a challenger in shadow says beside the predictions on a page of the history.

A record in shadow follows its prediction, under the same request id, and states the time of the prediction's
record. A client may use an id for several predictions: of those in shadow that follow a prediction, the
first few are looked at.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import apsw
from pydantic_core import to_json

from service.audit.columns import SHADOWED
from service.audit.file.shadow_row import read_shadow
from service.model.label import Label

_LOOKED_AT = 8
"""Records in shadow that are compared with a prediction."""

_FOLLOWING = f"""
    SELECT j.value ->> 0, j.value ->> 1, s.model_version, s.model_id, s.request_json, s.response_json
    FROM json_each(?) AS j CROSS JOIN request AS s ON s.id IN (
        SELECT id FROM request INDEXED BY request_by_request_id
        WHERE request_id = j.value ->> 0 AND status = {SHADOWED:d} AND received_utc >= j.value ->> 1
        ORDER BY received_utc LIMIT {_LOOKED_AT}
    )
"""  # noqa: S608 - no text from outside

Place = tuple[str, str]
"""The request id of a prediction, and its ``received_utc`` as its column has it."""


@dataclass(frozen=True, slots=True)
class ListedShadow:
    """What the challenger says of the same rows; no client saw it."""

    model_version: str
    model_id: str
    """Of the card of the challenger."""
    predictions: list[Label]
    """The label of each row, in order; none if the challenger failed."""
    differs: int
    """The number of rows whose label is another than was answered."""
    error: str | None
    """Why there are no predictions."""


def shadows_of(connection: apsw.Connection, places: Iterable[Place]) -> dict[Place, ListedShadow]:
    """What the challenger says beside predictions, for those that were shadowed."""
    found: dict[Place, ListedShadow] = {}
    for request_id, received, version, model_id, *bodies in connection.execute(
        _FOLLOWING, (to_json([*{*places}]).decode(),)
    ):
        try:
            shadow = read_shadow(*bodies)
        except ValueError:  # It was redacted.
            continue
        if shadow.champion.received_utc == received:
            labels = [*shadow.predictions]
            listed = ListedShadow(version, model_id, labels, shadow.differs, shadow.error)
            found[request_id, received] = listed
    return found
