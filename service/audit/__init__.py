"""The prediction log: what every answer is written to before it leaves the service.

One SQLite file, written for several worker processes at once. A record goes

    record.py    what is recorded of a request, and the summary of its labels
    writer.py    the log as a worker has it, at the end of a socket (channel.py, framing.py)

to the process that writes for this worker

    process.py   how it is started, and how it ends
    committer.py the loop that makes many waiting requests share one commit
    entry.py     a record as the rows that it becomes
    body.py      a body as it is kept, and as it is shown
    facet.py     the combinations of filters that the history has an index walk for
    chain.py     the hash chain: the format of what is hashed
    tail.py      the end of the log, where rows get their ids and their place in the chain
    logfile.py   one transaction of the file: all of a group, or nothing
    readback.py  what was committed, read back once a second (watch.py), the WAL byte by byte (wal.py)
    database.py  the file itself: opened, checked, refused with a reason
    schema.py    its tables, as numbered migrations; upgrade.py and backup.py belong to them

and back out again

    history.py   what can be asked, and the walks that answer it
    reader.py    the history page by page, and every request
    query/       pages for a worker, from a process of their own
    rows.py      rows as a SELECT gives them, for whoever analyses the log: ``service.audit.read``
    verify.py    every chain walked, from what checked.py reads, held against an anchor (anchor.py), and what
                 is wrong beside the chains (prove/structure.py)
    stored.py    values as they are stored in a log that may have been tampered with
    __main__.py  ``python -m service.audit``, whose commands.py says what each does

or out for good: retention.py, with keep/age.py and keep/clock.py, redaction.py, removal.py that both use,
and keep/erasure.py, which leaves nothing of it in the files.

Everything goes through apsw, which carries a SQLite of its own. The standard library's ``sqlite3`` links
whatever the system has, and SQLite 3.7.0 to 3.51.2 can corrupt a WAL file that several connections use.
Nor may the two meet on one file in one process: each would drop the other's POSIX locks.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path


def read(
    statement: str, values: Sequence[str | bytes | int | float | None] = (), db: Path | None = None
) -> Iterator[dict[str, str | bytes | int | float | None]]:
    """The rows that a SELECT gives, of one moment, each by the names of its columns.

    ``pandas.DataFrame(read("SELECT ..."))`` is a table of them. The log is opened read-only, and while rows
    are taken its WAL is kept, so take them all, or close the iterator. ``db`` is by default TABENTO_AUDIT_DB.
    Raises AuditUnusable, or AuditMisuse if the statement cannot be run.
    """
    # Imported here: a process that writes the log needs neither, and starts sooner.
    from service.audit.query.rows import read_rows

    if db is None:
        from service.settings import load_settings

        db = load_settings().audit_db
    return read_rows(statement, values, db)
