"""A report of a period has the windows that begin within it, judged by the function that judges all."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import MonitoringUnusable
from service.monitoring.__main__ import main
from service.monitoring.assess import assess
from service.monitoring.assessment_of import assessment_of
from service.monitoring.model_state import WindowOptions
from service.monitoring.store.newest_assessment import write_assessment
from tests.support.collected_logs import CollectedLog, rows_of
from tests.support.replayed_logs import START
from tests.support.run_here import run_here
from training.table.dataset import Dataset

SLOT_S = 5
OPTIONS = WindowOptions(SLOT_S, min_rows=50)


@pytest.fixture
def db(log: CollectedLog, mixed_dataset: Dataset) -> Path:
    """The file of 20 batches of 30 rows, a second apart, in windows of 5 s."""
    rows = rows_of(mixed_dataset)
    log.write(
        *(log.predicted([rows[(n * 7 + m) % len(rows)] for m in range(30)], f"b-{n}") for n in range(20))
    )
    with log.collect(slot_s=SLOT_S) as store:
        (facts,) = store.models()
        write_assessment(log.db, assess(store.state(facts.model_id), OPTIONS, datetime.now(UTC)))
    return log.db


def starts(db: Path, since: datetime | None = None, until: datetime | None = None) -> list[datetime]:
    """When its windows begin."""
    windows = assessment_of(db, since=since, until=until).windows
    return [window.start_utc for window in windows]


def test_it_has_the_windows_that_begin_within_it(db: Path) -> None:
    every = starts(db)
    assert len(every) >= 4
    middle = every[2]
    assert starts(db, since=middle) == every[2:]
    assert starts(db, until=middle) == every[:2]
    assert starts(db, since=every[1], until=middle) == every[1:2]
    assert starts(db, until=START - timedelta(days=1)) == []


def test_the_command_reports_it(db: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    arguments = ("--db", db, "--since", START.isoformat(), "--html", page)
    done = run_here(main, "report", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "measured_mixed" in page.read_text(encoding="utf-8")
    empty = run_here(main, "report", "--db", db, "--until", "2020-01-01T00:00:00Z")
    assert empty.returncode == 0
    assert "Not enough rows to say" in empty.stdout


def test_a_model_is_found_by_its_tag_and_another_has_none(db: Path) -> None:
    tag = assessment_of(db).model_tag
    assert assessment_of(db, model=tag, since=START).model_tag == tag
    with pytest.raises(MonitoringUnusable, match="no assessment of the model 'other'"):
        assessment_of(db, model="other", since=START)
