"""What each command of ``python -m service.audit`` does; it gives the exit code."""

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import apsw

from service.audit.file.backup import back_up
from service.audit.file.database import open_for_reading, refusing
from service.audit.keep import export as exporting
from service.audit.keep.clock import Clock
from service.audit.keep.erasure import erase
from service.audit.keep.redaction import redact as redact_requests
from service.audit.keep.redaction import redacted
from service.audit.keep.removal import remove_unused_facets
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove import verify as verification
from service.audit.prove.anchor import take_anchor
from service.audit.query.log_status import log_status
from service.audit.query.reader import AuditReader, LoggedRequest
from service.audit.write.logfile import LogFile
from service.errors import AuditMisuse

_FOLLOW_INTERVAL_S = 0.5
_PRUNE_ROWS = 2_000
"""Requests that a step of ``prune`` removes."""
_PRUNE_PAUSE_S = 0.02
"""What it leaves between two steps to those who write."""


def path(db: Path, _: Namespace) -> int:
    """Write where the log is."""
    return _say(str(db))


def status(db: Path, _: Namespace) -> int:
    """Write what state the log is in, as JSON."""
    with _reading(db) as connection, connection:
        found = log_status(connection, db)
    return _say(found.model_dump_json(indent=2))


def head(db: Path, _: Namespace) -> int:
    """Write the heads of the chains, as JSON."""
    with _reading(db) as connection, connection:
        anchor = take_anchor(connection)
    return _say(anchor.model_dump_json(indent=2))


def verify(db: Path, options: Namespace) -> int:
    """Write what verification found; 1 if that is anything."""
    report = verification.verify(db, options.anchor)
    for problem in report.problems:
        _say(f"{problem.kind}: {problem}")
    counts = f"{_some(report.records, 'record')} and {_some(report.events, 'event')}"
    counts += f" in {_some(report.chains, 'chain')}"
    more = f", {report.redacted} redacted" if report.redacted else ""
    more += f", {_some(report.pruned, 'entry', 'entries')} pruned" if report.pruned else ""
    more += f", {_some(report.unused_facets, 'facet')} of no request" if report.unused_facets else ""
    _say(f"{'ok' if report.ok else 'broken'}: {counts}{more}")
    return 0 if report.ok else 1


def export(db: Path, options: Namespace) -> int:
    """Write the requests."""
    since, until = options.since, options.until
    if since is not None and until is not None and since > until:
        raise AuditMisuse(f"The range is backwards: {since} is after {until}")
    if options.format not in exporting.FORMATS:
        formats = ", ".join(exporting.FORMATS)
        raise AuditMisuse(f"There is no export format {options.format!r}; there are {formats}")
    requests = AuditReader(db).records(since=since, until=until, label=options.label)
    exporting.export(requests, options.format, options.output)
    return 0


def tail(db: Path, options: Namespace) -> int:
    """Write the last requests, and with ``--follow`` those that come."""
    reader = AuditReader(db)
    seen = 0 if options.lines else reader.last_id()
    for request in reader.last_records(options.lines):
        seen = _write(request)
    while options.follow:
        sys.stdout.flush()
        time.sleep(_FOLLOW_INTERVAL_S)
        for request in reader.records(after=seen):
            seen = _write(request)
    return 0


def prune(db: Path, options: Namespace) -> int:
    """Remove what is over the limits, given or configured, and every trace of what was removed before."""
    limits = Limits(options.keep_days, options.max_bytes)
    if not limits:
        from service.settings import load_settings

        settings = load_settings()
        limits = Limits(settings.audit_keep_days, settings.audit_max_bytes)
    if not limits:
        raise AuditMisuse(
            "Nothing says what to keep: give --keep-days or --max-bytes, or set TABENTO_AUDIT_KEEP_DAYS or "
            "TABENTO_AUDIT_MAX_BYTES"
        )
    removed, clock = 0, None if options.trust_clock else Clock()
    with _writing(db) as file:
        while step := _prune_step(file, limits, clock):
            removed += step
            time.sleep(_PRUNE_PAUSE_S)
        with file.transaction() as (connection, _):
            remove_unused_facets(connection)
    erase(db, options.wait)
    return _say(f"{_some(removed, 'request')} pruned")


def _prune_step(file: LogFile, limits: Limits, clock: Clock | None) -> int:
    with file.transaction() as (connection, log_tail):
        now = datetime.now(UTC)
        if clock is not None and limits.keep is not None:
            believed = clock.now(connection, limits.keep)
            if clock.is_doubted:
                raise AuditMisuse(
                    f"The clock says {now:%Y-%m-%d %H:%M} UTC, by which all of the log would be too old: its "
                    f"newest date is {believed:%Y-%m-%d %H:%M}. If the clock is right, add --trust-clock"
                )
        return prune_step(connection, log_tail, limits, now, _PRUNE_ROWS)


def redact(db: Path, options: Namespace) -> int:
    """Remove the content of a request for good."""
    with _writing(db) as file:
        count = redact_requests(file, options.request_id, options.reason, options.wait)
        before = redacted(file, options.request_id) - count
    if count + before == 0:
        raise AuditMisuse(f"The log has no request {options.request_id!r}")
    return _say(f"{_some(count, 'request')} redacted" + (f", {before} redacted before" if before else ""))


def backup(db: Path, options: Namespace) -> int:
    """Copy the log, while it is written, to a new file."""
    if options.file.exists():
        raise AuditMisuse(f"{options.file} exists already, and a backup replaces nothing")
    with _reading(db) as connection:
        back_up(connection, options.file)
    return _say(str(options.file))


@contextmanager
def _reading(db: Path) -> Iterator[apsw.Connection]:
    with closing(open_for_reading(db)) as connection, refusing(db):
        yield connection


@contextmanager
def _writing(db: Path) -> Iterator[LogFile]:
    open_for_reading(db).close()  # No command makes a log, or brings one to another schema.
    with closing(LogFile(db)) as file, refusing(db):
        yield file


def _write(request: LoggedRequest) -> int:
    sys.stdout.write(f"{request.model_dump_json()}\n")
    return request.id


def _some(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _say(line: str) -> int:
    sys.stdout.write(f"{line}\n")
    return 0
