"""How a command that reads records states this in the ledger.

A log that cannot be written, such as a copy on a read-only medium, can be read all the same. A warning on
stderr says then that the ledger does not state it.
"""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from service.audit.act import Act, Actor
from service.audit.file.database import open_for_reading
from service.audit.query.read_acts import ReadIds, read_act
from service.audit.write.single_act import append_act, unstated
from service.errors import AuditUnusable


def record(db: Path, act: Act) -> None:
    """Append the act, or write a warning if that cannot be done."""
    try:
        append_act(db, act)
    except AuditUnusable as error:
        sys.stderr.write(f"{unstated(act, db, error.reason)}.\n")


@contextmanager
def recorded(
    db: Path,
    actor: Actor,
    kind: Literal["read", "export", "backup"],
    *,
    of: str,
    filters: Mapping[str, object],
    ids: ReadIds | None = None,
) -> Iterator[None]:
    """State the begin of a long read before the first record, and its end with the ids, whatever ends it.

    Raises AuditUnusable if the log cannot be read.
    """
    open_for_reading(db).close()
    act = partial(read_act, actor, of=of, filters=filters, kind=kind)
    record(db, act(ids=None, stage="begun"))
    try:
        yield
    except BaseException:
        record(db, act(ids=ids, stage="interrupted"))
        raise
    record(db, act(ids=ids, stage="ended"))


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM interrupt what is inside, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
