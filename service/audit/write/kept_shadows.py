"""Keeps what was said in shadow out of the log if its prediction is gone.

A challenger predicts after the answer was recorded. Meanwhile a redaction may have removed the content of the
request, or retention its record. Only the writer can tell, under the lock that a redaction takes too.
"""

from collections.abc import Sequence

import apsw

from service.audit.columns import SHADOWED, place_of
from service.audit.file.entry import Entry

_REQUEST_ID, _STATUS = place_of("request_id"), place_of("status")
_HAS_CONTENT = "SELECT min(salt IS NOT NULL) FROM request WHERE request_id = ?"
"""NULL without a record. An id that is used again after a redaction gets no shadows: rather one too few."""


def without_removed(connection: apsw.Connection, entries: Sequence[Entry]) -> list[Entry]:
    """The entries without shadows of predictions that neither the log nor this group has with content."""
    kept: list[Entry] = []
    answered: set[str] = set()
    for entry in entries:
        request_id = entry.values[_REQUEST_ID]
        if entry.values[_STATUS] != SHADOWED:
            answered.add(request_id)
        else:
            has_content = connection.execute(_HAS_CONTENT, (request_id,)).get
            if not (request_id in answered if has_content is None else has_content):
                continue
        kept.append(entry)
    return kept
