"""The newest assessment is what was written; a worker gets it without windows, and reads it once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from service.monitoring.assessment import Assessment
from service.monitoring.store.newest_assessment import read_assessment, read_stored, write_assessment
from tests.support.monitoring.any_assessment import any_assessment
from tests.support.monitoring.assessments import alarming, calm


def without_windows(assessment: Assessment) -> Assessment:
    quality = assessment.quality
    bare: dict[str, object] = {
        "windows": (),
        "drift": tuple(each.model_copy(update={"windows": ()}) for each in assessment.drift),
        "quality": quality and quality.model_copy(update={"windows": ()}),
    }
    return assessment.model_copy(update=bare)


@settings(max_examples=25, deadline=None, suppress_health_check=[*HealthCheck])
@given(assessment=any_assessment())
def test_what_is_read_is_what_was_written(tmp_path: Path, assessment: Assessment) -> None:
    path = tmp_path / "monitoring.db"
    path.unlink(missing_ok=True)
    write_assessment(path, assessment)
    assert read_assessment(path) == assessment
    found = read_stored(path, assessment.model_id, None)
    assert found is not None
    assert Assessment.model_validate_json(found.content) == assessment
    assert found.brief == without_windows(assessment)


def test_the_newest_of_a_model_counts_and_is_read_once(tmp_path: Path) -> None:
    path, now = tmp_path / "monitoring.db", datetime.now(UTC)
    first = alarming("one", assessed_utc=now)
    write_assessment(path, first)
    write_assessment(path, calm("two", assessed_utc=now - timedelta(hours=1)))
    assert read_assessment(path) == first
    seen = read_stored(path, "one", None)
    assert read_stored(path, "one", seen) is seen
    later = calm("one", assessed_utc=now + timedelta(microseconds=1))
    write_assessment(path, later)
    found = read_stored(path, "one", seen)
    assert found is not None
    assert found.brief == without_windows(later)
    assert read_stored(path, "three", seen) is None


def test_a_file_that_is_not_there_or_is_something_else_has_none_and_is_not_changed(tmp_path: Path) -> None:
    none, other = tmp_path / "none.db", tmp_path / "other.db"
    other.write_bytes(b"no database" * 1_000)
    for path in (none, other, tmp_path):
        assert read_assessment(path) is None
        assert read_stored(path, "one", None) is None
    assert not none.exists()
    assert other.read_bytes() == b"no database" * 1_000
