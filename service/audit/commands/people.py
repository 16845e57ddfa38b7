"""Commands for the rights of persons: what the log has of a person is given out, removed, or held."""

from functools import wraps
from pathlib import Path
from typing import Any

import click

from service.audit.act import Actor, make_act
from service.audit.commands.actors import claim_options
from service.audit.commands.command_group import (
    FILE,
    Command,
    actor_options,
    audit,
    counted,
    pass_db,
    wait_option,
    write_line,
    writing,
)
from service.audit.file.subject_key import SUBJECT_RULE, SubjectKey, is_subject_hash, key_path
from service.audit.keep import export as exporting
from service.audit.keep.holds import active_holds, hold_act, release_act
from service.audit.keep.redaction import redact_subject
from service.audit.query.reader import AuditReader
from service.audit.query.subject_records import ids_of_subject
from service.errors import AuditMisuse

_COUNT_OF_REQUEST_ID = "SELECT count(*) FROM request WHERE request_id = ?"


def subject_options(command: Command) -> Command:
    """The person, by the identifier that clients send, or by its hash; as ``subject``."""

    @wraps(command)
    def run(db: Path, *, identifier: str | None, hash_: str | None, **options: object) -> Any:
        return command(db, subject=_subject_hash(db, identifier, hash_), **options)

    text = "the person's keyed hash, as records show it, instead of ID"
    option = click.option("--hash", "hash_", metavar="HEX", help=text)(run)
    return click.argument("identifier", metavar="[ID]", required=False)(option)


def _subject_hash(db: Path, identifier: str | None, hash_: str | None) -> str:
    if (identifier is None) == (hash_ is None):
        raise AuditMisuse("Give either the ID of the person, or --hash")
    if hash_ is not None:
        if not is_subject_hash(hash_):
            raise AuditMisuse(f"{hash_!r} is not a hash of 64 lower-case hexadecimal digits")
        return hash_
    from service.settings import load_settings

    key = SubjectKey.read(key_path(load_settings().audit_subject_key_file, db))
    found = key.hashed(((identifier or "").encode(errors="surrogateescape"),))
    if found is None:
        raise AuditMisuse(f"The ID of a person is {SUBJECT_RULE.removeprefix('sent once, as ')}")
    return found


@audit.group
def subject() -> None:
    """Give out, remove or hold all requests of a person."""


@subject.command("export")
@click.option("--output", type=FILE, metavar="FILE", help="by default stdout")
@claim_options
@pass_db
@subject_options
def export_subject(db: Path, subject: str, output: Path | None, actor: Actor, reason: str) -> None:
    """Write every request of a person as JSON lines, oldest first.

    The ledger states it, with the hash of the person and the number of requests.
    """
    with writing(db) as file, file.transaction() as (connection, tail):
        count = len(ids_of_subject(connection, subject))
        detail: dict[str, object] = {"requests": count, "upto_id": tail.last_id}
        tail.add_act(make_act("export", actor, detail, reason=reason, subject=subject))
    exporting.export(AuditReader(db).records_of_subject(subject), "jsonl", output)


@subject.command("redact")
@actor_options
@wait_option
@pass_db
@subject_options
def redact_of_subject(db: Path, subject: str, actor: Actor, reason: str, wait: float) -> None:
    """Remove the content of every request of a person, and keep the proof of each.

    Nothing of the content is left in the log's files, and the requests are no longer found by the person. A
    backup is redacted again when it is restored.
    """
    with writing(db) as file:
        count = redact_subject(file, subject, actor, reason, wait)
    write_line(f"{counted(count, 'request')} redacted")


@subject.command("hold")
@claim_options
@pass_db
@subject_options
def hold_subject(db: Path, subject: str, actor: Actor, reason: str) -> None:
    """Keep every request of a person, also future ones, from redaction and retention."""
    with writing(db) as file, file.transaction() as (connection, tail):
        tail.add_act(hold_act(actor, reason, subject=subject))
        count = len(ids_of_subject(connection, subject))
    write_line(f"{counted(count, 'request')} held")


@subject.command("release")
@actor_options
@pass_db
@subject_options
def release_subject(db: Path, subject: str, actor: Actor, reason: str) -> None:
    """End the holds on a person."""
    _release(db, actor, reason, subject, None)


@audit.command("hold")
@click.option("--request-id", required=True, metavar="ID")
@claim_options
@pass_db
def hold_request(db: Path, request_id: str, actor: Actor, reason: str) -> None:
    """Keep the requests with an id from redaction and retention."""
    with writing(db) as file, file.transaction() as (connection, tail):
        count = connection.execute(_COUNT_OF_REQUEST_ID, (request_id,)).get
        if not count:
            raise AuditMisuse(f"The log has no request {request_id!r}")
        tail.add_act(hold_act(actor, reason, request_id=request_id))
    write_line(f"{counted(count, 'request')} held")


@audit.command("hold-release")
@click.option("--request-id", required=True, metavar="ID")
@actor_options
@pass_db
def release_request(db: Path, request_id: str, actor: Actor, reason: str) -> None:
    """End the holds on the requests with an id."""
    _release(db, actor, reason, None, request_id)


def _release(db: Path, actor: Actor, reason: str, subject: str | None, request_id: str | None) -> None:
    with writing(db) as file, file.transaction() as (connection, tail):
        holds = active_holds(connection).on(request_id, subject)
        if not holds:
            raise AuditMisuse("Nothing is held of this person" if subject else f"No hold on {request_id!r}")
        tail.add_act(release_act(holds, actor, reason))
    write_line(f"{counted(len(holds), 'hold')} released")
