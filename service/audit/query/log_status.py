"""The state of the log, for ``python -m service.audit status``."""

from pathlib import Path
from typing import Any

import apsw
from pydantic import BaseModel, ConfigDict

from service.audit.columns import OUTCOME, SHADOWED
from service.audit.file import schema
from service.audit.file.side_files import wal_bytes
from service.audit.keep.pruned import pruned_total
from service.audit.keep.retention import ledger_bytes, used_bytes


class LogStatus(BaseModel):
    """The size of a log, its content and its chains."""

    model_config = ConfigDict(frozen=True)

    path: str
    log_id: str
    schema_number: int
    file_bytes: int
    used_bytes: int
    ledger_bytes: int
    """About how many of them the ledger takes, which the limit of size does not count."""
    wal_bytes: int
    requests: int
    outcomes: int
    """Records of outcomes, which `requests` does not count."""
    shadowed: int
    """Records of predictions in shadow, which `requests` does not count."""
    by_status: dict[str, int]
    oldest_utc: str | None
    newest_utc: str | None
    chains: int
    pruned_entries: int
    events: dict[str, int]
    acts: dict[str, int]
    """Acts of the ledger, by kind."""
    dropped_records: int


def log_status(connection: apsw.Connection, path: Path) -> LogStatus:
    """The state of the log of the connection."""
    by_status = _counts(connection, "SELECT status, count(*) FROM request GROUP BY status")
    outcomes, shadowed = (by_status.get(str(int(status)), 0) for status in (OUTCOME, SHADOWED))
    return LogStatus(
        path=str(path),
        log_id=connection.execute("SELECT log_id FROM log").get,
        schema_number=schema.schema_number(connection),
        file_bytes=path.stat().st_size,
        used_bytes=used_bytes(connection),
        ledger_bytes=ledger_bytes(connection),
        wal_bytes=wal_bytes(path),
        requests=sum(by_status.values()) - outcomes - shadowed,
        outcomes=outcomes,
        shadowed=shadowed,
        by_status=by_status,
        oldest_utc=connection.execute("SELECT received_utc FROM request ORDER BY id LIMIT 1").get,
        newest_utc=connection.execute("SELECT received_utc FROM request ORDER BY id DESC LIMIT 1").get,
        chains=connection.execute("SELECT count(*) FROM chain").get,
        pruned_entries=connection.execute("SELECT coalesce(sum(base_seq), 0) FROM chain").get,
        events=_counts(connection, "SELECT kind, count(*) FROM event GROUP BY kind"),
        acts=_counts(connection, "SELECT kind, count(*) FROM ledger GROUP BY kind"),
        dropped_records=int(connection.execute("SELECT coalesce(sum(records), 0) FROM gap").get)
        + pruned_total(connection).dropped_records,
    )


def _counts(connection: apsw.Connection, statement: str) -> dict[str, int]:
    counts: list[Any] = connection.execute(statement).fetchall()
    return {str(name): count for name, count in counts}
