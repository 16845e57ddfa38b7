"""What each command of ``python -m service.audit`` does; it gives the exit code."""

import sys
from argparse import Namespace
from contextlib import closing
from pathlib import Path

from service.audit import verify as verification
from service.audit.anchor import take_anchor
from service.audit.database import open_for_reading, refusing
from service.audit.reader import AuditReader


def path(db: Path, _: Namespace) -> int:
    """Write where the log is."""
    return _say(str(db))


def head(db: Path, _: Namespace) -> int:
    """Write the heads of the chains as JSON."""
    with closing(open_for_reading(db)) as connection, refusing(db), connection:
        anchor = take_anchor(connection)
    return _say(anchor.model_dump_json(indent=2))


def verify(db: Path, options: Namespace) -> int:
    """Write what verification found."""
    report = verification.verify(db, options.anchor)
    for problem in report.problems:
        _say(f"{problem.kind}: {problem}")
    counts = f"{report.records} records and {report.events} events in {report.chains} chains"
    more = f", {report.redacted} redacted" if report.redacted else ""
    more += f", {report.pruned} entries pruned" if report.pruned else ""
    _say(f"{'ok' if report.ok else 'broken'}: {counts}{more}")
    return 0 if report.ok else 1


def export(db: Path, _: Namespace) -> int:
    """Write every request."""
    for request in AuditReader(db).records():
        sys.stdout.write(f"{request.model_dump_json()}\n")
    return 0


def _say(line: str) -> int:
    sys.stdout.write(f"{line}\n")
    return 0
