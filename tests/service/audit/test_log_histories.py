"""Generated histories of a log: whatever happened to it, verification and the ledger say what is true."""

import json
from contextlib import closing, redirect_stdout, suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from service.audit.act import Act, Actor, make_act, model_act
from service.audit.columns import PackedRecord
from service.audit.file.backup import back_up
from service.audit.file.database import open_for_reading
from service.audit.keep.holds import active_holds, hold_act, release_act
from service.audit.keep.redaction import redact
from service.audit.keep.restore import restore
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.receipt import verifier
from service.audit.receipt.making import ReceiptQuery, make_receipt
from service.audit.witness.checkpoint import take_checkpoint
from service.audit.witness.witnesses import make_witness
from service.audit.write.logfile import LogFile
from service.errors import AuditHeld, PredictionUnknown, ReceiptPending
from tests.support.audit.feedback_rules import FeedbackRules
from tests.support.audit.log_files import anchor, copy_log, statements
from tests.support.audit.log_states import CARDS, MODELS, Recorded, State, content_of, packed, recorded
from tests.support.audit.log_tampering import assert_a_change_is_found, tamper_by_bytes, tamper_by_sql
from tests.support.audit.logs import BY_ADA, NINE, read


class LogHistory(FeedbackRules):
    """Writers, persons and crashes, with a model of what the log has to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "audit.db"
        self.state = State([], [], set(), {}, [], [])
        self.backups: list[tuple[Path, State]] = []
        self.erased: set[int] = set()
        self.restored = 0
        self.count = 0

    def teardown(self) -> None:
        self.file.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self._open()

    def _open(self) -> None:
        self.file = LogFile(self.path, sync="normal")
        for model_id, card in zip(MODELS, CARDS, strict=False):
            self.file.declare(model_act(model_id, card))

    def _group(self, sizes: list[int], model_id: str, later: timedelta) -> list[PackedRecord]:
        return [packed(number, rows, model_id, later) for number, rows in enumerate(sizes, self.count)]

    def _recorded(self, sizes: list[int], model_id: str, later: timedelta = timedelta()) -> None:
        if model_id and model_id not in self.state.models:
            self.state.models.add(model_id)
            self.state.acts.append("model")
        first, self.count = self.count, self.count + len(sizes)
        self.state.records += [recorded(number, model_id, later) for number in range(first, self.count)]

    groups = st.lists(st.integers(0, 4), min_size=1, max_size=4)
    jumps = st.integers(-3, 3).map(lambda days: timedelta(days=days))

    @rule(sizes=groups, model_id=st.sampled_from(MODELS), later=jumps)
    def predict(self, sizes: list[int], model_id: str, later: timedelta) -> None:
        self.file.write(self._group(sizes, model_id, later))
        self._recorded(sizes, model_id, later)

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
        self.state.acts.append("read")

    @rule(sizes=groups, model_id=st.sampled_from(MODELS), steps=st.integers(0, 3))
    def crash_within_a_commit(self, sizes: list[int], model_id: str, steps: int) -> None:
        """What the disk holds while a transaction is open is what a killed process leaves."""
        left = self.path.with_name("left.db")
        with suppress(ZeroDivisionError), self.file.transaction() as (connection, tail):
            tail.add_records(
                [self.file._entry(packed) for packed in self._group(sizes, model_id, timedelta())]
            )
            if steps > 1:
                tail.add_act(make_act("start", Actor("service", "service"), {}))
            if steps > 2:
                tail.write_head()
            connection.pragma("cache_spill", 1)
            copy_log(self.path, left)
            raise ZeroDivisionError
        self.file.close()
        copy_log(left, self.path)
        self._open()

    @rule()
    def restart(self) -> None:
        self.file.close()
        self._open()

    def _is_held(self, each: Recorded) -> bool:
        named = {each.request_id, None if each.redacted else each.subject}
        if each.about is not None and not named & {"ab12"}:
            named |= {one.subject for one in self.requests_of(each.request_id) if not one.redacted}
        return bool(named & {*self.state.holds})

    @precondition(lambda self: self.state.records)
    @rule(data=st.data())
    def redact(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.state.records)).request_id
        fresh = [each for each in self.state.records if each.request_id == chosen and not each.redacted]
        if any(map(self._is_held, fresh)):
            with pytest.raises(AuditHeld):
                redact(self.file, chosen, *BY_ADA, patience_s=0)
            return
        assert redact(self.file, chosen, *BY_ADA, patience_s=0) == len(fresh)
        self._redacted(fresh)

    def _redacted(self, records: list[Recorded]) -> None:
        for each in records:
            each.redacted = True
            self.erased.add(each.number)
            self.state.acts.append("redaction")

    @precondition(lambda self: self.state.records)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.state.records))
        what = data.draw(st.sampled_from([chosen.request_id, "ab12"]))
        if what not in self.state.holds:
            of_person = what == "ab12"
            subject, request_id = (what, None) if of_person else (None, what)
            self._act(hold_act(*BY_ADA, subject=subject, request_id=request_id))
            self.state.holds[what] = "held"

    @precondition(lambda self: self.state.holds)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        what = data.draw(st.sampled_from(sorted(self.state.holds)))
        with self.file.transaction() as (connection, _):
            held = active_holds(connection).on(what, what)
        self._act(release_act(held, *BY_ADA))
        del self.state.holds[what]

    def _act(self, act: Act) -> None:
        self.file.write([tuple(act)])
        self.state.acts.append(act.kind)
        self.state.hold_acts.append(act.kind)

    @precondition(lambda self: self.state.records)
    @rule(rows=st.integers(1, 6))
    def prune(self, rows: int) -> None:
        self._prune(Limits(keep_days=0.0), datetime(2030, 1, 1, tzinfo=UTC), rows)

    @precondition(lambda self: self.state.records)
    @rule(rows=st.integers(1, 6), floor_days=st.integers(0, 4))
    def prune_by_size_down_to_the_floor(self, rows: int, floor_days: int) -> None:
        """No date that counts is below the floor, however much the log is over its size."""
        now = NINE + timedelta(days=2)
        counts_from = max(now - timedelta(days=floor_days), self.state.last_removed)
        removed = self._prune(Limits(max_bytes=1, keep_at_least_days=floor_days), now, rows)
        assert not [each for each in removed if counts_from <= each.received <= now]

    def _prune(self, limits: Limits, now: datetime, rows: int) -> list[Recorded]:
        records = self.state.records
        free = next((at for at, each in enumerate(records) if self._is_held(each)), len(records))
        with self.file.transaction() as (connection, tail):
            count = prune_step(connection, tail, limits, now, rows)
        assert count <= free
        removed, self.state.records = records[:count], records[count:]
        self.state.last_removed = max([each.received for each in removed], default=self.state.last_removed)
        return removed

    @rule()
    def keep_an_anchor(self) -> None:
        taken = anchor(self.path)
        kept = taken.with_name(f"{len(self.state.anchors)}-{self.restored}.anchor")
        self.state.anchors.append(taken.rename(kept))

    @rule()
    def back_up(self) -> None:
        copy = self.path.with_name(f"backup-{len(self.backups)}.db")
        with closing(open_for_reading(self.path)) as connection:
            back_up(connection, copy)
        self.backups.append((copy, deepcopy(self.state)))

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        """Erasures and holds outlive the log that is replaced; all else is as in the backup."""
        copy, then = data.draw(st.sampled_from(self.backups))
        self.file.close()
        restored = restore(copy, self.path, *BY_ADA, patience_s=0)
        holds, hold_acts = dict(self.state.holds), self.state.hold_acts
        self.state = deepcopy(then)
        self.state.acts += hold_acts[len(then.hold_acts) :]
        self.state.hold_acts, self.state.holds = hold_acts, holds
        again = [each for each in self.state.records if each.number in self.erased and not each.redacted]
        assert restored.redacted == len(again)
        self._redacted(again)
        self.state.acts.append("restore")
        self.restored += 1
        self._open()

    @rule()
    def take_a_checkpoint(self) -> None:
        folder = self.path.with_name(f"witness-{self.restored}")
        folder.mkdir(exist_ok=True)
        taken = take_checkpoint(self.path, self.path.with_name("signing-key"), [make_witness(str(folder))])
        assert taken is not None
        assert taken.failures == []
        for each in self.state.records:
            each.covered = True

    @precondition(lambda self: self.state.records)
    @rule(data=st.data())
    def prove_one_prediction(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.state.records)).request_id
        records = self.requests_of(chosen)
        if not records:
            with pytest.raises(PredictionUnknown):
                make_receipt(self.path, chosen, ReceiptQuery())
            return
        if not all(each.covered for each in records):
            with pytest.raises(ReceiptPending):
                make_receipt(self.path, chosen, ReceiptQuery())
            return
        receipt = json.loads(make_receipt(self.path, chosen, ReceiptQuery()).text)
        with redirect_stdout(StringIO()) as printed:
            assert verifier.check(receipt, receipt.pop("entries"), None) == 0
        proven = [line for line in printed.getvalue().splitlines() if f"request '{chosen}'" in line]
        assert [line.endswith("without its content") for line in proven] == [
            each.redacted for each in records
        ]

    @precondition(lambda self: self.state.records or self.state.acts)
    @rule(data=st.data())
    def tamper_by_sql(self, data: st.DataObject) -> None:
        copy = self._closed_copy()
        before = content_of(copy)
        tamper_by_sql(copy, data, before)
        assert_a_change_is_found(copy, before)

    @precondition(lambda self: self.state.records)
    @rule(data=st.data())
    def tamper_by_bytes(self, data: st.DataObject) -> None:
        copy = self._closed_copy()
        before = content_of(copy)
        tamper_by_bytes(copy, data)
        assert_a_change_is_found(copy, before)

    def _closed_copy(self) -> Path:
        self.file.close()
        copy = self.path.with_name("copy.db")
        copy_log(self.path, copy)
        statements(copy, "PRAGMA wal_checkpoint(TRUNCATE)")
        return copy

    @invariant()
    def the_log_is_in_order_and_holds_what_happened(self) -> None:
        if not hasattr(self, "file"):
            return
        report = verify(self.path)
        assert report.problems == []
        held = [(each.request_id, each.model_id, each.response == "") for each in read(self.path)]
        assert held == [(each.request_id, each.model_id, each.redacted) for each in self.state.records]
        assert [act.kind for act in logged_acts(self.path)] == self.state.acts
        assert (report.records, report.acts) == (len(self.state.records), len(self.state.acts))
        assert report.redacted == sum(each.redacted for each in self.state.records)
        for kept in self.state.anchors[-2:]:
            assert verify(self.path, kept).problems == []


TestLogHistory = LogHistory.TestCase
TestLogHistory.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
