"""Redaction: removes the content of requests for privacy, and keeps its proof.

It removes both bodies, the client's address, the labels with their confidences, the hash of the person, and
the salt of the content's hash. Without the salt, the hash reveals nothing about the content. What stays is
the time, the request id, the model and the status, and the complete chain. Each redaction is an act of the
ledger, with its actor and its reason, and a line in the list of erasures (erasures.py).

What was said in shadow of a request has its request id and its person, and is redacted with it. So are the
outcomes of a prediction: they have its request id. They may not name its person, if
they came before it. A batch can have thousands, so they are redacted in steps, before the prediction itself.
"""

import time
from typing import NamedTuple

import apsw
from pydantic_core import to_json

from service.audit.act import Actor, make_act
from service.audit.chain import FORMAT
from service.audit.columns import OUTCOME, covered_by
from service.audit.file.raw_value import fetch_all
from service.audit.file.tail import Tail
from service.audit.keep.erasure import PATIENCE_S, erase
from service.audit.keep.erasures import note_erasures, note_subject_erasure
from service.audit.keep.holds import active_holds
from service.audit.keep.removal import remove_labels, remove_unused_facets
from service.audit.prove.verified_entry import content_hash_at
from service.audit.write.logfile import LogFile
from service.errors import AuditHeld

_CLEARED = ", ".join(
    f"{column.name} = {'NULL' if column.is_nullable else repr('')}"
    for column in covered_by("content", FORMAT)
)
_REDACT = f"UPDATE request SET {_CLEARED}, salt = NULL, content_sha256 = ? WHERE id = ?"  # noqa: S608
_REDACTED = "SELECT count(*) FROM request WHERE request_id = ? AND salt IS NULL"
_TARGET = "SELECT id, request_id, subject FROM request WHERE salt IS NOT NULL AND"
_OF_REQUEST_ID = f"{_TARGET} request_id = ? ORDER BY status = {OUTCOME:d} DESC, id LIMIT ?"
_IN_QUESTION = """
    SELECT DISTINCT 0, request_id, subject FROM request WHERE salt IS NOT NULL AND request_id = ?
"""
_REDACTED_OF_SUBJECT = """
    SELECT request FROM ledger WHERE kind = 'redaction' AND subject = ? AND request IS NOT NULL ORDER BY id
"""
_OF_SUBJECT = f"{_TARGET} subject = ? ORDER BY id LIMIT ?"
_OUTCOMES = """
    SELECT r.id, r.request_id, ? FROM json_each(?) AS j JOIN outcome AS o ON o.request_id = j.value
    JOIN request AS r ON r.id = o.request ORDER BY r.id LIMIT ?
"""

_STEP_ROWS = 200
"""Requests that are redacted in one transaction."""
_PAUSE_S = 0.02
"""Pause after it, in which others write."""


class Target(NamedTuple):
    """A request that is to be redacted."""

    id: int
    request_id: str
    subject: str | None


def redact(file: LogFile, request_id: str, actor: Actor, reason: str, patience_s: float = PATIENCE_S) -> int:
    """Remove the content of every request with this id from the log's files; returns how many had content.

    Requests that were redacted before are erased from the files again. Raises AuditHeld if any of them is
    held, before anything is removed. Raises AuditNotErased if the content is removed, but a reader that does
    not end prevents that it is overwritten.
    """
    redacted = 0
    while step := _redact_some_of_id(file, request_id, actor, reason):
        redacted += step
        if step < _STEP_ROWS:
            break
        time.sleep(_PAUSE_S)
    if count_redacted(file, request_id):
        note_erasures(file, request_id=request_id)
        erase(file.path, patience_s)
    return redacted


def redact_subject(
    file: LogFile, subject: str, actor: Actor, reason: str, patience_s: float = PATIENCE_S
) -> int:
    """Remove the content of every request of a person from the log's files; returns how many.

    Some hundred are redacted in one transaction. An act at the end states the number; it is also written if
    the log has none, because a backup may have some. Raises AuditHeld and AuditNotErased as ``redact``.
    """
    redacted = 0
    while step := _redact_some(file, subject, actor, reason):
        redacted += step
        time.sleep(_PAUSE_S)
    with file.transaction() as (connection, tail):
        upto_id = tail.last_id
        detail: dict[str, object] = {"requests": redacted, "upto_id": upto_id}
        act = make_act("redaction", actor, detail, reason=reason, subject=subject)
        tail.add_act(act)
        # Also those of a process that was killed before it could note them.
        ids = [row[0] for row in fetch_all(connection, _REDACTED_OF_SUBJECT, (subject,))]
    note_erasures(file, ids=ids)
    note_subject_erasure(file, subject, upto_id, act.recorded_utc)
    erase(file.path, patience_s)
    return redacted


def count_redacted(file: LogFile, request_id: str) -> int:
    """How many requests with this id are redacted."""
    with file.transaction() as (connection, _):
        return int(connection.execute(_REDACTED, (request_id,)).get)


def require_not_held(connection: apsw.Connection, targets: list[Target]) -> None:
    """Raise AuditHeld if one of the requests is held."""
    holds = active_holds(connection)
    for target in targets:
        for hold in holds.on(target.request_id, target.subject):
            raise AuditHeld(f"The request {target.request_id!r} cannot be redacted", str(hold))


def remove_content(
    connection: apsw.Connection,
    tail: Tail,
    targets: list[Target],
    actor: Actor,
    reason: str,
    again: dict[int, dict[str, object]] | None = None,
) -> None:
    """Remove the content of requests, with an act for each; ``again`` adds to the detail of an act, by id."""
    hashes = [content_hash_at(connection, target.id) for target in targets]
    remove_labels(connection, [target.id for target in targets])
    remove_unused_facets(connection)
    for target, content in zip(targets, hashes, strict=True):
        connection.execute(_REDACT, (content, target.id))
        detail: dict[str, object] = {"request_id": target.request_id, "content_sha256": content.hex()}
        detail |= (again or {}).get(target.id, {})
        act = make_act("redaction", actor, detail, reason=reason, request=target.id, subject=target.subject)
        tail.add_act(act)


def _redact_some_of_id(file: LogFile, request_id: str, actor: Actor, reason: str) -> int:
    with file.transaction() as (connection, tail):
        require_not_held(
            connection, [Target(*row) for row in connection.execute(_IN_QUESTION, (request_id,))]
        )
        found = connection.execute(_OF_REQUEST_ID, (request_id, _STEP_ROWS))
        targets = [Target(*row) for row in found]
        remove_content(connection, tail, targets, actor, reason)
    return len(targets)


def _redact_some(file: LogFile, subject: str, actor: Actor, reason: str) -> int:
    with file.transaction() as (connection, tail):
        for hold in active_holds(connection).on(None, subject):
            raise AuditHeld("The requests of this person cannot be redacted", str(hold))
        targets = [Target(*row) for row in connection.execute(_OF_SUBJECT, (subject, _STEP_ROWS))]
        request_ids = to_json([*{target.request_id for target in targets}]).decode()
        outcomes = connection.execute(_OUTCOMES, (subject, request_ids, _STEP_ROWS))
        targets = [Target(*row) for row in outcomes] or targets
        require_not_held(connection, targets)
        remove_content(connection, tail, targets, actor, reason)
    return len(targets)
