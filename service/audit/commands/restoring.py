"""The command that puts a backup in the place of the log."""

from pathlib import Path

import click

from service.audit.act import Actor
from service.audit.commands.command_group import (
    FILE,
    actor_options,
    audit,
    counted,
    pass_db,
    wait_option,
    write_line,
)
from service.audit.keep.restore import restore as restore_backup
from service.errors import AuditMisuse


@audit.command
@click.argument("file", type=FILE)
@actor_options
@wait_option
@pass_db
def restore(db: Path, file: Path, actor: Actor, reason: str, wait: float) -> None:
    """Replace the log by the backup FILE, after the service was stopped.

    The backup is verified first. What was redacted since it was taken is redacted in it again. The replaced
    log is kept beside it.
    """
    if not file.exists():
        raise AuditMisuse(f"There is no file {file}")
    done = restore_backup(file, db, actor, reason, wait)
    write_line(f"{db} restored from {file}, {counted(done.redacted, 'request')} redacted again")
    if done.replaced is not None:
        write_line(f"the replaced log is {done.replaced}")
    if not done.is_ledger_read:
        write_line("the replaced log cannot be read: its holds and, beyond the list of erasures, its "
                   "redactions are not known")  # fmt: skip
