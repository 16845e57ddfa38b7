"""The lineage of a retraining's table, in a file beside it: where rows came from, and what was left out."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from service.monitoring.assessment import LabelCoverage


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )


class TableFile(_Part):
    """A table that was read or written."""

    name: str
    sha256: str
    rows: int


class RecordRange(_Part):
    """Records of the log, by their numbers."""

    rows: int = 0
    first_id: int | None = None
    last_id: int | None = None
    first_utc: datetime | None = None
    last_utc: datetime | None = None


class LogPart(_Part):
    """What the log gave."""

    log_id: str
    upto_id: int
    """The last record that was looked at."""
    after_id: int = 0
    """Only labels after this record were taken; the table has those before."""
    trained: RecordRange
    """Of the rows to train on."""
    held_out: RecordRange
    sources: dict[str, int]
    """Labels by the source that their outcomes state."""
    models: dict[str, int]
    """Labelled rows by the model that answered."""
    dropped: dict[str, int]
    """Labelled rows that were left out, by the reason."""
    coverage: tuple[LabelCoverage, ...]
    warning: str = ""
    """Why the labels may be biased."""


class RetrainingLineage(_Part):
    """What a challenger was trained on."""

    retrained_utc: datetime
    name: str
    parent: str
    """The tag of the champion whose traffic it is."""
    parent_version: str
    published_table: TableFile
    log: LogPart | None
    table: TableFile
    """What was trained on."""
    held_out: TableFile | None
    """What the gate judged by; None without rows."""
    weights: str = "none: the candidates are compared and fitted without weights"


def lineage_path(table: Path) -> Path:
    """The file beside a table."""
    return table.with_name(f"{table.stem}.lineage.json")


def write_lineage(lineage: RetrainingLineage, table: Path) -> Path:
    """Write the lineage beside its table; raises OSError."""
    path = lineage_path(table)
    path.touch(mode=0o600)
    path.write_text(lineage.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def lineage_of(table: Path, sha256: str) -> RetrainingLineage | None:
    """The lineage of a table that an earlier retraining wrote; None for any other table."""
    try:
        found = RetrainingLineage.model_validate_json(lineage_path(table).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.table.sha256 == sha256 else None
