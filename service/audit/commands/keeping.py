"""Commands that remove from the log, or copy it."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from service.audit.act import Actor
from service.audit.commands.actors import reader_option
from service.audit.commands.command_group import (
    AMOUNT,
    FILE,
    actor_options,
    audit,
    counted,
    pass_db,
    reading,
    wait_option,
    write_line,
    writing,
)
from service.audit.commands.recorded_reads import recorded
from service.audit.file.backup import back_up
from service.audit.keep.clock import Clock
from service.audit.keep.erasure import erase
from service.audit.keep.pruned import add_prune_act, summarize
from service.audit.keep.redaction import count_redacted
from service.audit.keep.redaction import redact as redact_requests
from service.audit.keep.removal import remove_unused_facets
from service.audit.keep.retention import Limits, prune_step
from service.audit.keep.retention_state import look
from service.audit.write.logfile import LogFile
from service.errors import AuditHeld, AuditMisuse

_PRUNE_ROWS = 2_000
"""Requests that a step of ``prune`` removes."""
_PRUNE_PAUSE_S = 0.02
"""Pause between two steps, in which others write."""


@audit.command
@click.option("--keep-days", type=AMOUNT, metavar="DAYS", help="remove older requests")
@click.option("--max-bytes", type=int, metavar="BYTES", help="remove requests until the log is this short")
@click.option("--trust-clock", is_flag=True, help="remove even all of the log, if it is too old by the clock")
@actor_options
@wait_option
@pass_db
def prune(
    db: Path,
    keep_days: float | None,
    max_bytes: int | None,
    trust_clock: bool,
    actor: Actor,
    reason: str,
    wait: float,
) -> None:
    """Remove the oldest requests beyond the limits, given or configured.

    Every trace of what was removed is erased from the log's files.
    """
    limits = _limits(keep_days, max_bytes)
    removed, clock = 0, None if trust_clock else Clock()
    with writing(db) as file:
        with file.transaction() as (connection, log_tail):
            summarize(connection, log_tail)
        while step := _prune_step(file, limits, clock):
            removed += step
            time.sleep(_PRUNE_PAUSE_S)
        with file.transaction() as (connection, log_tail):
            remove_unused_facets(connection)
            summarize(connection, log_tail, removed)
            add_prune_act(connection, log_tail, actor, removed, reason, **limits._asdict())
            kept = look(connection, limits, datetime.now(UTC))
    erase(db, wait)
    write_line(f"{counted(removed, 'request')} pruned")
    if kept.hold is not None:
        raise AuditHeld("Requests beyond the limits cannot be pruned", kept.hold)
    if kept.is_full:
        raise AuditMisuse(
            f"The log is longer than {limits.max_bytes} bytes: its requests are younger than the "
            f"{limits.keep_at_least_days:g} days of TABENTO_AUDIT_KEEP_AT_LEAST_DAYS"
        )


def _limits(keep_days: float | None, max_bytes: int | None) -> Limits:
    """The limits given, else those configured, with the configured floor."""
    from service.settings import load_settings

    settings = load_settings()
    floor = settings.audit_keep_at_least_days
    if keep_days is None and max_bytes is None:
        keep_days, max_bytes = settings.audit_keep_days, settings.audit_max_bytes
    if keep_days is None and max_bytes is None:
        raise AuditMisuse(
            "No limit is set: give --keep-days or --max-bytes, or set TABENTO_AUDIT_KEEP_DAYS or "
            "TABENTO_AUDIT_MAX_BYTES"
        )
    if keep_days is not None and floor is not None and keep_days < floor:
        raise AuditMisuse(
            f"--keep-days {keep_days:g} is less than the {floor:g} days of TABENTO_AUDIT_KEEP_AT_LEAST_DAYS"
        )
    return Limits(keep_days, max_bytes, floor)


def _prune_step(file: LogFile, limits: Limits, clock: Clock | None) -> int:
    with file.transaction() as (connection, log_tail):
        now = datetime.now(UTC)
        if clock is not None and limits.clock_keep is not None:
            trusted = clock.now(connection, limits.clock_keep)
            if clock.is_suspect:
                raise AuditMisuse(
                    f"The clock says {now:%Y-%m-%d %H:%M} UTC, by which all of the log would be too old: its "
                    f"newest date is {trusted:%Y-%m-%d %H:%M}. If the clock is right, add --trust-clock"
                )
        return prune_step(connection, log_tail, limits, now, _PRUNE_ROWS)


@audit.command
@click.option("--request-id", required=True, metavar="ID")
@actor_options
@wait_option
@pass_db
def redact(db: Path, request_id: str, actor: Actor, reason: str, wait: float) -> None:
    """Remove the content of a request, and keep its proof.

    Nothing of the content is left in the log's files. Backups and exports keep it. The command reads the
    whole log, which takes minutes per GB.
    """
    with writing(db) as file:
        count = redact_requests(file, request_id, actor, reason, wait)
        before = count_redacted(file, request_id) - count
    if count + before == 0:
        raise AuditMisuse(f"The log has no request {request_id!r}")
    write_line(f"{counted(count, 'request')} redacted" + (f", {before} redacted before" if before else ""))


@audit.command
@click.argument("file", type=FILE)
@reader_option
@pass_db
def backup(db: Path, file: Path, actor: Actor) -> None:
    """Copy the log to a new FILE, while it is written."""
    if file.exists():
        raise AuditMisuse(f"{file} exists already, and a backup replaces nothing")
    filters = {"file": str(file.absolute())}
    with recorded(db, actor, "backup", of="backup", filters=filters), reading(db) as connection:
        back_up(connection, file)
    write_line(str(file))
