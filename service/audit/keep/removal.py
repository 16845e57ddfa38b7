"""Removes the labels, the facets and the outcome of requests, for retention and for redaction."""

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
    """Remove the labels, facets and outcomes of requests, and the facets that no request has any more."""
    facet_ids: set[int] = set()
    for request in requests:
        facet_ids |= remove_labels_of(connection, request)
    remove_if_unused(connection, facet_ids)


def remove_labels_of(connection: apsw.Connection, request: int) -> set[int]:
    """Remove the labels, facets and outcome of one request; returns the ids of its facets."""
    facet_ids: set[int] = set()
    labels: list[Any] = connection.execute(_LABELS, (request,)).fetchall()
    for *of, least, most, received_utc in labels:
        for (facet,) in connection.execute(_FACETS, (*of, confidence_step(least), confidence_step(most))):
            connection.execute(_REMOVE_FACET, (facet, received_utc, request))
            facet_ids.add(facet)
    connection.execute("DELETE FROM request_label WHERE request = ?", (request,))
    connection.execute("DELETE FROM outcome WHERE request = ?", (request,))
    return facet_ids


def remove_if_unused(connection: apsw.Connection, facets: Iterable[int]) -> None:
    """Remove the given facets that no request has."""
    before = connection.total_changes()
    for facet in facets:
        connection.execute(_REMOVE_IF_UNUSED, (facet,))
    if connection.total_changes() > before:
        _set_facet_generation(connection)


def remove_unused_facets(connection: apsw.Connection) -> None:
    """Remove all facets that no request has. Earlier versions left such facets."""
    before = connection.total_changes()
    connection.execute(_REMOVE_UNUSED)
    if connection.total_changes() > before:
        _set_facet_generation(connection)


def facet_generation(connection: apsw.Connection) -> int:
    """A number that changes when facets are removed, so that writers drop the ids in their caches."""
    return int(connection.pragma("user_version"))


def _set_facet_generation(connection: apsw.Connection) -> None:
    connection.pragma("user_version", (facet_generation(connection) + 1) % 2**31)
