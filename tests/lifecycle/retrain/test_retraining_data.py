"""The table of a retraining has what pandas finds in the export of the log, by the rules of monitoring."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lifecycle.retrain.retraining_data import Parent, RetrainingData, read_data, write_data
from lifecycle.retrain.retraining_lineage import RetrainingLineage, lineage_path
from service.audit.__main__ import main
from service.audit.columns import ANSWERED, OUTCOME
from service.audit.keep.redaction import redact
from service.audit.write.logfile import LogFile
from tests.support.audit.logs import BY_ADA
from tests.support.collected_logs import CollectedLog, outcome, rows_of
from tests.support.replayed_logs import RecordedModel
from tests.support.run_here import run_here
from tests.support.small_models import publish_visits
from tests.support.stores import environment_of, opened_store
from training.table.dataset import Dataset, load_dataset
from training.table.options import TableOptions

PARENT = Parent("visits:1", "1")
TARGET = "outcome"
FEATURES = ("booked", "arrived", "left", "fee", "ward")


@pytest.fixture(scope="module")
def log(visits_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectedLog]:
    """Predictions of rows with dates and gaps, and outcomes of every kind."""
    folder = tmp_path_factory.mktemp("retraining")
    with opened_store(environment_of(folder)):
        log = CollectedLog(folder, RecordedModel(publish_visits(visits_dataset)))
        _write(log, rows_of(visits_dataset))
        yield log


def _write(log: CollectedLog, rows: list[dict[str, Any]]) -> None:
    for number, row in enumerate(rows[:30]):
        log.write(log.predicted(row, f"single-{number}"))
        log.write(outcome(f"single-{number}", "late" if number % 3 else "early"))
    # A truth that was corrected, a decision, one without prediction, one of no class, one of no row.
    log.write(outcome("single-0", "late"), outcome("single-1", "early", kind="decision"))
    log.write(outcome("nowhere", "late"), outcome("single-2", "never"), outcome("single-3", "late", row=7))
    # A batch with the same row thrice, of which two have the same label.
    log.write(log.predicted([rows[40], rows[41], rows[40], rows[40]], "batch"))
    for place, label in enumerate(("late", "early", "late", "early")):
        log.write(outcome("batch", label, row=place))
    # A request id of two predictions, one that was redacted, and one without a truth.
    log.write(log.predicted(rows[42], "twice"), log.predicted(rows[43], "twice"), outcome("twice", "late"))
    log.write(log.predicted(rows[44], "removed"), outcome("removed", "late"))
    log.write(log.predicted(rows[45], "unknown"))
    with closing(LogFile(log.log)) as file:
        redact(file, "removed", *BY_ADA)


@pytest.fixture(scope="module")
def data(log: CollectedLog, visits_dataset: Dataset) -> RetrainingData:
    return read(log, visits_dataset, visits_dataset.table.location)


def read(log: CollectedLog, dataset: Dataset, path: str) -> RetrainingData:
    return read_data(dataset, path, log.log, "visits", holdout=0.25, newest=None, parent=PARENT)


@pytest.fixture(scope="module")
def written(data: RetrainingData, log: CollectedLog) -> tuple[Path, RetrainingLineage]:
    path = log.log.parent / "table.parquet"
    return path, write_data(data, path, "visits", PARENT)


def exported(log: CollectedLog) -> pd.DataFrame:
    """The labelled rows by the export and pandas alone, in the order of the log."""
    done = run_here(main, "--db", log.log, "export", "--format", "jsonl")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    newest: dict[tuple[str, int], str] = {}
    for record in records:
        if record["status"] == OUTCOME and record["request"] and record["request"]["kind"] == "truth":
            body = record["request"]
            newest[record["request_id"], body["row"]] = body["label"]
    answered = [record for record in records if record["status"] == ANSWERED and record["request"]]
    ids = pd.Series([record["request_id"] for record in answered]).value_counts()
    found = []
    for record in answered:
        body, request_id = record["request"], record["request_id"]
        for place, row in enumerate(body.get("instances", [body])):
            label = newest.get((request_id, place))
            if ids[request_id] == 1 and label in ("late", "early"):
                found.append({"request": request_id, **row, TARGET: label})
    frame = pd.DataFrame(found)
    return frame.drop_duplicates().drop(columns="request").reset_index(drop=True)


def as_texts(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """The rows as texts that are the same however a date is stored."""
    shown = frame.copy()
    for name in ("booked", "arrived", "left"):
        moments = pd.to_datetime(shown[name], utc=True, format="ISO8601")
        shown[name] = moments.dt.strftime("%Y-%m-%dT%H:%M:%S")
    shown["fee"] = shown["fee"].astype(float).round(6)
    return [tuple(map(str, row)) for row in shown[[*FEATURES, TARGET]].fillna("none").to_numpy().tolist()]


def test_the_new_table_is_the_published_one_and_what_pandas_finds_in_the_export(
    data: RetrainingData, written: tuple[Path, RetrainingLineage], log: CollectedLog, visits_dataset: Dataset
) -> None:
    path, _ = written
    table = pd.read_parquet(path)
    held_out = pd.read_parquet(path.with_name("table.held-out.parquet"))
    published = pd.read_csv(visits_dataset.table.location)
    rows = len(published)
    assert as_texts(table.iloc[:rows]) == as_texts(published)
    assert as_texts(pd.concat([table.iloc[rows:], held_out])) == as_texts(exported(log))
    assert len(held_out) == len(data.labels.rows) // 4


def test_what_is_left_out_is_counted_by_its_reason(data: RetrainingData) -> None:
    assert data.labels.dropped == {
        "ambiguous request id": 1,
        "no such row": 1,
        "not a class": 1,
        "repeated in its request": 1,
    }
    assert len(data.labels.rows) == 29 + 3


def test_the_new_table_is_read_as_the_published_one_was(
    written: tuple[Path, RetrainingLineage], visits_dataset: Dataset
) -> None:
    path, _ = written
    again = load_dataset(path, TARGET, TableOptions()).contract
    types = [(feature.name, feature.type, feature.nullable) for feature in again.features]
    assert types == [(each.name, each.type, each.nullable) for each in visits_dataset.contract.features]
    assert again.target == visits_dataset.contract.target


def test_the_lineage_names_parent_ranges_sources_and_digests(
    data: RetrainingData, written: tuple[Path, RetrainingLineage], visits_dataset: Dataset
) -> None:
    path, lineage = written
    assert RetrainingLineage.model_validate_json(lineage_path(path).read_bytes()) == lineage
    assert (lineage.parent, lineage.parent_version) == ("visits:1", "1")
    assert lineage.published_table.sha256 == visits_dataset.table.sha256
    assert lineage.log is not None
    assert lineage.log.sources == {"not stated": 32}
    assert lineage.log.trained.rows + lineage.log.held_out.rows == 32
    assert lineage.log.trained.last_id is not None
    assert lineage.log.held_out.first_id is not None
    assert lineage.log.trained.last_id < lineage.log.held_out.first_id <= lineage.log.upto_id
    assert lineage.log.dropped == dict(data.labels.dropped)
    assert "without weights" in lineage.weights
    assert path.stat().st_mode & 0o077 == 0


def test_a_table_of_an_earlier_retraining_takes_the_later_labels_alone(
    written: tuple[Path, RetrainingLineage], log: CollectedLog
) -> None:
    path, lineage = written
    assert lineage.log is not None
    again = read(log, load_dataset(path, TARGET, TableOptions()), str(path))
    assert again.after_id == lineage.log.trained.last_id
    assert all(row.truth_id > again.after_id for row in again.labels.rows)
    assert 0 < len(again.labels.rows) < 32


def test_labels_for_one_predicted_class_alone_are_warned_of(
    log: CollectedLog, visits_dataset: Dataset
) -> None:
    biased = log.anew()
    for number, row in enumerate(rows_of(visits_dataset)[:60]):
        record = biased.predicted(row, f"biased-{number}")
        biased.write(record)
        if biased.labels(record) == ["late"]:
            biased.write(outcome(f"biased-{number}", "late"))
    found = read(biased, visits_dataset, visits_dataset.table.location)
    assert found.warning.startswith("No prediction of early has a label")
    assert "biased" in found.warning
