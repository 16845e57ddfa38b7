"""What belongs to requests, removed from beside them: for retention and for redaction."""

from collections.abc import Iterable
from typing import Any

import apsw

from service.audit.file.facet import confidence_step

_LABELS = """
    SELECT l.label, l.label_type, r.model_name, r.flags > 0, l.min_confidence, l.max_confidence,
           r.received_utc
    FROM request_label AS l JOIN request AS r ON r.id = l.request WHERE l.request = ?
"""
_FACETS = """
    SELECT id FROM facet WHERE (label, label_type, model_name, flagged) = (?, ?, ?, ?)
    AND confidence_step BETWEEN ? AND ?
"""
_REMOVE_FACET = "DELETE FROM request_facet WHERE (facet, received_utc, request) = (?, ?, ?)"
_REMOVE_UNUSED = "DELETE FROM facet WHERE NOT EXISTS (SELECT 1 FROM request_facet WHERE facet = facet.id)"
_REMOVE_IF_UNUSED = f"{_REMOVE_UNUSED} AND id = ?"


def remove_labels(connection: apsw.Connection, requests: Iterable[int]) -> None:
    """Remove the labels of requests, with their facets; and the facets that no other request has."""
    touched: set[int] = set()
    for request in requests:
        touched |= remove_labels_of(connection, request)
    remove_if_unused(connection, touched)


def remove_labels_of(connection: apsw.Connection, request: int) -> set[int]:
    """Remove the labels of one request; the ids of the facets that it had."""
    touched: set[int] = set()
    labels: list[Any] = connection.execute(_LABELS, (request,)).fetchall()
    for *of, least, most, received_utc in labels:
        for (facet,) in connection.execute(_FACETS, (*of, confidence_step(least), confidence_step(most))):
            connection.execute(_REMOVE_FACET, (facet, received_utc, request))
            touched.add(facet)
    connection.execute("DELETE FROM request_label WHERE request = ?", (request,))
    return touched


def remove_if_unused(connection: apsw.Connection, facets: Iterable[int]) -> None:
    """Remove those of the facets that no request has."""
    before = connection.total_changes()
    for facet in facets:
        connection.execute(_REMOVE_IF_UNUSED, (facet,))
    if connection.total_changes() > before:
        _set_facet_generation(connection)


def remove_unused_facets(connection: apsw.Connection) -> None:
    """Remove all facets that no request has, such as those that earlier versions left."""
    before = connection.total_changes()
    connection.execute(_REMOVE_UNUSED)
    if connection.total_changes() > before:
        _set_facet_generation(connection)


def facet_generation(connection: apsw.Connection) -> int:
    """A number that is another one whenever facets were removed, whose ids writers may remember."""
    return int(connection.pragma("user_version"))


def _set_facet_generation(connection: apsw.Connection) -> None:
    connection.pragma("user_version", (facet_generation(connection) + 1) % 2**31)
