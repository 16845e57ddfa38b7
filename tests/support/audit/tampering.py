"""A log of several writers, and copies of it to tamper with."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import apsw

from service.audit.act import model_act
from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import Report, verify
from service.audit.write.logfile import LogFile
from service.audit.write.record import pack
from service.model.model_id import canonical_json, model_id_of
from tests.support.audit.log_files import anchor
from tests.support.audit.logs import BY_ADA, HARD, REFUSED, numbered, write
from tests.support.audit.outcomes import decision_on, outcome_of

IRIS_CARD: dict[str, object] = {"tag": "iris:1"}
IRIS_ID = model_id_of(canonical_json(IRIS_CARD))


def pruned_and_redacted(folder: Path) -> Path:
    """A log of several writers, pruned at its beginning and redacted, in order."""
    db = folder / "audit.db"
    write(db, *numbered(12), REFUSED)
    with closing(LogFile(db)) as file:
        file.declare(model_act(IRIS_ID, IRIS_CARD))
        file.write([pack(replace(HARD, model_id=IRIS_ID, subject="ab12"))])
    write(db, HARD, *numbered(6, first=20))
    file = LogFile(db, 5_000)
    with file.transaction() as (connection, tail):
        assert prune_step(connection, tail, Limits(keep_days=0.0), datetime(2030, 1, 1, tzinfo=UTC), 5) == 5
    assert redact(file, "r-21", *BY_ADA) == 1
    file.close()
    write(
        db,
        *numbered(4, first=30),
        outcome_of("r-30", "virginica", observed_utc="2026-07-04T09:30:00.000000Z", source="laboratory"),
        decision_on("r-30", row=7, reason_code="R1"),
    )
    report = verify(db, anchor(db))
    assert report.problems == []
    assert report.acts == 2
    assert (report.chains, report.records, report.events, report.pruned, report.redacted) == (5, 22, 1, 5, 1)
    return db


@contextmanager
def copied(original: Path) -> Iterator[apsw.Connection]:
    """A connection to a copy of the log."""
    copy = original.with_name("copy.db")
    for name in (copy.name, f"{copy.name}-wal", f"{copy.name}-shm"):
        copy.with_name(name).unlink(missing_ok=True)
    shutil.copy(original, copy)
    connection = apsw.Connection(str(copy))
    connection.pragma("synchronous", "OFF")  # The copy need not outlive the machine.
    try:
        yield connection
    finally:
        connection.close()


def check(connection: apsw.Connection, original: Path, *, with_anchor: bool = False) -> Report:
    path = Path(connection.filename)
    return verify(path, original.with_suffix(".anchor") if with_anchor else None)
