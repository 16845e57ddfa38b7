"""Collecting: reads what the log got since the position, and adds it to the file of monitoring.

What a chunk of the log adds is committed together with the position behind it. So nothing is lost or counted
twice, whenever the process ends.
"""

import logging
import zlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from time import monotonic

import apsw

from service.audit.columns import ANSWERED
from service.audit.file.logged_record import LoggedRecord
from service.collector.log_records import CHUNK_RECORDS, AuditRecords, Chunk, inode_of
from service.collector.measured_models import MeasuredModel, MeasuredModels
from service.collector.outcome_matching import OutcomeMatching
from service.collector.record_rows import ReadRows
from service.collector.release_counting import ReleaseCounting
from service.collector.releases_in_force import ReleasesInForce
from service.collector.shadow_matching import ShadowMatching
from service.errors import MonitoringNotWritable
from service.monitoring.assessment import Assessment, TwoSample
from service.monitoring.evidence.evidence import Evidence
from service.monitoring.evidence.evidence_state import EvidenceState
from service.monitoring.model_state import ModelState
from service.monitoring.spans import Slot
from service.monitoring.store.collector_store import CollectorStore
from service.monitoring.store.monitoring_store import Position
from service.monitoring.store.store_file import errors_as_not_writable, remove

KEPT_S = 400 * 86_400
"""How long slots, rows and outcomes are kept."""
MOST_SLOTS = 10_000
"""Slots of a model; above, the oldest are dropped."""
MOST_WAITING = 1_000_000
"""Outcomes that wait for their prediction; above, the oldest are dropped."""
MOST_ROWS = 500_000
"""Rows that outcomes are about; above, the oldest are dropped."""
MOST_RELEASES = 100
"""Releases whose counts and evidence are kept."""

_DAMAGES = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, zlib.error)
"""What a damaged file raises: also one that lacks a table, or has other bytes in it."""
_REMAKE_INTERVAL_S = 600.0
"""Between two times that a damaged file is made again."""

_logger = logging.getLogger(__name__)


class Collector:
    """Reads one log into its file of monitoring."""

    def __init__(
        self,
        log: Path,
        db: Path,
        folders: Sequence[Path] = (),
        *,
        slot_s: int = 3_600,
        chunk_records: int = CHUNK_RECORDS,
    ) -> None:
        """Take the seconds of a slot; raise AuditUnusable or MonitoringNotWritable."""
        self._log_path, self._db = log, db
        self._folders = folders
        self._slot_s = slot_s
        self._chunk_records = chunk_records
        self._next_remake = 0.0
        self._open()

    def close(self) -> None:
        """Close the log and the file."""
        self.store.close()
        self._log.close()

    def step(self) -> bool:
        """Add the next chunk, if there is one; returns whether there may be more.

        Raises AuditUnusable, MonitoringNotWritable.
        """
        if not self._log.is_in_place or inode_of(self._db) != self._inode:
            self.close()
            self._open()
        try:
            with errors_as_not_writable(self._db, but=_DAMAGES):
                return self._step()
        except _DAMAGES as error:
            # Only then: an error that comes again is not one of the file.
            if monotonic() < self._next_remake:
                raise MonitoringNotWritable(self._db, str(error)) from error
            self._next_remake = monotonic() + _REMAKE_INTERVAL_S
            self._make_again(f"it is damaged ({error})")
            return True

    @property
    def position(self) -> Position:
        """How far the log was read."""
        return self._position

    def state(self, model_id: str) -> ModelState:
        """What an assessment is made from; raises MonitoringNotWritable."""
        with errors_as_not_writable(self._db):
            return self.store.state(model_id)

    def evidence_state(self) -> EvidenceState | None:
        """What the evidence of the release in force is made from; None if the log states none.

        Raises MonitoringNotWritable.
        """
        with errors_as_not_writable(self._db):
            release = self.store.release()
            return None if release is None else self.store.evidence_state(release.release_id)

    def save_evidence(self, evidence: Evidence) -> None:
        """Keep the evidence of a release; raises MonitoringNotWritable."""
        with errors_as_not_writable(self._db), self.store.transaction():
            self.store.releases.save(evidence)

    def save(self, assessment: Assessment) -> None:
        """Keep an assessment; raises MonitoringNotWritable."""
        with errors_as_not_writable(self._db), self.store.transaction():
            self.store.save_assessment(assessment)

    def save_two_sample(self, model_id: str, result: TwoSample) -> None:
        """Keep the result of a nightly test; raises MonitoringNotWritable."""
        with errors_as_not_writable(self._db), self.store.transaction():
            self.store.save_two_sample(model_id, result)

    def tidy(self, now_s: float) -> None:
        """Keep the file within its limits."""
        with errors_as_not_writable(self._db), self.store.transaction():
            self.store.forget_before(now_s - KEPT_S)
            self.store.limit_slots(MOST_SLOTS)
            self.store.limit_rows(MOST_ROWS)
            self.store.releases.tidy(MOST_RELEASES)
            if dropped := self.store.limit_waiting(MOST_WAITING):
                _logger.warning("%d outcomes whose prediction is not in the log were dropped", dropped)

    def _open(self) -> None:
        self._log = AuditRecords(self._log_path)
        self.store = CollectorStore.of_log(self._db, self._log.log_id, self._slot_s)
        self._begin()
        if (reason := self._why_stale()) is not None:
            self._make_again(reason)

    def _begin(self) -> None:
        self._inode = inode_of(self._db)
        self._position = self.store.position
        self._models = MeasuredModels(self.store, self._log, self._folders)
        self._tags: dict[str, str] = {}
        self._releases = ReleasesInForce(self.store.releases)
        self._release_counting = ReleaseCounting(self.store.releases, self._releases, self._tag_of)
        self._matching = OutcomeMatching(self.store, self._log, self._models, self._assigned_by)
        self._shadow_matching = ShadowMatching(self.store, self._log, self._releases)

    def _why_stale(self) -> str | None:
        position, log = self._position, self._log
        if not position.upto_id:
            return None
        is_older = log.last_id() < position.upto_id or not log.has_hash(
            position.request_id, position.request_hash
        )
        if is_older or log.restores() != position.restores:
            return "the log was replaced by a backup"
        if (tag := self._models.newly_measurable()) is not None:
            return f"the model {tag} can be measured now"
        return None

    def _make_again(self, reason: str) -> None:
        self.store.close()
        with errors_as_not_writable(self._db):
            remove(self._db, reason)
        self.store = CollectorStore.of_log(self._db, self._log.log_id, self._slot_s)
        self._begin()

    def _step(self) -> bool:
        last_id = self._log.last_id()
        if last_id == self._position.upto_id:
            return False
        chunk = self._log.chunk(self._position.upto_id, last_id, self._chunk_records)
        with self.store.transaction():
            models = self._models_of(chunk)
            self._releases.begin(chunk.in_force)
            self._release_counting.count(chunk, self._count(chunk, models))
            self._shadow_matching.apply(chunk, self._matching.apply(chunk))
            position = self._position_after(chunk)
            self.store.move(position)
        self._position = position
        if chunk.redacted:  # With secure_delete the file holds nothing of it, but its WAL would.
            self.store.empty_wal()
        return position.upto_id < last_id

    def _models_of(self, chunk: Chunk) -> dict[str, MeasuredModel | None]:
        named = dict.fromkeys([*chunk.models, *(record.model_id for record in _predictions(chunk))])
        return {model_id: self._models.get(model_id) for model_id in named}

    def _tag_of(self, model_id: str) -> str:
        if model_id not in self._tags:
            self._models.get(model_id)  # Which adds one that is new to the file.
            self._tags[model_id] = self.store.model(model_id).tag
        return self._tags[model_id]

    def _assigned_by(self, record: LoggedRecord) -> str | None:
        return self._releases.assigned_by(record, self._tag_of(record.model_id))

    def _count(self, chunk: Chunk, models: dict[str, MeasuredModel | None]) -> list[ReadRows]:
        """Count the predictions of models; returns the rows that were read."""
        records: dict[str, list[LoggedRecord]] = {model_id: [] for model_id in models}
        for record in _predictions(chunk):
            records[record.model_id].append(record)
        reads: list[ReadRows] = []
        for model_id, of_model in records.items():
            unreadable = 0
            if (model := models[model_id]) is not None:
                readable = [record for record in of_model if record.has_content]
                slots, unreadable, read = _counted(model, readable)
                self.store.add_counts(model_id, slots)
                reads += read
            last_id = of_model[-1].id if of_model else chunk.models[model_id]
            self.store.count_records(model_id, len(of_model), unreadable, last_id)
        return reads

    def _position_after(self, chunk: Chunk) -> Position:
        request_id, request_hash = self._log.hash_at(chunk.upto_id)
        return Position(
            self._position.log_id,
            self._slot_s,
            chunk.upto_id,
            request_id,
            request_hash,
            self._log.restores(),
            self._position.served_tag if chunk.served_tag is None else chunk.served_tag,
            self._position.dropped,
        )


def _counted(model: MeasuredModel, records: Sequence[LoggedRecord]) -> tuple[list[Slot], int, list[ReadRows]]:
    """The slots of records, how many of them cannot be read, and the rows that were."""
    if not records:
        return [], 0, []
    try:
        read = model.rows.read(records)
        slots = [] if read is None else model.counter.count(read.counted)
    except Exception:
        # Whatever is wrong with one record must not keep all later ones from being read.
        if len(records) == 1:
            _logger.exception("record %d cannot be read for monitoring", records[0].id)
            return [], 1, []
        found, missed, reads = zip(*(_counted(model, [record]) for record in records), strict=True)
        return [*chain.from_iterable(found)], sum(missed), [*chain.from_iterable(reads)]
    if read is None:
        return slots, len(records), []
    return slots, len(records) - len(read.records), [read]


def _predictions(chunk: Chunk) -> list[LoggedRecord]:
    return [record for record in chunk.records if record.status == ANSWERED]
