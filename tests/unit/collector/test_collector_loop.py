"""The loop of the process: what was read is assessed, and an error in a figure or a record ends nothing."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import apsw
import pytest

from service.collector.collecting import Collector
from service.collector.collector_process import CollectorLoop, window_options
from service.monitoring.evidence.evidence import Evidence
from service.monitoring.store.newest_assessment import read_assessment
from service.monitoring.store.newest_evidence import read_evidence
from service.settings import Settings
from tests.support import collected_logs
from tests.support.collected_logs import CollectedLog, outcome, rows_of
from tests.support.released_logs import ReleasedLog
from tests.support.replayed_logs import START
from training.table.dataset import Dataset

OPTIONS = window_options(Settings(monitoring_window_rows=50))


@pytest.fixture(scope="module")
def rows(mixed_dataset: Dataset) -> list[dict[str, Any]]:
    return rows_of(mixed_dataset)


@pytest.fixture
def collector(log: CollectedLog, rows: list[dict[str, Any]]) -> Iterator[Collector]:
    log.write(log.predicted(rows[:100], "a"), outcome("a", "left", row=3), outcome("b", "left"))
    with closing(Collector(log.log, log.db)) as collector:
        yield collector


def test_a_turn_reads_what_is_new_and_assesses_it(log: CollectedLog, collector: Collector) -> None:
    beats: list[None] = []
    CollectorLoop(collector, OPTIONS, lambda: beats.append(None)).turn()
    found = read_assessment(log.db)
    assert found is not None
    assert (found.model_id, found.model_tag) == (log.model.card.model_id, log.model.model.tag)
    assert found.read_upto_id == collector.position.upto_id
    assert [window.rows for window in found.windows if window.is_complete] == [100]
    assert (found.feedback.matched, found.feedback.waiting) == (1, 1)
    assert len(beats) > 2


def test_an_error_in_a_figure_is_logged_and_what_is_new_is_read(
    log: CollectedLog, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    loop = CollectorLoop(collector, OPTIONS, lambda: None)
    collector.step()
    with closing(apsw.Connection(str(log.db))) as connection:
        connection.execute("UPDATE model SET profile_json = '{}'")
    loop.turn()
    assert "cannot be assessed" in caplog.text
    assert read_assessment(log.db) is None
    assert not collector.step()


def test_a_record_that_cannot_be_read_is_counted_and_the_others_are_read(
    log: CollectedLog, rows: list[dict[str, Any]]
) -> None:
    records = [log.predicted(rows[number], f"r-{number}") for number in range(4)]
    broken = [
        replace(records[0], request=b"{"),
        replace(records[1], response=b'{"predictions": [], "probabilities": []}'),
        replace(records[2], route="/unknown"),
        replace(records[3], request_id="x", request=b'{"age": "old"}'),
    ]
    log.write(*records, *broken, outcome("x", "left"))
    with log.collect() as store:
        (facts,) = store.models()
        assert (facts.predictions, facts.unreadable) == (8, 4)
        assert sum(int(slot.counts[0]) for slot in store.slots(facts.model_id)) == 4
        assert store.feedback_state().not_measured == 1


def test_what_is_old_is_forgotten(
    log: CollectedLog, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(log.predicted(rows[0], "old"), outcome("old", "left"))
    monkeypatch.setattr(collected_logs, "START", datetime.now(UTC))
    log.write(log.predicted(rows[0], "new"), outcome("new", "left"))
    with closing(Collector(log.log, log.db)) as collector:
        while collector.step():
            pass
        collector.tidy(datetime(2027, 8, 20, tzinfo=UTC).timestamp())
        model_id = log.model.card.model_id
        assert len(collector.store.slots(model_id)) == 1
        assert len(collector.store.labelled(model_id).truth) == 1
        assert collector.store.feedback_state().outcomes == 1


def test_the_oldest_above_the_limits_are_dropped(
    log: CollectedLog, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOST_SLOTS", "MOST_WAITING", "MOST_ROWS"):
        monkeypatch.setattr(f"service.collector.collecting.{name}", 2)
    log.write(*[log.predicted(rows[number], f"p-{number}") for number in range(4)])
    log.write(*[outcome(f"p-{number}", "left") for number in range(4)])
    log.write(*[outcome(f"w-{number}", "left") for number in range(5)])
    with closing(Collector(log.log, log.db, slot_s=1)) as collector:
        while collector.step():
            pass
        labelled = collector.store.labelled(log.model.card.model_id)
        collector.tidy(datetime.now(UTC).timestamp())
        store, model_id = collector.store, log.model.card.model_id
        assert len(store.slots(model_id)) == 2
        assert store.labelled(model_id).received_s.tolist() == labelled.received_s[2:].tolist()
        state = store.feedback_state()
        assert (state.waiting, state.dropped) == (2, 3)


def test_the_release_in_force_is_assessed_with_the_model(
    released: ReleasedLog, rows: list[dict[str, Any]]
) -> None:
    release = released.release("shadow")
    released.come_into_force(release)
    record = replace(released.predicted(rows[0], "a"), received_utc=START)
    released.write_at(record, released.shadow(record, release, 1), outcome("a", "left"))
    decided: list[tuple[Evidence, datetime]] = []
    with closing(Collector(released.log, released.db)) as collector:
        CollectorLoop(collector, OPTIONS, lambda: None, lambda *told: decided.append(told)).turn()
        upto_id = collector.position.upto_id
    ((evidence, read_utc),) = decided
    assert (evidence.release, evidence.read_upto_id, evidence.challenger.requests) == (release, upto_id, 1)
    assert evidence.differences[0].labelled == 1
    assert read_utc <= evidence.assessed_utc <= datetime.now(UTC)
    assert read_evidence(released.db) == read_evidence(released.db, release.release_id) == evidence
    assert read_evidence(released.db, "f" * 32) is None
    shown = read_assessment(released.db)
    assert shown is not None
    assert (shown.evidence, shown.automatic_change) == (evidence, None)


def test_an_error_in_the_evidence_is_logged_and_the_model_is_assessed(
    released: ReleasedLog, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    released.come_into_force(released.release("shadow"))
    released.write(released.predicted(rows[0], "a"))
    with closing(Collector(released.log, released.db)) as collector:
        loop = CollectorLoop(collector, OPTIONS, lambda: None, lambda *_: pytest.fail("there is none"))
        while collector.step():
            pass
        with closing(apsw.Connection(str(released.db))) as connection:
            connection.execute("UPDATE release SET release_json = '{}'")
        loop.turn()
        assert not collector.step()
    assert "the release in force cannot be assessed" in caplog.text
    shown = read_assessment(released.db)
    assert shown is not None
    assert shown.evidence is None


def test_what_the_service_did_by_itself_follows_from_the_releases(released: ReleasedLog) -> None:
    by_itself = {"changed_by": "service"}
    fallback = released.release("shadow", 2, is_fallback=True, **by_itself)
    steps = [
        (released.release("shadow"), None),
        (fallback, "promote"),
        (released.release("single", 3, **by_itself), "stop"),
        (released.release("canary", 4, changed_by="ada"), None),
        (released.release("single", 5, **by_itself), "rollback"),
    ]
    for release, expected in steps:
        released.come_into_force(release)
        with released.collect() as store:
            assert store.automatic_change() == expected
