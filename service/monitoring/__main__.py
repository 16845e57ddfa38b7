"""``python -m service.monitoring``: what monitoring found, as text, as JSON or as a page.

Exit code 0; 1 if there is an alarm; 2 with one sentence on stderr if there is nothing to show.
"""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter

from service.audit.query.history import Moment
from service.errors import ReportUnwritable
from service.monitoring.assessment import Assessment
from service.monitoring.assessment_of import assessment_of
from service.monitoring.report.html_page import html_page
from service.monitoring.report.status_text import status_text
from service.system.command_line import HELP, Checked, run

_FILE = click.Path(path_type=Path)
_MOMENT = Checked("TIME", TypeAdapter(Moment))
_ALARM = 1

Command = Callable[..., Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return run(monitoring, "python -m service.monitoring", arguments)


def which(command: Command) -> Command:
    """``--db`` and ``--model``."""
    text = "the file of monitoring; by default TABENTO_MONITORING_DB, or tabento-monitoring.db beside the log"
    command = click.option("--db", type=_FILE, metavar="FILE", help=text)(command)
    text = "id, name or tag of a model; by default the one that was assessed last"
    return click.option("--model", metavar="NAME", help=text)(command)


@click.group(context_settings=HELP)
def monitoring() -> None:
    """Show drift and live quality. The exit code is 1 if there is an alarm."""


@monitoring.command
@click.option("--json", "as_json", is_flag=True, help="as GET /monitoring gives it")
@which
def status(db: Path | None, model: str | None, as_json: bool) -> int:
    """Write the newest assessment: verdicts, alarms, figures with intervals, and ages."""
    assessment = assessment_of(_path(db), model=model)
    text = f"{assessment.model_dump_json(indent=2)}\n" if as_json else _status(assessment)
    sys.stdout.write(text)
    return _exit_code(assessment)


@monitoring.command
@click.option("--since", type=_MOMENT, metavar="TIME", help="of windows that begin at this time or later")
@click.option("--until", type=_MOMENT, metavar="TIME", help="of windows that begin before this time")
@click.option("--html", type=_FILE, metavar="FILE", help="write a page that needs no other file")
@which
def report(
    db: Path | None, model: str | None, since: datetime | None, until: datetime | None, html: Path | None
) -> int:
    """Write a report as a page (--html), or as text.

    Without --since and --until it is of the newest assessment. With them, the same is computed of the windows
    that begin within that time.
    """
    assessment = assessment_of(_path(db), model=model, since=since, until=until)
    if html is None:
        sys.stdout.write(_status(assessment))
    else:
        _write(html, html_page(assessment))
    return _exit_code(assessment)


def _path(db: Path | None) -> Path:
    if db is not None:
        return db
    from service.settings import load_settings

    return load_settings().monitoring_path


def _status(assessment: Assessment) -> str:
    return status_text(assessment, datetime.now(UTC))


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ReportUnwritable(file, error.strerror or repr(error)) from error


def _exit_code(assessment: Assessment) -> int:
    return _ALARM if assessment.status == "alarm" else 0


if __name__ == "__main__":
    sys.exit(main())
