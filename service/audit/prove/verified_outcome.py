"""The rows of table ``outcome``, compared with the records that they follow from."""

from typing import Any

import apsw

from service.audit.columns import OUTCOME, RequestRow
from service.audit.file.outcome_row import OUTCOME_COLUMNS, outcome_row
from service.audit.file.raw_value import fetch_all

_OUTCOMES = f"""
    SELECT request, {OUTCOME_COLUMNS} FROM outcome WHERE request > ? AND request <= ? ORDER BY request
"""  # noqa: S608 - no text from outside

RawRow = tuple[Any, ...]
"""The columns of an OutcomeRow as the file holds them, with values of any type."""


def read_outcomes(connection: apsw.Connection, seen: int, upto: int) -> dict[int, RawRow]:
    """The row of each record after the id ``seen``, by the id of the record."""
    return {request: tuple(row) for request, *row in fetch_all(connection, _OUTCOMES, (seen, upto))}


def flaw_of_outcome(record: RequestRow, found: RawRow | None, *, is_redacted: bool) -> str:
    """What is wrong with the row of a record; raises TypeError or ValueError if its body is no outcome."""
    if record.status != OUTCOME or is_redacted:
        return "" if found is None else "it has an outcome, and is not the record of one"
    body: Any = record.request_json
    expected = outcome_row(body, record.request_id)
    if found is None:
        return "its row in table outcome is gone"
    is_same = found == expected and [*map(type, found)] == [*map(type, expected)]
    return "" if is_same else "its row in table outcome is not that of its body"
