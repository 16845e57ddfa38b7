"""The nightly replay: once a day by one worker, reported by all."""

import fcntl
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bentoml._internal.models import ModelStore
from prometheus_client import CollectorRegistry

from service.replay.nightly_process import replay_sample
from service.replay.nightly_result import lock_path, read_result, result_path, write_result
from service.replay.verdict import Verdict
from service.telemetry.gauges import Gauges
from service.worker.nightly_replay import NightlyReplay
from tests.support import replayed_logs
from tests.support.replayed_logs import RecordedModel

LETTERS = [{"letter": "a"}, {"letter": "b"}]
DAY = "2026-07-04"


@pytest.fixture
def recorded(
    tmp_path: Path, publish_picky: Callable[[str], str], store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """A log with two records of this day, and the folder of the models."""
    tag = publish_picky("nightly")
    monkeypatch.setattr(replayed_logs, "START", datetime.now(UTC))
    RecordedModel(tag).record(tmp_path / "audit.db", LETTERS)
    return tmp_path / "audit.db", Path(store.get(tag).path).parents[1]


def nightly(
    recorded: tuple[Path, Path],
    registry: CollectorRegistry | None = None,
    *,
    is_due: bool = False,
    sample: int = 5,
) -> NightlyReplay:
    db, models = recorded
    hour = (datetime.now(UTC).hour + (0 if is_due else 12)) % 24
    gauges = Gauges(registry or CollectorRegistry())
    return NightlyReplay(db, sample=sample, hour=hour, models=models, gauges=gauges)


def shown(registry: CollectorRegistry) -> dict[str, float]:
    return {
        ",".join([sample.name, *sample.labels.values()]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if "replay" in sample.name
    }


def test_a_sample_of_the_last_day_is_replayed_in_a_process_and_reported(recorded: tuple[Path, Path]) -> None:
    registry = CollectorRegistry()
    replay = nightly(recorded, is_due=True)
    replay.refresh()
    replay.wait()
    other = nightly(recorded, registry)
    assert set(shown(registry).values()) == {0}
    other.refresh()
    values = shown(registry)
    assert values["tabento_replay_records,same_bits"] == 2
    assert values["tabento_replay_records,different"] == 0
    result = read_result(recorded[0])
    assert result is not None
    assert values["tabento_replay_last_run_timestamp_seconds"] == result.finished_utc.timestamp()
    assert result_path(recorded[0]).stat().st_mode & 0o777 == 0o600


def test_one_worker_starts_it_once_a_day(recorded: tuple[Path, Path]) -> None:
    first, second = nightly(recorded), nightly(recorded)
    assert first.start_once_on(DAY)
    assert not second.start_once_on(DAY)
    first.wait()
    assert not second.start_once_on(DAY)
    assert second.start_once_on("2026-07-05")
    second.wait()


def test_none_starts_while_another_runs(recorded: tuple[Path, Path]) -> None:
    descriptor = os.open(lock_path(recorded[0]), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    replay = nightly(recorded)
    assert not replay.start_once_on(DAY)
    os.close(descriptor)
    assert replay.start_once_on(DAY)
    replay.wait()


def test_a_sample_of_zero_disables_it(recorded: tuple[Path, Path]) -> None:
    nightly(recorded, is_due=True, sample=0).refresh()
    assert not lock_path(recorded[0]).exists()


def test_it_stops_after_its_limit_of_time(recorded: tuple[Path, Path]) -> None:
    result = replay_sample(recorded[0], 5, recorded[1], limit_s=0.0)
    assert not result.is_complete
    assert set(result.counts.values()) == {0}
    write_result(recorded[0], result)
    assert read_result(recorded[0]) == result


def test_records_from_before_the_last_day_are_no_part_of_it(
    tmp_path: Path, publish_picky: Callable[[str], str]
) -> None:
    RecordedModel(publish_picky("yesterday")).record(tmp_path / "audit.db", LETTERS)
    counts = replay_sample(tmp_path / "audit.db", 5, tmp_path).counts
    assert counts == dict.fromkeys(Verdict, 0)
