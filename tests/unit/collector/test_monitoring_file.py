"""The file of monitoring: made again from the log if it is of no use, and never in place of another."""

import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from bentoml._internal.models import ModelStore

from service.audit.act import SERVICE, make_act
from service.audit.write.logfile import LogFile
from service.collector.collecting import Collector
from service.errors import MonitoringNotWritable, MonitoringUnusable
from service.monitoring.store.monitoring_store import MonitoringStore
from service.monitoring.store.store_schema import FORMAT
from tests.support.collected_logs import CollectedLog, content_of, outcome, rows_of
from tests.support.killed_collecting import collect_and_kill
from training.table.dataset import Dataset

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def rows(mixed_dataset: Dataset) -> list[dict[str, Any]]:
    return rows_of(mixed_dataset)


@pytest.fixture
def full(log: CollectedLog, rows: list[dict[str, Any]]) -> CollectedLog:
    """A log of 40 predictions, half of which have outcomes."""
    for number in range(0, 40, 2):
        prediction = log.predicted(rows[number], f"p-{number}")
        log.write(prediction, log.predicted(rows[number + 1], f"p-{number + 1}"))
        log.write(outcome(f"p-{number}", log.labels(prediction)[0]))
    return log


def test_it_is_private_and_holds_what_the_log_holds(full: CollectedLog) -> None:
    with full.collect() as store:
        assert stat.S_IMODE(full.db.stat().st_mode) == 0o600
        (facts,) = store.models()
        assert (facts.is_measured, facts.predictions, facts.unreadable) == (True, 40, 0)
        assert sum(int(slot.counts[0]) for slot in store.slots(facts.model_id)) == 40
        assert len(store.labelled(facts.model_id).truth) == 20
        state = store.state(facts.model_id)
    assert state.profile == full.model.model.profile
    assert state.model.classes == ("left", "stays", "unsure")


def test_killing_the_collector_at_any_moment_loses_and_doubles_nothing(
    full: CollectedLog, stores: dict[str, str]
) -> None:
    whole = full.anew()
    shutil.copy(full.log, whole.log)
    whole.collect().close()
    collect_and_kill(full.log, full.db, stores)
    full.collect().close()
    assert content_of(full.db) == content_of(whole.db)


def _other_format(db: Path) -> None:
    with closing(apsw.Connection(str(db))) as connection:
        connection.pragma("user_version", FORMAT + 1)


def _half_overwritten(db: Path) -> None:
    with db.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (db.stat().st_size - 4096))


def _cut(db: Path) -> None:
    with db.open("r+b") as file:
        file.truncate(5000)


def _deleted(db: Path) -> None:
    db.unlink()


def _emptied(db: Path) -> None:
    db.write_bytes(b"")


@pytest.mark.parametrize("damage", [_other_format, _half_overwritten, _cut, _deleted, _emptied])
def test_a_file_that_is_of_no_use_is_made_again(full: CollectedLog, damage: Damage) -> None:
    full.collect().close()
    before = content_of(full.db)
    with closing(apsw.Connection(str(full.db))) as connection:
        connection.pragma("wal_checkpoint(TRUNCATE)")
    damage(full.db)
    full.collect().close()
    assert content_of(full.db) == before


def _without_a_table(db: Path) -> None:
    with closing(apsw.Connection(str(db))) as connection:
        connection.execute("DROP TABLE slot")


def _with_other_bytes(db: Path) -> None:
    with closing(apsw.Connection(str(db))) as connection:
        connection.execute("UPDATE slot SET counts = x'00'")


@pytest.mark.parametrize("damage", [_without_a_table, _with_other_bytes, _deleted])
def test_a_file_that_is_damaged_while_it_is_open_is_made_again(
    full: CollectedLog, rows: list[dict[str, Any]], damage: Damage
) -> None:
    with closing(Collector(full.log, full.db)) as collector:
        while collector.step():
            pass
        damage(full.db)
        full.write(full.predicted(rows[0], "later"))
        while collector.step():
            pass
        assert collector.store.models()[0].predictions == 41


@pytest.mark.parametrize("content", ["text", "database", "log"])
def test_a_file_of_something_else_is_left_alone(full: CollectedLog, tmp_path: Path, content: str) -> None:
    other = tmp_path / "other.db"
    if content == "text":
        other.write_text("notes of a person, longer than the header of a database\n" * 4)
    elif content == "log":
        shutil.copy(full.log, other)
    else:
        with closing(apsw.Connection(str(other))) as connection:
            connection.execute("CREATE TABLE t (a)")
    before = other.read_bytes()
    with pytest.raises(MonitoringNotWritable, match=r"not a file of monitoring.*TABENTO_MONITORING_DB"):
        Collector(full.log, other)
    assert other.read_bytes() == before


def test_a_file_of_another_log_or_length_of_windows_is_made_again(
    full: CollectedLog, rows: list[dict[str, Any]]
) -> None:
    full.collect().close()
    other = full.anew()
    other.write(other.predicted(rows[0], "a"))
    with closing(Collector(other.log, full.db)) as collector:
        while collector.step():
            pass
        assert collector.store.models()[0].predictions == 1
    with full.collect(slot_s=10) as store:
        slots = store.slots(full.model.card.model_id)
    assert len(slots) > 3
    assert {slot.start_s % 10 for slot in slots} == {0}


@pytest.mark.parametrize("later", [False, True], ids=["shorter", "longer again"])
def test_a_log_that_was_replaced_by_its_backup_is_read_again(
    full: CollectedLog, rows: list[dict[str, Any]], later: bool
) -> None:
    backup = full.log.with_name("backup.db")
    with closing(apsw.Connection(str(full.log))) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    full.write(*[full.predicted(rows[number], f"lost-{number}") for number in range(5)])
    with closing(Collector(full.log, full.db)) as collector:
        while collector.step():
            pass
        backup.replace(full.log)
        if later:
            full.write(*[full.predicted(rows[number], f"new-{number}") for number in range(7)])
        while collector.step():
            pass
        assert collector.store.models()[0].predictions == (47 if later else 40)


def test_a_model_that_can_be_measured_later_is_measured_from_the_beginning(
    full: CollectedLog, stores: dict[str, str], store: ModelStore
) -> None:
    folder = Path(store.get(full.model.model.tag).path)
    aside = Path(stores["BENTOML_HOME"]) / "aside"
    shutil.move(folder, aside)
    try:
        with full.collect() as found:
            (facts,) = found.models()
            assert not facts.is_measured
            assert "is not found" in facts.reason
            assert facts.predictions == 40
            assert found.feedback_state().not_measured == 20
    finally:
        shutil.move(aside, folder)
    with full.collect() as found:
        assert found.models()[0].is_measured
        assert found.feedback_state().matched == 20


def test_the_model_of_the_last_start_is_the_served_one(full: CollectedLog) -> None:
    with closing(LogFile(full.log)) as file, file.transaction() as (_, tail):
        tail.add_act(make_act("start", SERVICE, {"model": full.model.model.tag}))
        tail.add_act(make_act("model", SERVICE, {"tag": "other:1"}, act_id="model:0123456789abcdef"))
    with full.collect() as found:
        assert len(found.models()) == 2
        served = found.served_model()
    assert served is not None
    assert served.tag == full.model.model.tag


def test_a_reader_says_why_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(MonitoringUnusable, match="no such file"):
        MonitoringStore.open(tmp_path / "none.db")
    (tmp_path / "text").write_text("text" * 100)
    with pytest.raises(MonitoringUnusable):
        MonitoringStore.open(tmp_path / "text")
