"""The two-sample test finds what single columns do not show, and is quiet where there is nothing."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from service.collector.collecting import Collector
from service.collector.nightly_test import NightlyTest
from service.collector.two_sample import LEAST_ROWS, auc_of, two_sample
from service.collector.two_sample_process import run_test
from service.model.contract import Contract, Feature, Target, Value
from service.monitoring.assessment import TwoSample
from tests.support import collected_logs
from tests.support.collected_logs import CollectedLog, rows_of
from tests.support.servers import PROJECT
from tests.support.waiting import await_true
from training.table.dataset import Dataset

CONTRACT = Contract(
    features=(
        Feature(name="height", type="float", nullable=True),
        Feature(name="weight", type="float"),
        Feature(name="size", type="integer"),
        Feature(name="tame", type="boolean"),
        Feature(name="colour", type="category", categories=("black", "grey", "white"), nullable=True),
        Feature(name="born", type="date"),
    ),
    target=Target(name="kind", type="text", classes=("cat", "dog")),
    reference_date=datetime(2026, 1, 1, tzinfo=UTC).date(),
)
SINCE = datetime(2026, 7, 3, tzinfo=UTC)
Columns = list[list[Value]]


def drawn(seed: int, rows: int, *, correlation: float = 0.8, year: int = 2024) -> Columns:
    """Rows in which height and weight belong together."""
    random = np.random.default_rng(seed)
    together = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], rows).round(3)
    heights: list[Value] = together[:, 0].tolist()
    for place in np.flatnonzero(random.random(rows) < 0.1):
        heights[place] = None
    colours: list[Value] = random.choice(["black", " grey ", "white", "", "pink"], rows).tolist()
    return [
        heights,
        together[:, 1].tolist(),
        random.integers(0, 9, rows).tolist(),
        (random.random(rows) < 0.3).tolist(),
        colours,
        [f"{year}-01-01"] * rows,
    ]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in the collector, here and in processes: threads of OpenMP spin while they wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with threadpool_limits(1):
        yield


def test_it_stays_quiet_on_rows_that_are_like_those_of_training() -> None:
    results = [
        two_sample(CONTRACT, drawn(seed, 1_500), drawn(1_000 + seed, rows, year=2026), SINCE, seed)
        for seed, rows in enumerate([LEAST_ROWS, 500, 1_500] * 4)
    ]
    assert {result.verdict for result in results} == {"stable"}
    p_values = np.array([result.p_value for result in results])
    assert (p_values < 0.05).sum() <= 3
    assert (p_values > 0.5).sum() >= 3


@pytest.mark.parametrize("rows", [500, 2_000])
def test_a_correlation_that_is_broken_is_found_and_its_columns_are_named(rows: int) -> None:
    training, received = drawn(1, 2_000), drawn(2, rows, correlation=0.0)
    found = two_sample(CONTRACT, training, received, SINCE, 3)
    assert found.verdict == "drifting"
    assert found.auc is not None
    assert found.auc > 0.6
    assert {*found.columns[:2]} == {"height", "weight"}
    assert "height" in found.text
    assert (found.training_rows, found.received_rows) == (2_000, rows)


def test_a_category_that_is_renamed_is_found() -> None:
    received = drawn(2, 500)
    received[4] = ["snow" if colour == "white" else colour for colour in received[4]]
    found = two_sample(CONTRACT, drawn(1, 2_000), received, SINCE, 3)
    assert found.verdict == "drifting"
    assert found.columns[0] == "colour"


def test_few_rows_give_no_figure() -> None:
    found = two_sample(CONTRACT, drawn(1, 500), drawn(2, LEAST_ROWS - 1), SINCE, 3)
    assert (found.verdict, found.auc, found.p_value) == ("insufficient", None, None)
    assert found.received_rows == LEAST_ROWS - 1


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_scikit_learns_and_its_error_that_of_random_labels(ties: bool) -> None:
    random = np.random.default_rng(1)
    scores = random.integers(0, 5, 200).astype(float) if ties else random.random(200)
    areas = []
    for _ in range(2_000):
        labels = random.permutation(200) < 80
        area, error = auc_of(scores, labels)
        areas.append(area)
    assert area == pytest.approx(roc_auc_score(labels, scores))
    assert np.std(areas) == pytest.approx(error, rel=0.06)


@pytest.fixture
def busy(
    log: CollectedLog, mixed_dataset: Dataset, monkeypatch: pytest.MonkeyPatch, stores: dict[str, str]
) -> CollectedLog:
    """A log with 300 rows of the last hour, singly and in batches."""
    rows: list[dict[str, Any]] = rows_of(mixed_dataset)
    monkeypatch.setattr(collected_logs, "START", datetime.now(UTC) - timedelta(hours=1))
    monkeypatch.setenv("BENTOML_HOME", stores["BENTOML_HOME"])
    records = [log.predicted(row, f"a-{number}") for number, row in enumerate(rows[:100])]
    log.write(*records, log.predicted(rows[:200], "batch"))
    return log


def test_the_process_compares_the_rows_of_the_last_day_with_the_sample(
    busy: CollectedLog, stores: dict[str, str]
) -> None:
    models, model_id = Path(stores["BENTOML_HOME"]) / "models", busy.model.card.model_id
    found = run_test(busy.log, models, model_id)
    assert found is not None
    assert (found.training_rows, found.received_rows, found.verdict) == (240, 292, "stable")
    command = [sys.executable, "-m", "service.collector.two_sample_process"]
    arguments = str(busy.log), str(models), model_id
    with subprocess.Popen(
        [*command, *arguments],
        cwd=PROJECT,
        env={**os.environ, **stores},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert TwoSample.model_validate_json(process.stdout.read()).received_rows == 292


def test_the_test_runs_once_a_day_and_its_result_is_kept(
    busy: CollectedLog, stores: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", stores["PYTHONPATH"])
    busy.collect().close()
    nightly = NightlyTest(busy.log, Path(stores["BENTOML_HOME"]) / "models", 0, interval_s=0)
    collector = Collector(busy.log, busy.db)
    refresh: Callable[[], bool] = lambda: nightly.refresh(collector)  # noqa: E731
    await_true(refresh, "the test has a result")
    result = collector.store.two_sample(busy.model.card.model_id)
    assert result is not None
    assert result.received_rows == 292
    assert not refresh()
    assert not nightly.is_running
    collector.close()
