"""What belongs to requests, removed from beside them: for retention and for redaction."""

from collections.abc import Iterable
from typing import Any

import apsw

from service.audit.facet import confidence_step

_LABELS = """
    SELECT l.label, l.label_type, r.model_name, r.flags > 0, l.min_confidence, l.max_confidence,
           r.received_utc
    FROM request_label AS l JOIN request AS r ON r.id = l.request WHERE l.request = ?
"""
_REMOVE_FACETS = """
    DELETE FROM request_facet WHERE (received_utc, request) = (?, ?) AND facet IN (
        SELECT id FROM facet WHERE (label, label_type, model_name, flagged) = (?, ?, ?, ?)
        AND confidence_step BETWEEN ? AND ?
    )
"""


def remove_labels(connection: apsw.Connection, requests: Iterable[int]) -> None:
    """Remove the labels of requests, and their facets with them."""
    for request in requests:
        labels: list[Any] = connection.execute(_LABELS, (request,)).fetchall()
        for *of, least, most, received_utc in labels:
            steps = confidence_step(least), confidence_step(most)
            connection.execute(_REMOVE_FACETS, (received_utc, request, *of, *steps))
        connection.execute("DELETE FROM request_label WHERE request = ?", (request,))
