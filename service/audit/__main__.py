"""The log's command line: ``python -m service.audit``.

Exit code 0; 1 where ``verify`` found something; 2 with one sentence on stderr where a command cannot do
what it is asked for.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from service.audit import commands
from service.audit.keep.erasure import PATIENCE_S
from service.audit.keep.export import FORMATS
from service.audit.query.history import Moment
from service.errors import StartError

Command = Callable[[Path, argparse.Namespace], int]

_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_AMOUNT: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        run: Command = options.run
        code = run(options.db or _configured_path(), options)
        sys.stdout.flush()
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:  # How `tail --follow` ends.
        return 0
    except BrokenPipeError:
        # Whoever read has enough, as in `| head -1`. The interpreter flushes stdout once more at its end,
        # which must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.audit", description="Read, check and keep the audit log."
    )
    parser.add_argument("--db", type=Path, metavar="PATH", help="the log; by default TABENTO_AUDIT_DB")
    added = parser.add_subparsers(dest="command", required=True)

    def command(run: Command, text: str, more: str = "") -> argparse.ArgumentParser:
        one = added.add_parser(run.__name__, help=text, description=f"{text}{more}")
        one.set_defaults(run=run)
        return one

    command(commands.path, "write the path of the log")
    command(commands.status, "size, counts, oldest and newest, schema, chains, as JSON")
    one = command(commands.tail, "write the last requests, a JSON object a line")
    one.add_argument("--lines", "-n", type=int, default=10, metavar="N")
    one.add_argument("--follow", "-f", action="store_true", help="and those that come, until interrupted")
    one = command(
        commands.export,
        "write every request, oldest first",
        ". In CSV a text that begins with one of = + - @, a tab or the end of a line, also behind double "
        "quotes, or with an apostrophe, gets an apostrophe before it, or a spreadsheet would run it as a "
        "formula. Without the first apostrophe of those that have one, all are as they were.",
    )
    one.add_argument("--format", default="jsonl", help=f"{', '.join(FORMATS)} (default: jsonl)")
    one.add_argument("--since", type=_moment, metavar="TIME", help="received then or later")
    one.add_argument("--until", type=_moment, metavar="TIME", help="received before then")
    one.add_argument("--label", help="with at least one row of this label")
    one.add_argument("--output", type=Path, metavar="FILE", help="by default stdout")
    one = command(commands.verify, "walk the hash chains, and name the first broken entry of each")
    one.add_argument("--anchor", type=Path, metavar="FILE", help="what `head` wrote earlier")
    command(commands.head, "write the heads of the chains, to be kept elsewhere as an anchor")
    one = command(commands.prune, "remove the oldest requests beyond the limits, given or configured")
    one.add_argument("--keep-days", type=_amount, metavar="DAYS")
    one.add_argument("--max-bytes", type=int, metavar="BYTES")
    text = "remove all of a log that is too old by the clock, which could as well be wrong"
    one.add_argument("--trust-clock", action="store_true", help=text)
    _add_wait(one)
    one = command(
        commands.redact,
        "remove the content of a request from the log's files, and keep its proof",
        ". Backups and exports are not reached. The whole log is read, in minutes a GB.",
    )
    one.add_argument("--request-id", required=True, metavar="ID")
    one.add_argument("--reason", metavar="TEXT", help="recorded with the redaction")
    _add_wait(one)
    one = command(commands.backup, "copy the log, while it is written, to a new file")
    one.add_argument("file", type=Path, metavar="FILE")
    return parser


def _add_wait(one: argparse.ArgumentParser) -> None:
    text = "how long to wait for those who read the log, before which nothing is erased (default: 30)"
    one.add_argument("--wait", type=_amount, default=PATIENCE_S, metavar="SECONDS", help=text)


def _amount(text: str) -> float:
    try:
        return _AMOUNT.validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.errors()[0]['msg']}") from error


def _moment(text: str) -> datetime:
    try:
        return _MOMENT.validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.errors()[0]['msg']}") from error


def _configured_path() -> Path:
    from service.settings import load_settings

    return load_settings().audit_db


if __name__ == "__main__":
    sys.exit(main())
