"""The ledger states what retention removed; the sum of its acts holds also if writers are killed."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit.__main__ import main
from service.audit.keep.holds import active_holds, hold_act, release_act
from service.audit.keep.pruned import add_prune_act, is_summary_due, pruned_total, summarize
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.query.acts import LoggedAct, logged_acts
from service.audit.write.gap import GapEvent
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import statements
from tests.support.audit.logs import ADA, BY_ADA, command, numbered, packed, read, write
from tests.support.audit.retained_logs import recent

DAY = timedelta(days=1)
LIMITS = Limits(keep_days=1)


def prune_acts(db: Path) -> list[LoggedAct]:
    return list(logged_acts(db, kind="prune"))


def stated(db: Path) -> int:
    return sum(int(str(act.detail["requests"])) for act in prune_acts(db))


def prune(file: LogFile, limits: Limits) -> int:
    """A step, whichever worker pruned last."""
    with file.transaction() as (connection, tail):
        return prune_step(connection, tail, limits, datetime.now(UTC))


def prune_all(file: LogFile) -> None:
    while file.prune_step(0):
        pass


def test_the_records_that_removed_gaps_stated_stay_in_the_total(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db, limits=LIMITS)) as file:
        for dropped in (3, 4):
            moment = "2026-07-04T09:00:00.000000Z"
            gap = GapEvent(f"gap-{dropped}", dropped, moment, moment)
            file.write(packed(recent(100, ago=3 * DAY)), gap)
        write(db, *recent(1))
        prune_all(file)
        file.summarize_retention(at_stop=True)

    (act,) = prune_acts(db)
    assert act.detail["total"] == {"age": 200, "size": 0, "dropped_records": 7}
    assert json.loads(command("--db", db, "status").stdout)["dropped_records"] == 7


def test_a_stop_states_what_was_removed_since_the_last_summary(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(300, ago=3 * DAY))
    file = LogFile(db, limits=LIMITS)
    file.prune_step(0)
    file.summarize_retention()
    prune_all(file)
    file.summarize_retention()
    assert [act.detail["requests"] for act in prune_acts(db)] == [200]
    file.summarize_retention(at_stop=True)
    file.summarize_retention(at_stop=True)
    file.close()

    first, last = prune_acts(db)
    assert (first.actor_kind, last.detail["requests"]) == ("service", 100)
    assert last.detail["total"] == {"age": 300, "size": 0, "dropped_records": 0}
    assert last.detail["upto_id"] == 300
    assert len(str(last.detail["bases_sha256"])) == 64
    assert verify(db).ok


def test_an_hour_after_the_last_summary_another_is_due(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(600, ago=3 * DAY))
    with closing(LogFile(db)) as killed:  # It never states anything.
        prune(killed, LIMITS)
    with closing(LogFile(db)) as file:
        prune(file, LIMITS)
        file.summarize_retention()
        assert stated(db) == 400
        prune(file, LIMITS)
        with file.transaction() as (connection, _):
            assert not is_summary_due(connection, at_stop=False)
            assert is_summary_due(connection, at_stop=True)
        for recorded_utc in ("2026-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"):
            statements(db, f"UPDATE ledger SET recorded_utc = '{recorded_utc}'")
            with file.transaction() as (connection, _):
                assert is_summary_due(connection, at_stop=False)


def test_the_command_states_its_own_and_leaves_the_others_to_the_service(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(300, ago=3 * DAY))
    with closing(LogFile(db, limits=LIMITS)) as file:
        file.prune_step(0)
    assert main(["--db", str(db), "prune", "--keep-days", "1", *ADA]) == 0

    assert [(act.actor, act.detail["requests"]) for act in prune_acts(db)] == [("service", 200), ("Ada", 100)]
    assert stated(db) == 300


STEPS = st.lists(
    st.sampled_from(
        ["write", "age", "size", "summarize", "stop", "kill", "command", "hold", "release", "other"]
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(STEPS)
def test_whatever_happens_the_sums_are_right_and_nothing_that_is_held_goes(steps: list[str]) -> None:
    with TemporaryDirectory() as folder:
        db = Path(folder) / "audit.db"
        history = History(db)
        for step in steps:
            getattr(history, step)()
            assert verify(db).ok
            history.check()
        history.stop()
        history.file.close()
        assert stated(db) == history.written - len(read(db))


class History:
    """A log that is written, pruned, held and killed."""

    def __init__(self, db: Path) -> None:
        self.db = db
        self.written = 0
        self.held: set[str] = set()
        self.file = LogFile(db, limits=LIMITS)
        self.write()

    def write(self) -> None:
        old = datetime.now(UTC) - 3 * DAY
        records = [
            replace(record, received_utc=old, request_id=f"r-{number}")
            for number, record in enumerate(numbered(3), self.written)
        ]
        self.written += len(records)
        self.file.write(packed(records))

    def age(self) -> None:
        prune(self.file, LIMITS)

    def size(self) -> None:
        prune(self.file, Limits(max_bytes=1))

    def summarize(self) -> None:
        self.file.summarize_retention()

    def stop(self) -> None:
        self.file.summarize_retention(at_stop=True)
        self.kill()

    def kill(self) -> None:
        self.file.close()
        self.file = LogFile(self.db, limits=LIMITS)

    def other(self) -> None:
        """Another worker removes some and states nothing."""
        with closing(LogFile(self.db)) as file:
            prune(file, LIMITS)

    def command(self) -> None:
        with closing(LogFile(self.db)) as file, file.transaction() as (connection, tail):
            summarize(connection, tail)
            add_prune_act(connection, tail, BY_ADA[0], 0, BY_ADA[1])

    def hold(self) -> None:
        if requests := read(self.db):
            held = requests[len(requests) // 2].request_id
            self.held.add(held)
            with self.file.transaction() as (_, tail):
                tail.add_act(hold_act(*BY_ADA, request_id=held))

    def release(self) -> None:
        if self.held:
            with self.file.transaction() as (connection, tail):
                tail.add_act(release_act(active_holds(connection).on(self.held.pop(), None), *BY_ADA))

    def check(self) -> None:
        assert self.held <= {request.request_id for request in read(self.db)}
        with self.file.transaction() as (connection, _):
            assert pruned_total(connection).requests == self.written - len(read(self.db))
