"""Logs with predictions and outcomes, made without a server, and what the collector makes of them."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import apsw
import numpy as np

from service.audit.act import model_act
from service.audit.columns import OUTCOME
from service.audit.file.outcome_row import OutcomeKind, OutcomeRow, outcome_json
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord, pack
from service.collector.collecting import Collector
from service.model.contract import Values
from service.model.label import Label, label_text, label_type
from service.monitoring.store.monitoring_store import MonitoringStore, unpacked
from service.routes import BATCH, PREDICT
from tests.support.replayed_logs import START, RecordedModel
from training.publish.golden_rows import json_rows
from training.table.dataset import Dataset

SLOT_S = 3_600


def rows_of(dataset: Dataset) -> list[dict[str, Any]]:
    """The rows of a table as a client sends them."""
    return json_rows(dataset.contract, np.asarray(dataset.split(0.2, 42).train.matrix))


class CollectedLog:
    """A log of one model, and its file of monitoring."""

    def __init__(self, folder: Path, model: RecordedModel, *others: RecordedModel) -> None:
        """Take the model that predicts, and others that records may name."""
        self.log, self.db = folder / "audit.db", folder / "tabento-monitoring.db"
        self.model = model
        self._cards = [each.card for each in (model, *others)]
        self._written = 0
        self.write()

    def write(self, *records: AuditRecord) -> None:
        """Append records, each a second after the one before."""
        self.write_at(*map(self._timed, records))

    def write_at(self, *records: AuditRecord) -> None:
        """Append records with the times that they have."""
        with closing(LogFile(self.log, sync="normal")) as file:
            for card in self._cards:
                file.declare(model_act(card.model_id, card.content))
            if records:
                file.write([pack(record) for record in records])

    def predicted(
        self, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any], request_id: str
    ) -> AuditRecord:
        """The record of a prediction: of a batch, if there are several rows."""
        body = dict(rows) if isinstance(rows, Mapping) else {"instances": [*rows]}
        record = self.model.answered(body, "r-0")
        record.request_id = request_id
        assert (record.route == PREDICT) == isinstance(rows, Mapping) or record.route == BATCH
        return record

    def anew(self) -> "CollectedLog":
        """Another log of the same model, in a folder below."""
        return CollectedLog(Path(mkdtemp(dir=self.log.parent)), self.model)

    def values(self, row: Mapping[str, Any]) -> Values:
        """A row as the model takes it."""
        return self.model.model.contract.row_type.model_validate(row).features

    def labels(self, record: AuditRecord) -> list[Any]:
        """What was predicted."""
        labels: list[Any] = json.loads(record.response)["predictions"]
        return labels

    def collect(self, *, chunk_records: int = 2_000, slot_s: int = SLOT_S) -> MonitoringStore:
        """Read all of the log, and open the file of monitoring."""
        collector = Collector(self.log, self.db, slot_s=slot_s, chunk_records=chunk_records)
        with closing(collector):
            while collector.step():
                pass
        return MonitoringStore.open(self.db)

    def _timed(self, record: AuditRecord) -> AuditRecord:
        self._written += 1
        record.received_utc = START + timedelta(seconds=self._written)
        return record


def outcome(
    request_id: str, label: Label, *, row: int = 0, kind: OutcomeKind = "truth", received: datetime = START
) -> AuditRecord:
    """The record of an outcome, as the service writes it."""
    members = OutcomeRow(request_id, row, kind, label_text(label), label_type(label))
    return AuditRecord(
        request_id=request_id,
        received_utc=received,
        transport="http",
        route="/feedback",
        status=OUTCOME,
        duration_ms=1.0,
        client=None,
        model_name="",
        model_version="",
        rows=1,
        request=outcome_json(members),
        response=b"{}",
    )


def content_of(db: Path) -> dict[str, list[Any]]:
    """Everything that a file of monitoring holds, with the counts of its slots as numbers."""
    with closing(apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        content: dict[str, list[Any]] = {
            str(table): sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for (table,) in tables
        }
    content["slot"] = [(model, start, unpacked(blob).tolist()) for model, start, blob in content["slot"]]
    return content
