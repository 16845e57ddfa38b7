"""Generated histories of a log: whatever happened to it, verification and the ledger say what is true."""

import shutil
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.audit.act import Actor, make_act, model_act
from service.audit.columns import PackedRecord
from service.audit.file.side_files import wal_path
from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.write.logfile import LogFile
from service.audit.write.record import pack
from service.errors import AuditUnusable
from tests.support.audit.log_files import anchor, statements
from tests.support.audit.logs import ANSWERED, BY_ADA, NINE, REFUSED, read

MODELS = ("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "")
TABLES = ("request", "request_label", "request_facet", "facet", "event", "chain", "ledger", "log")

Content = dict[str, list[tuple[Any, ...]]]


@dataclass
class Recorded:
    """What the log has to hold of one record."""

    request_id: str
    model_id: str
    redacted: bool = False


def content_of(path: Path) -> Content:
    """Every row of the log."""
    with closing(apsw.Connection(str(path))) as connection:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


class LogHistory(RuleBasedStateMachine):
    """Writers, persons and crashes, with a model of what the log has to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "audit.db"
        self.records: list[Recorded] = []
        self.acts: list[str] = []
        self.models: set[str] = set()
        self.anchors: list[Path] = []
        self.crashes = 0
        self.count = 0

    def teardown(self) -> None:
        self.file.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self._open()

    def _open(self) -> None:
        self.file = LogFile(self.path, sync="normal")
        for model_id in filter(None, MODELS):
            self.file.declare(model_act(model_id, {"tag": f"iris:{model_id}"}))

    def _group(self, sizes: list[int], model_id: str, later: timedelta) -> list[PackedRecord]:
        group = []
        for number, rows in enumerate(sizes, self.count):
            labels = [("setosa", 0.5 + index / 100) for index in range(rows)]
            record = replace(ANSWERED if rows else REFUSED, request_id=f"r-{number // 2}", model_id=model_id)
            moment = NINE + later + timedelta(seconds=number)
            subject = "ab12" if number % 3 else None
            group.append(pack(replace(record, predictions=labels, received_utc=moment, subject=subject)))
        return group

    def _recorded(self, sizes: list[int], model_id: str) -> None:
        if model_id and model_id not in self.models:
            self.models.add(model_id)
            self.acts.append("model")
        first, self.count = self.count, self.count + len(sizes)
        self.records += [Recorded(f"r-{number // 2}", model_id) for number in range(first, self.count)]

    groups = st.lists(st.integers(0, 4), min_size=1, max_size=4)
    jumps = st.integers(-3, 3).map(lambda days: timedelta(days=days))

    @rule(sizes=groups, model_id=st.sampled_from(MODELS), later=jumps)
    def predict(self, sizes: list[int], model_id: str, later: timedelta) -> None:
        self.file.write(self._group(sizes, model_id, later))
        self._recorded(sizes, model_id)

    @rule(sizes=groups, model_id=st.sampled_from(MODELS))
    def predict_from_another_worker(self, sizes: list[int], model_id: str) -> None:
        mine, self.count = self.file, self.count
        self._open()
        self.file.write(self._group(sizes, model_id, timedelta()))
        self.file.close()
        self.file = mine
        self._recorded(sizes, model_id)

    @rule()
    def look(self) -> None:
        self.file.write([tuple(make_act("read", Actor("robot", "key"), {"rows": 3}))])
        self.acts.append("read")

    @rule(sizes=groups, model_id=st.sampled_from(MODELS), steps=st.integers(0, 3))
    def crash_within_a_commit(self, sizes: list[int], model_id: str, steps: int) -> None:
        """What the disk holds while a transaction is open is what a killed process leaves."""
        self.crashes += 1
        left = self.path.with_name(f"audit-{self.crashes}.db")
        with suppress(ZeroDivisionError), self.file.transaction() as (connection, tail):
            tail.add_records(
                [self.file._entry(packed) for packed in self._group(sizes, model_id, timedelta())]
            )
            if steps > 1:
                tail.add_act(make_act("start", Actor("service", "service"), {}))
            if steps > 2:
                tail.write_head()
            connection.pragma("cache_spill", 1)
            self._copy_to(left)
            raise ZeroDivisionError
        self.file.close()
        self.path = left
        self._open()

    def _copy_to(self, path: Path) -> None:
        shutil.copy(self.path, path)
        if wal_path(self.path).exists():
            shutil.copy(wal_path(self.path), wal_path(path))

    @rule()
    def restart(self) -> None:
        self.file.close()
        self._open()

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def redact(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.records)).request_id
        fresh = [each for each in self.records if each.request_id == chosen and not each.redacted]
        assert redact(self.file, chosen, *BY_ADA, patience_s=0) == len(fresh)
        for each in fresh:
            each.redacted = True
            self.acts.append("redaction")

    @precondition(lambda self: self.records)
    @rule(rows=st.integers(1, 6))
    def prune(self, rows: int) -> None:
        with self.file.transaction() as (connection, tail):
            removed = prune_step(
                connection, tail, Limits(keep_days=0.0), datetime(2030, 1, 1, tzinfo=UTC), rows
            )
        del self.records[:removed]

    @rule()
    def keep_an_anchor(self) -> None:
        taken = anchor(self.path)
        self.anchors.append(taken.rename(taken.with_name(f"{len(self.anchors)}.anchor")))

    @invariant()
    def the_log_is_in_order_and_holds_what_happened(self) -> None:
        if not hasattr(self, "file"):
            return
        report = verify(self.path)
        assert report.problems == []
        held = [Recorded(each.request_id, each.model_id, each.response == "") for each in read(self.path)]
        assert held == self.records
        assert [act.kind for act in logged_acts(self.path)] == self.acts
        assert (report.records, report.acts) == (len(self.records), len(self.acts))
        assert report.redacted == sum(each.redacted for each in self.records)
        for kept in self.anchors[-2:]:
            assert verify(self.path, kept).problems == []

    @precondition(lambda self: self.records or self.acts)
    @rule(data=st.data())
    def tamper_by_sql(self, data: st.DataObject) -> None:
        """A row removed, or a value of it exchanged for that of another row, in a copy."""
        copy = self._closed_copy()
        before = content_of(copy)
        table = data.draw(st.sampled_from([name for name in TABLES if before[name] and name != "log"]))
        with closing(apsw.Connection(str(copy))) as connection:
            columns = [
                name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
            ]
            column = data.draw(st.sampled_from([*columns, "all of the row"]))
            row = data.draw(st.integers(0, len(before[table]) - 1))
            other = data.draw(st.integers(0, len(before[table]) - 1))
            which = f"FROM {table} ORDER BY {columns[0]} LIMIT 1 OFFSET {{}}"
            key = ", ".join(columns[:3]) if "facet" in table or "label" in table else columns[0]
            where = f"({key}) = (SELECT {key} {which.format(row)})"
            try:
                if column == "all of the row":
                    connection.execute(f"DELETE FROM {table} WHERE {where}")
                else:
                    value = f"(SELECT {column} {which.format(other)})"
                    connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}")
            except (apsw.ConstraintError, apsw.MismatchError):
                assume(False)
        self._check_that_a_change_is_found(copy, before)

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def tamper_by_bytes(self, data: st.DataObject) -> None:
        """One byte of a copy of the file is another."""
        copy = self._closed_copy()
        before = content_of(copy)
        content = bytearray(copy.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        copy.write_bytes(content)
        self._check_that_a_change_is_found(copy, before)

    def _closed_copy(self) -> Path:
        self.file.close()
        copy = self.path.with_name("copy.db")
        for path in (copy, wal_path(copy), copy.with_name("copy.db-shm")):
            path.unlink(missing_ok=True)
        self._copy_to(copy)
        statements(copy, "PRAGMA wal_checkpoint(TRUNCATE)")
        return copy

    def _check_that_a_change_is_found(self, copy: Path, before: Content) -> None:
        try:
            after = content_of(copy)
        except (apsw.Error, UnicodeDecodeError):
            after = {}
        try:
            ok = verify(copy).ok
        except AuditUnusable:
            ok = False
        # An unused facet means nothing, and a changed byte may lie where there is nothing.
        assert not ok or self._meaningful(after) == self._meaningful(before)

    @staticmethod
    def _meaningful(content: Content) -> Content:
        used = {row[0] for row in content.get("request_facet", ())}
        return {**content, "facet": [row for row in content.get("facet", ()) if row[0] in used]}


TestLogHistory = LogHistory.TestCase
TestLogHistory.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
