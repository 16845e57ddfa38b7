"""What the tests of the audit log share: records, logs full of them, other processes that write or lock."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import psutil

from service.audit.__main__ import main
from service.audit.act import Actor
from service.audit.chain import SALT_BYTES
from service.audit.columns import PackedRecord
from service.audit.file.entry import Entry, make_entry
from service.audit.query.reader import AuditReader, LoggedRequest
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord, pack
from tests.support.run_here import run_here
from tests.support.servers import children

PROJECT = Path(__file__).parents[3]
APPENDER = Path(__file__).with_name("appender.py")

NINE = datetime(2026, 7, 4, 9, 0, tzinfo=UTC)

ANSWERED = AuditRecord(
    request_id="r-1",
    received_utc=NINE,
    transport="http",
    route="/predict",
    status=200,
    duration_ms=1.25,
    client="192.0.2.7",
    model_name="iris_logistic_regression",
    model_version="3",
    rows=1,
    request=b'{"petal_length": 1.4, "petal_width": null}',
    response=b'{"prediction": "setosa", "confidence": 0.97}',
    predictions=[("setosa", 0.97)],
)
REFUSED = replace(
    ANSWERED,
    status=422,
    rows=0,
    request=b'{"petal_length": "long"}',
    response=b'{"status": 422}',
    predictions=(),
)

HARD = replace(
    ANSWERED,
    request_id='quote " slash \\ / tab \t del \x7f line \u2028 größe \U0001f984',
    duration_ms=-0.0,
    client=None,
    request=b"\xff\x00",
    predictions=[("1", 0.29), (1, 0.5), (True, 1.0), ("ä", 0.57), ("ä", 0.999)],
    rows=5,
    flags=2,
    key_name="robot",
)
ADA = ("--by", "Ada", "--reason", "asked for by the person")
"""The options of a command that needs an actor and a reason."""
BY_ADA = Actor("Ada", "shell", "operator"), "asked for by the person"

HOLD_THE_LOCK = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.set_busy_timeout(60_000)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


def numbered(count: int, first: int = 1) -> list[AuditRecord]:
    """Answered records ``r-1``, ``r-2``..., received a second apart."""
    return [
        replace(ANSWERED, request_id=f"r-{number}", received_utc=NINE + timedelta(seconds=number))
        for number in range(first, first + count)
    ]


def entries(records: Iterable[AuditRecord]) -> list[Entry]:
    """The records as rows."""
    return [make_entry(pack(record), os.urandom(SALT_BYTES)) for record in records]


def packed(records: Iterable[AuditRecord]) -> list[PackedRecord]:
    """The records as the log's file takes them."""
    return [pack(record) for record in records]


def write(db: Path, *records: AuditRecord) -> None:
    """Append the records in their order, as a writer that starts and stops; with no records, make the log."""
    with closing(LogFile(db)) as file:
        if records:
            file.write(packed(records))


def read(db: Path) -> list[LoggedRequest]:
    """Every request of the log, oldest first."""
    return list(AuditReader(db).records())


def request_ids(requests: Iterable[AuditRecord | LoggedRequest]) -> list[str]:
    return [request.request_id for request in requests]


def command(*arguments: object, **environment: str) -> CompletedProcess[str]:
    """What ``python -m service.audit`` does, in this process."""
    return run_here(main, *arguments, **environment)


def appender(db: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that appends ``name-0``, ``name-1``... and says each once it is committed."""
    command = [sys.executable, str(APPENDER), str(db), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT)


def writing(db: Path) -> psutil.Process:
    """The process that writes the log for this one, which may have other children."""
    (found,) = children(psutil.Process(), str(db))
    return found


@contextmanager
def locked(db: Path) -> Iterator[None]:
    """While it lasts, another process holds the log's write lock."""
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.communicate()
