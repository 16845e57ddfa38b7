"""The group of the commands, and what they share: the log, their options, and how they write."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import apsw
import click
from pydantic import Field, TypeAdapter

from service.access.two_keys import names_of_two_keys
from service.audit.act import Actor
from service.audit.commands.actors import claim_options
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.keep.erasure import PATIENCE_S
from service.audit.query.history import Moment
from service.audit.write.logfile import LogFile
from service.system.command_line import HELP, Checked

FILE = click.Path(path_type=Path)
MOMENT = Checked("TIME", TypeAdapter(Moment))
AMOUNT = Checked("NUMBER", TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)]))

Command = Callable[..., Any]


def wait_option(command: Command) -> Command:
    """``--wait`` for the readers of the log."""
    text = "how long to wait for readers of the log, before which nothing is erased (default: 30)"
    return click.option("--wait", type=AMOUNT, default=PATIENCE_S, metavar="SECONDS", help=text)(command)


def actor_options(command: Command) -> Command:
    """``--by``, ``--reason`` and ``--key-file`` of an act that removes, as ``actor`` and ``reason``.

    Two different keys are required if TABENTO_AUDIT_TWO_KEYS is set; the act's detail then names them.
    """

    @claim_options
    @wraps(command)
    def run(*arguments: object, actor: Actor, key_files: Sequence[Path], **options: object) -> Any:
        return command(*arguments, actor=_with_keys(actor, key_files), **options)

    text = "a file with an API key of the scope privacy; two if TABENTO_AUDIT_TWO_KEYS is set"
    return click.option("--key-file", "key_files", type=FILE, multiple=True, metavar="FILE", help=text)(run)


def _with_keys(actor: Actor, key_files: Sequence[Path]) -> Actor:
    from service.settings import load_settings

    settings = load_settings()
    if not (settings.audit_two_keys or key_files):
        return actor
    return actor._replace(key_names=names_of_two_keys(settings.api_keys_file, key_files))


@click.group(context_settings=HELP)
@click.option("--db", type=FILE, metavar="PATH", help="the log; by default TABENTO_AUDIT_DB")
@click.pass_context
def audit(context: click.Context, db: Path | None) -> None:
    """Read, check and maintain the audit log."""
    context.obj = db


def pass_db(command: Command) -> Command:
    """The path of the log, given or configured, as the first argument."""

    @wraps(command)
    def run(db: Path | None, **options: object) -> Any:
        if db is None:
            from service.settings import load_settings

            db = load_settings().audit_db
        return command(db, **options)

    return click.pass_obj(run)


@contextmanager
def reading(db: Path) -> Iterator[apsw.Connection]:
    """The log, open read-only; raises AuditUnusable."""
    with closing(open_for_reading(db)) as connection, errors_as_unusable(db):
        yield connection


@contextmanager
def writing(db: Path) -> Iterator[LogFile]:
    """An existing log of the latest schema, to write to; raises AuditUnusable."""
    open_for_reading(db).close()  # No command creates a log, or migrates one.
    with closing(LogFile(db)) as file, errors_as_unusable(db):
        yield file


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, in the singular or the plural."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def write_line(line: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{line}\n")
