"""Redaction: the content of a request removed for privacy, and the proof kept.

Gone are both bodies, the client's address, the labels with their confidences, and the salt of the
content's hash, without which that hash tells nothing about the content. What stays is when which model
answered or refused under which request id, and the chain, whole. The redaction is an event of the log.
"""

import apsw

from service.audit.checked import content_hashes
from service.audit.logfile import LogFile
from service.audit.removal import remove_labels

_REDACT = """
    UPDATE request SET request_json = '', response_json = '', client = NULL, salt = NULL, content_sha256 = ?
    WHERE id = ?
"""


def redact(file: LogFile, request_id: str, reason: str | None) -> int:
    """Remove the content of every request of that id; how many had some."""
    with file.transaction() as (connection, tail):
        # What is removed is overwritten, not only let go of.
        connection.pragma("secure_delete", True)
        found = content_hashes(connection, request_id)
        remove_labels(connection, [id_ for id_, _ in found])
        for id_, content in found:
            connection.execute(_REDACT, (content, id_))
            detail: dict[str, object] = {"content_sha256": content.hex()}
            if reason is not None:
                detail["reason"] = reason
            tail.add_event("redaction", detail, id_)
    if found:
        _empty_wal(connection)
    return len(found)


def _empty_wal(connection: apsw.Connection) -> None:
    # The WAL still has the content as it was written. A reader can hold this up; then the writers that
    # come later do it.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
