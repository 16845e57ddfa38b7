"""The commands of ``python -m service.audit``. Each returns its exit code, or nothing for 0."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import apsw
import click
from pydantic import Field, TypeAdapter

from service.audit.file.backup import back_up
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.keep import export as exporting
from service.audit.keep.clock import Clock
from service.audit.keep.erasure import PATIENCE_S, erase
from service.audit.keep.redaction import count_redacted
from service.audit.keep.redaction import redact as redact_requests
from service.audit.keep.removal import remove_unused_facets
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove import verify as verification
from service.audit.prove.anchor import take_anchor
from service.audit.query.history import Moment
from service.audit.query.log_status import log_status
from service.audit.query.reader import AuditReader, LoggedRequest
from service.audit.write.logfile import LogFile
from service.errors import AuditMisuse
from service.system.command_line import HELP, Checked

_FOLLOW_INTERVAL_S = 0.5
_PRUNE_ROWS = 2_000
"""Requests that a step of ``prune`` removes."""
_PRUNE_PAUSE_S = 0.02
"""Pause between two steps, in which others write."""

_FILE = click.Path(path_type=Path)
_MOMENT = Checked("TIME", TypeAdapter(Moment))
_AMOUNT = Checked("NUMBER", TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)]))

Command = Callable[..., Any]


def _wait_option(command: Command) -> Command:
    text = "how long to wait for readers of the log, before which nothing is erased (default: 30)"
    return click.option("--wait", type=_AMOUNT, default=PATIENCE_S, metavar="SECONDS", help=text)(command)


@click.group(context_settings=HELP)
@click.option("--db", type=_FILE, metavar="PATH", help="the log; by default TABENTO_AUDIT_DB")
@click.pass_context
def audit(context: click.Context, db: Path | None) -> None:
    """Read, check and maintain the audit log."""
    context.obj = db


def _pass_db(command: Command) -> Command:
    @wraps(command)
    def run(db: Path | None, **options: object) -> Any:
        if db is None:
            from service.settings import load_settings

            db = load_settings().audit_db
        return command(db, **options)

    return click.pass_obj(run)


@audit.command
@_pass_db
def path(db: Path) -> None:
    """Write the path of the log."""
    _write_line(str(db))


@audit.command
@_pass_db
def status(db: Path) -> None:
    """Write the log's size, counts, schema and chains, as JSON."""
    with _reading(db) as connection, connection:
        state = log_status(connection, db)
    _write_line(state.model_dump_json(indent=2))


@audit.command
@click.option("--lines", "-n", type=int, default=10, metavar="N", help="how many (default: 10)")
@click.option("--follow", "-f", is_flag=True, help="also write new requests, until interrupted")
@_pass_db
def tail(db: Path, lines: int, follow: bool) -> None:
    """Write the last requests, one JSON object a line."""
    reader = AuditReader(db)
    seen = 0 if lines else reader.last_id()
    for request in reader.last_records(lines):
        seen = _write_request(request)
    while follow:
        sys.stdout.flush()
        time.sleep(_FOLLOW_INTERVAL_S)
        for request in reader.records(after=seen):
            seen = _write_request(request)


@audit.command
@click.option("--format", "format_", type=click.Choice(exporting.FORMATS), default="jsonl", show_default=True)
@click.option("--since", type=_MOMENT, metavar="TIME", help="received at this time or later")
@click.option("--until", type=_MOMENT, metavar="TIME", help="received before this time")
@click.option("--label", help="with at least one row of this label")
@click.option("--output", type=_FILE, metavar="FILE", help="by default stdout")
@_pass_db
def export(
    db: Path,
    format_: str,
    since: datetime | None,
    until: datetime | None,
    label: str | None,
    output: Path | None,
) -> None:
    """Write every request, oldest first.

    In CSV, a text that a spreadsheet would run as a formula gets an apostrophe before it: one that begins
    with = + - @, a tab or the end of a line, also behind double quotes, or with an apostrophe. To get the
    original texts back, remove the first apostrophe of those that begin with one.
    """
    if since is not None and until is not None and since > until:
        raise AuditMisuse(f"The range is backwards: {since} is after {until}")
    requests = AuditReader(db).records(since=since, until=until, label=label)
    exporting.export(requests, format_, output)


@audit.command
@click.option("--anchor", type=_FILE, metavar="FILE", help="the output of an earlier `head`")
@_pass_db
def verify(db: Path, anchor: Path | None) -> int:
    """Walk the hash chains and name the first broken entry of each."""
    report = verification.verify(db, anchor)
    for problem in report.problems:
        _write_line(f"{problem.kind}: {problem}")
    counts = f"{_counted(report.records, 'record')} and {_counted(report.events, 'event')}"
    counts += f" in {_counted(report.chains, 'chain')}"
    more = f", {report.redacted} redacted" if report.redacted else ""
    more += f", {_counted(report.pruned, 'entry', 'entries')} pruned" if report.pruned else ""
    more += f", {_counted(report.unused_facets, 'facet')} of no request" if report.unused_facets else ""
    _write_line(f"{'ok' if report.ok else 'broken'}: {counts}{more}")
    return 0 if report.ok else 1


@audit.command
@_pass_db
def head(db: Path) -> None:
    """Write the heads of the chains, to keep elsewhere as an anchor."""
    with _reading(db) as connection, connection:
        anchor = take_anchor(connection)
    _write_line(anchor.model_dump_json(indent=2))


@audit.command
@click.option("--keep-days", type=_AMOUNT, metavar="DAYS", help="remove older requests")
@click.option("--max-bytes", type=int, metavar="BYTES", help="remove requests until the log is this short")
@click.option("--trust-clock", is_flag=True, help="remove even all of the log, if it is too old by the clock")
@_wait_option
@_pass_db
def prune(db: Path, keep_days: float | None, max_bytes: int | None, trust_clock: bool, wait: float) -> None:
    """Remove the oldest requests beyond the limits, given or configured.

    Every trace of what was removed is erased from the log's files.
    """
    limits = Limits(keep_days, max_bytes) or _configured_limits()
    removed, clock = 0, None if trust_clock else Clock()
    with _writing(db) as file:
        while step := _prune_step(file, limits, clock):
            removed += step
            time.sleep(_PRUNE_PAUSE_S)
        with file.transaction() as (connection, _):
            remove_unused_facets(connection)
    erase(db, wait)
    _write_line(f"{_counted(removed, 'request')} pruned")


def _configured_limits() -> Limits:
    from service.settings import load_settings

    settings = load_settings()
    limits = Limits(settings.audit_keep_days, settings.audit_max_bytes)
    if not limits:
        raise AuditMisuse(
            "No limit is set: give --keep-days or --max-bytes, or set TABENTO_AUDIT_KEEP_DAYS or "
            "TABENTO_AUDIT_MAX_BYTES"
        )
    return limits


def _prune_step(file: LogFile, limits: Limits, clock: Clock | None) -> int:
    with file.transaction() as (connection, log_tail):
        now = datetime.now(UTC)
        if clock is not None and limits.keep is not None:
            trusted = clock.now(connection, limits.keep)
            if clock.is_suspect:
                raise AuditMisuse(
                    f"The clock says {now:%Y-%m-%d %H:%M} UTC, by which all of the log would be too old: its "
                    f"newest date is {trusted:%Y-%m-%d %H:%M}. If the clock is right, add --trust-clock"
                )
        return prune_step(connection, log_tail, limits, now, _PRUNE_ROWS)


@audit.command
@click.option("--request-id", required=True, metavar="ID")
@click.option("--reason", metavar="TEXT", help="recorded with the redaction")
@_wait_option
@_pass_db
def redact(db: Path, request_id: str, reason: str | None, wait: float) -> None:
    """Remove the content of a request, and keep its proof.

    Nothing of the content is left in the log's files. Backups and exports keep it. The command reads the
    whole log, which takes minutes per GB.
    """
    with _writing(db) as file:
        count = redact_requests(file, request_id, reason, wait)
        before = count_redacted(file, request_id) - count
    if count + before == 0:
        raise AuditMisuse(f"The log has no request {request_id!r}")
    _write_line(f"{_counted(count, 'request')} redacted" + (f", {before} redacted before" if before else ""))


@audit.command
@click.argument("file", type=_FILE)
@_pass_db
def backup(db: Path, file: Path) -> None:
    """Copy the log to a new FILE, while it is written."""
    if file.exists():
        raise AuditMisuse(f"{file} exists already, and a backup replaces nothing")
    with _reading(db) as connection:
        back_up(connection, file)
    _write_line(str(file))


@contextmanager
def _reading(db: Path) -> Iterator[apsw.Connection]:
    with closing(open_for_reading(db)) as connection, errors_as_unusable(db):
        yield connection


@contextmanager
def _writing(db: Path) -> Iterator[LogFile]:
    open_for_reading(db).close()  # No command creates a log, or migrates one.
    with closing(LogFile(db)) as file, errors_as_unusable(db):
        yield file


def _write_request(request: LoggedRequest) -> int:
    _write_line(request.model_dump_json())
    return request.id


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
