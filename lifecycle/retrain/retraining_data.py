"""Builds the table of a retraining, with its lineage, from a published table and the labels of a log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from lifecycle.retrain.label_warning import coverage, warning_of
from lifecycle.retrain.labelled_log import LabelledRow, LabelReading, LoggedLabels
from lifecycle.retrain.retraining_errors import FolderUnusable
from lifecycle.retrain.retraining_lineage import (
    LogPart,
    RecordRange,
    RetrainingLineage,
    TableFile,
    lineage_of,
    write_lineage,
)
from lifecycle.retrain.retraining_table import RetrainingTable, logged_frame, make_table, write_table
from service.model.contract import Contract
from service.model.label import label_text
from service.monitoring.assessment import LabelCoverage
from training.table.dataset import Dataset
from training.table.source.file_content import sha256_of


@dataclass(frozen=True)
class Parent:
    """The champion that the challenger is to replace."""

    tag: str
    version: str
    """In MLflow's registry."""
    seen_upto_id: int = 0
    """The last record that it was trained on."""


@dataclass(frozen=True)
class RetrainingData:
    """What a retraining trains on and is judged by."""

    dataset: Dataset
    """The published table."""
    labels: LoggedLabels
    table: RetrainingTable
    coverage: tuple[LabelCoverage, ...]
    after_id: int
    """The table has the labels up to this record."""

    @property
    def warning(self) -> str:
        """Why the labels may be biased; empty if nothing says so."""
        return warning_of(self.coverage)

    @property
    def summary(self) -> dict[str, object]:
        """The counts, for output."""
        return {
            "table_rows": self.table.table_rows,
            "logged_rows": len(self.table.logged),
            "held_out_rows": len(self.table.held_out.rows),
            "dropped": dict(self.labels.dropped),
            "sources": dict(self.labels.sources),
            "log_upto_id": self.labels.upto_id,
            "warning": self.warning,
        }


def read_data(
    dataset: Dataset,
    path: str,
    log: Path,
    name: str,
    *,
    holdout: float,
    newest: int | None,
    parent: Parent,
) -> RetrainingData:
    """The rows of a retraining; raises AuditUnusable.

    If an earlier retraining wrote the table, only the labels that came after it are taken from the log.
    """
    earlier = lineage_of(Path(path), dataset.table.sha256)
    after_id = 0
    labels = LabelReading(log, name, dataset.contract).read()
    if earlier is not None and earlier.log is not None and earlier.log.log_id == labels.log_id:
        after_id = _last_id(earlier.log)
        labels = LabelReading(log, name, dataset.contract, after_id=after_id).read()
    if dropped := labels.dropped:
        labels.dropped = +dropped
    table = make_table(dataset, labels.rows, holdout=holdout, seen_upto_id=parent.seen_upto_id, newest=newest)
    classes = [*map(label_text, dataset.contract.target.classes)]
    return RetrainingData(dataset, labels, table, coverage(labels, classes), after_id)


def _last_id(part: LogPart) -> int:
    return part.trained.last_id or part.after_id


def write_data(data: RetrainingData, path: Path, name: str, parent: Parent) -> RetrainingLineage:
    """Write the table, the rows that are held out, and the lineage; raises FolderUnusable."""
    contract, held_out = data.dataset.contract, data.table.held_out.rows
    try:
        table = _written(contract, data.table.frame, path)
        apart = path.with_name(f"{path.stem}.held-out.parquet")
        held = _written(contract, logged_frame(contract, held_out), apart) if held_out else None
        lineage = RetrainingLineage(
            retrained_utc=datetime.now(UTC),
            name=name,
            parent=parent.tag,
            parent_version=parent.version,
            published_table=_published(data.dataset),
            log=_log_part(data),
            table=table,
            held_out=held,
        )
        write_lineage(lineage, path)
    except OSError as error:
        raise FolderUnusable(path.parent, error.strerror or repr(error)) from error
    return lineage


def _written(contract: Contract, frame: pd.DataFrame, path: Path) -> TableFile:
    write_table(contract, frame, path)
    return TableFile(name=path.name, sha256=sha256_of(path), rows=len(frame))


def _published(dataset: Dataset) -> TableFile:
    return TableFile(name=dataset.table.name, sha256=dataset.table.sha256, rows=dataset.n_rows)


def _log_part(data: RetrainingData) -> LogPart:
    labels = data.labels
    return LogPart(
        log_id=labels.log_id,
        upto_id=labels.upto_id,
        after_id=data.after_id,
        trained=_range(data.table.logged),
        held_out=_range(data.table.held_out.rows),
        sources=dict(labels.sources),
        models=dict(labels.models),
        dropped=dict(labels.dropped),
        coverage=data.coverage,
        warning=data.warning,
    )


def _range(rows: Sequence[LabelledRow]) -> RecordRange:
    if not rows:
        return RecordRange()
    ids = [row.record_id for row in rows]
    times = [datetime.fromtimestamp(row.received_s, UTC) for row in rows]
    return RecordRange(
        rows=len(rows), first_id=min(ids), last_id=max(ids), first_utc=min(times), last_utc=max(times)
    )
