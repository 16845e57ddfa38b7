"""One act of a process that does not serve: a command, or a program that reads the log."""

from contextlib import closing
from pathlib import Path

from service.audit.act import Act
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.write.logfile import LogFile


def append_act(path: Path, act: Act) -> None:
    """Commit an act to an existing log of the latest schema; raises AuditUnusable."""
    open_for_reading(path).close()  # Neither creates a log nor migrates one.
    with closing(LogFile(path)) as file, errors_as_unusable(path), file.transaction() as (_, tail):
        tail.add_act(act)


def unstated(act: Act, path: Path, reason: str) -> str:
    """The warning where an act cannot be written, as to a medium that is read-only."""
    return f"The ledger of the audit log {path} does not state this {act.kind}: {reason}"
