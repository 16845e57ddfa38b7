"""Why MLflow failed, as a sentence with the remedy, from the errors of the libraries below it.

MLflow passes on what SQLAlchemy, alembic, SQLite and urllib3 raise, with their statements and addresses.
Most of these errors have no type of their own, so their texts are compared with the texts known here. Of any
other error, the first line is shown.
"""

import errno
from importlib.metadata import version
from pathlib import Path

import mlflow

_UNFINISHED = (
    "found version none",
    "online migration expected to match",
    "operationalerror) duplicate column name",
    "operationalerror) no such column",
    "operationalerror) no such table",
    "operationalerror) table ",
    "integrityerror) unique constraint failed: alembic_version",
    "integrityerror) unique constraint failed: experiments",
)
"""Errors of a database that another process is creating, in lower case."""

_REASONS = (
    (
        ("database or disk is full", "no space left on device", "disk quota exceeded"),
        "the disk is full. Free some space and train again.",
    ),
    (
        ("readonly database", "read-only file system", "permission denied"),
        "its files cannot be written. Make the folder writable, or name another store in "
        "MLFLOW_TRACKING_URI.",
    ),
    (
        ("unable to open database file",),
        "the database cannot be opened. Check that its folder exists and can be written.",
    ),
    (
        ("file is not a database", "disk image is malformed"),
        "the file is not an intact SQLite database. Name another store in MLFLOW_TRACKING_URI, or restore a "
        "backup.",
    ),
    (
        ("database is locked", "database table is locked"),
        "another process holds the database. Train again when it has finished.",
    ),
    (
        ("read timed out", "connect timeout", "timed out"),
        "the server did not answer in time. Check it, and train again.",
    ),
    (
        (
            "connection refused",
            "failed to establish a new connection",
            "connection aborted",
            "connection reset",
            "remote end closed",
            "max retries exceeded",
            "name or service not known",
            "failed to resolve",
            "too many 500 error responses",
            "too many 502 error responses",
            "too many 503 error responses",
        ),
        "the server cannot be reached. Check that it runs and that MLFLOW_TRACKING_URI is its address, and "
        "train again.",
    ),
)


def is_unfinished(error: BaseException) -> bool:
    """Whether an error may come from a database that another process is creating at this moment."""
    text = str(error).lower()
    return any(known in text for known in _UNFINISHED)


def reason_of(error: BaseException) -> str:
    """The reason and the remedy, as the end of a sentence and the following ones."""
    text = str(error)
    if is_unfinished(error):
        return (
            "the database is incomplete; another process may be creating it. Train again when it has "
            "finished. If there is none, delete the file or name another store in MLFLOW_TRACKING_URI."
        )
    if "out-of-date database schema" in text:
        return _other_schema(text)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = "no space left on device"
    lowered = text.lower()
    for known, reason in _REASONS:
        if any(each in lowered for each in known):
            return reason
    return text.partition("\n")[0]


def _other_schema(text: str) -> str:
    found = text.partition("found version ")[2].partition(",")[0]
    installed = version("mlflow")
    if _is_known(found):
        return (
            f"its database was made by an older MLflow than the installed {installed}. Back it up, and run "
            f"`mlflow db upgrade` with its address."
        )
    return (
        f"its database was made by a newer MLflow than the installed {installed}. Install that version, or "
        f"name another store in MLFLOW_TRACKING_URI."
    )


def _is_known(revision: str) -> bool:
    """Whether the installed MLflow has the migration that made this schema, a file named after it."""
    migrations = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    return any(path.name.startswith(f"{revision}_") for path in migrations.glob("*.py"))
