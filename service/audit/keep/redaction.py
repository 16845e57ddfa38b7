"""Redaction: removes the content of a request for privacy, and keeps its proof.

It removes both bodies, the client's address, the labels with their confidences, and the salt of the content's
hash. Without the salt, the hash reveals nothing about the content. What stays is the time, the request id,
the model and the status, and the complete chain. The redaction is an act of the ledger, with its actor and
its reason.
"""

from service.audit.act import Actor, make_act
from service.audit.chain import FORMAT
from service.audit.columns import covered_by
from service.audit.keep.erasure import PATIENCE_S, erase
from service.audit.keep.removal import remove_labels, remove_unused_facets
from service.audit.prove.verified_entry import content_hashes
from service.audit.write.logfile import LogFile

_CLEARED = ", ".join(
    f"{column.name} = {'NULL' if column.is_nullable else repr('')}"
    for column in covered_by("content", FORMAT)
)
_REDACT = f"UPDATE request SET {_CLEARED}, salt = NULL, content_sha256 = ? WHERE id = ?"  # noqa: S608
_REDACTED = "SELECT count(*) FROM request WHERE request_id = ? AND salt IS NULL"


def redact(file: LogFile, request_id: str, actor: Actor, reason: str, patience_s: float = PATIENCE_S) -> int:
    """Remove the content of every request with this id from the log's files; returns how many had content.

    Requests that were redacted before are erased from the files again. Raises AuditNotErased if the content
    is removed, but a reader that does not end prevents that it is overwritten.
    """
    with file.transaction() as (connection, tail):
        hashes = content_hashes(connection, request_id)
        remove_labels(connection, [id_ for id_, _ in hashes])
        remove_unused_facets(connection)
        for id_, content in hashes:
            connection.execute(_REDACT, (content, id_))
            detail: dict[str, object] = {"request_id": request_id, "content_sha256": content.hex()}
            tail.add_act(make_act("redaction", actor, detail, reason=reason, request=id_))
        is_redacted = bool(connection.execute(_REDACTED, (request_id,)).get)
    if is_redacted:
        erase(file.path, patience_s)
    return len(hashes)


def count_redacted(file: LogFile, request_id: str) -> int:
    """How many requests with this id are redacted."""
    with file.transaction() as (connection, _):
        return int(connection.execute(_REDACTED, (request_id,)).get)
