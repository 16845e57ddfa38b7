"""Commands that read the log."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NoReturn, get_args

import click

from service.audit.act import ActKind, Actor
from service.audit.commands.actors import reader_option
from service.audit.commands.command_group import FILE, MOMENT, audit, pass_db, reading, write_line
from service.audit.commands.recorded_reads import record, recorded, sigterm_as_interrupt
from service.audit.keep import export as exporting
from service.audit.query.acts import logged_acts
from service.audit.query.log_status import log_status
from service.audit.query.read_acts import ReadIds, read_act
from service.audit.query.reader import AuditReader, LoggedRequest
from service.errors import AuditMisuse

_FOLLOW_INTERVAL_S = 0.5


@audit.command
@pass_db
def path(db: Path) -> None:
    """Write the path of the log."""
    write_line(str(db))


@audit.command
@pass_db
def status(db: Path) -> None:
    """Write the log's size, counts, schema and chains, as JSON."""
    with reading(db) as connection, connection:
        state = log_status(connection, db)
    write_line(state.model_dump_json(indent=2))


@audit.command
@click.option("--lines", "-n", type=int, default=10, metavar="N", help="how many (default: 10)")
@click.option("--follow", "-f", is_flag=True, help="also write new requests, until interrupted")
@reader_option
@pass_db
def tail(db: Path, lines: int, follow: bool, actor: Actor) -> None:
    """Write the last requests, one JSON object a line."""
    reader = AuditReader(db)
    filters = {"lines": lines, "follow": follow}
    if follow:
        ids = ReadIds()
        with sigterm_as_interrupt(), recorded(db, actor, "read", of="tail", filters=filters, ids=ids):
            _follow(reader, lines, ids)
    requests = reader.last_records(lines)
    record(db, read_act(actor, of="tail", filters=filters, ids=(request.id for request in requests)))
    for request in requests:
        write_line(request.model_dump_json())


def _follow(reader: AuditReader, lines: int, ids: ReadIds) -> NoReturn:
    seen = reader.last_id()
    requests: Iterable[LoggedRequest] = reader.last_records(lines)
    while True:
        for request in requests:
            ids.add(request.id)
            seen = request.id
            write_line(request.model_dump_json())
        sys.stdout.flush()
        time.sleep(_FOLLOW_INTERVAL_S)
        requests = reader.records(after=seen)


@audit.command
@click.option("--format", "format_", type=click.Choice(exporting.FORMATS), default="jsonl", show_default=True)
@click.option("--since", type=MOMENT, metavar="TIME", help="received at this time or later")
@click.option("--until", type=MOMENT, metavar="TIME", help="received before this time")
@click.option("--label", help="with at least one row of this label")
@click.option("--output", type=FILE, metavar="FILE", help="by default stdout")
@reader_option
@pass_db
def export(
    db: Path,
    format_: str,
    since: datetime | None,
    until: datetime | None,
    label: str | None,
    output: Path | None,
    actor: Actor,
) -> None:
    """Write every request, oldest first.

    In CSV, a text that a spreadsheet would run as a formula gets an apostrophe before it: one that begins
    with = + - @, a tab or the end of a line, also behind double quotes, or with an apostrophe. To get the
    original texts back, remove the first apostrophe of those that begin with one.
    """
    if since is not None and until is not None and since > until:
        raise AuditMisuse(f"The range is backwards: {since} is after {until}")
    filters: dict[str, object] = {
        "format": format_,
        "since": since and since.isoformat(),
        "until": until and until.isoformat(),
        "label": label,
        "output": output and str(output.absolute()),
    }
    ids = ReadIds()
    with recorded(db, actor, "export", of="export", filters=filters, ids=ids):
        requests = AuditReader(db).records(since=since, until=until, label=label)
        exporting.export(_counted(requests, ids), format_, output)


def _counted(requests: Iterable[LoggedRequest], ids: ReadIds) -> Iterator[LoggedRequest]:
    for request in requests:
        ids.add(request.id)
        yield request


@audit.command
@click.option("--kind", type=click.Choice(get_args(ActKind)), help="only acts of this kind")
@click.option("--since", type=MOMENT, metavar="TIME", help="recorded at this time or later")
@click.option("--until", type=MOMENT, metavar="TIME", help="recorded before this time")
@pass_db
def ledger(db: Path, kind: str | None, since: datetime | None, until: datetime | None) -> None:
    """Write the acts of the ledger, oldest first, one JSON object a line."""
    for act in logged_acts(db, kind=kind, since=since, until=until):
        write_line(act.model_dump_json(exclude_none=True))
