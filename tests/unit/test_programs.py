"""What is not installed is told, and in CI it fails."""

from pathlib import Path

import pytest

from tests.support.programs import path_of


def test_without_a_program_its_tests_are_skipped_and_in_ci_they_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not installed: prometheus"):
        path_of("promtool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not installed: prometheus"):
        path_of("promtool")
