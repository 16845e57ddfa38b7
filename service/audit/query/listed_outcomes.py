"""The outcomes of the predictions on a page of the history.

One statement reads them for all predictions of a page. It takes a step along an index for each outcome that
it gives: from one row and kind of a prediction to the newest outcome of the next, past earlier ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import apsw
from pydantic_core import to_json

from service.audit.file.outcome_row import OutcomeKind
from service.model.label import Label, label_from

MAX_OUTCOMES = 20
"""Outcomes that an item of the history lists: a batch has one or two for each of its rows."""

_NEWEST = f"""
    WITH RECURSIVE step (request_id, row, kind, request, number) AS (
        SELECT value, -1, '', 0, 0 FROM json_each(?)
        UNION ALL
        SELECT o.request_id, o.row, o.kind, o.request, s.number + 1
        FROM step AS s CROSS JOIN outcome AS o ON o.request = (
            SELECT n.request FROM outcome AS n INDEXED BY newest_outcome
            WHERE n.request_id = s.request_id AND (n.row, n.kind) > (s.row, s.kind)
            ORDER BY n.row, n.kind, n.request DESC LIMIT 1
        )
        WHERE s.number <= {MAX_OUTCOMES}
    )
    SELECT s.request_id, o.row, o.kind, o.label, o.label_type, r.received_utc, o.observed_utc, o.source,
           o.reviewer, o.reason_code
    FROM step AS s CROSS JOIN outcome AS o ON o.request = s.request
    CROSS JOIN request AS r ON r.id = o.request
    ORDER BY s.request_id, s.number
"""  # noqa: S608 - no text from outside


@dataclass(frozen=True, slots=True)
class ListedOutcome:
    """The newest outcome of one row and kind."""

    row: int
    kind: OutcomeKind
    label: Label
    received_utc: datetime
    observed_utc: datetime | None
    source: str | None
    reviewer: str | None
    reason_code: str | None


def outcomes_of(connection: apsw.Connection, request_ids: Iterable[str]) -> dict[str, list[ListedOutcome]]:
    """The newest outcomes of predictions, by request id, in the order of the rows.

    At most ``MAX_OUTCOMES`` and one more of each, which shows that there are others.
    """
    found: dict[str, list[ListedOutcome]] = {}
    for request_id, row, kind, label, type_, received, observed, *texts in connection.execute(
        _NEWEST, (to_json([*{*request_ids}]).decode(),)
    ):
        moments = datetime.fromisoformat(received), observed and datetime.fromisoformat(observed)
        outcome = ListedOutcome(row, kind, label_from(label, type_), *moments, *texts)
        found.setdefault(request_id, []).append(outcome)
    return found
