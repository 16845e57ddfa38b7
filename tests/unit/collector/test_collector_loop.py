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
from service.monitoring.store.newest_assessment import read_assessment
from service.settings import Settings
from tests.support import collected_logs
from tests.support.collected_logs import CollectedLog, outcome, rows_of
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
