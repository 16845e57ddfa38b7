"""The prediction log: every response is recorded here before it is sent.

In come records, from several worker processes at once, into one SQLite file. Out go outcomes, pages of the
history, rows for analysis, and proof that the log is as it was written. The rooms, from the top; imports
point down:

    commands/    the command line ``python -m service.audit``
    outcome/     what was true of predictions, or decided: validated, matched, made into records
    write/       from ``AuditLog.append`` over a socket to the writer process, and one commit for many records
    query/       the history, every request for export, rows by SQL
    receipt/     receipts and bundles, which prove records without the log
    keep/        retention, redaction, erasure, export
    prove/       verification, anchors, read-back
    witness/     signed checkpoints, and the places that keep them
    tree/        the Merkle tree over all entries
    file/        the database, its schema and migrations, the appending of entries
    ipc/         messages between a worker and its processes
    columns.py   the columns of a record; act.py an act of the ledger; chain.py the format of the hash chains;
                 utc_text.py that of a moment

All access is through apsw, which brings its own SQLite. The standard library's ``sqlite3`` uses the system's,
and SQLite 3.7.0 to 3.51.2 can corrupt a WAL file that several connections use. The two must not open the same
file in one process: each would drop the POSIX locks of the other.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path


def read(
    statement: str,
    values: Sequence[str | bytes | int | float | None] = (),
    db: Path | None = None,
    by: str | None = None,
) -> Iterator[dict[str, str | bytes | int | float | None]]:
    """The rows of a SELECT as of one moment, each by the names of its columns.

    ``pandas.DataFrame(read("SELECT ..."))`` is a table of them. The log is opened read-only. Its WAL cannot
    restart until all rows are read or the iterator is closed. ``db`` is by default TABENTO_AUDIT_DB. Raises
    AuditUnusable, or AuditMisuse if the statement cannot be run.

    The ledger states the read before the first row, with the SHA-256 of the statement and the name ``by``, by
    default that of the account. If the log cannot be written, a warning is logged.
    """
    # Imported here, because a process that writes the log needs none of it and starts sooner without it.
    from service.audit.query.rows import read_rows
    from service.audit.write.statement_act import record_statement

    if db is None:
        from service.settings import load_settings

        db = load_settings().audit_db
    return read_rows(statement, values, db, before_rows=partial(record_statement, db, statement, by))
