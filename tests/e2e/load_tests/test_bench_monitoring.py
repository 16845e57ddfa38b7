import json
import subprocess
import sys
from pathlib import Path

from tests.support.servers import PROJECT


def test_a_short_bench_writes_its_tables_and_objectives(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "load_tests.monitoring", "--quick", "--processes", "1"]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)], capture_output=True, text=True, cwd=PROJECT, check=False
    )
    report = json.loads((tmp_path / "monitoring.json").read_text())
    page = (tmp_path / "monitoring.md").read_text()
    assert [row["n_columns"] for row in report["false_alarms"]] == [4, 20, 4, 20]
    assert all(row["rates"]["months"] == 2 for row in report["false_alarms"])
    assert {row["tool"] for row in report["tools"]} == {"Tabento"}
    assert report["tools_left_out"] == ["evidently", "nannyml"]
    assert "evidently IS LEFT OUT" in done.stderr
    assert "**nannyml is left out.**" in page
    missed = any(each["met"] is False for each in report["objectives"])
    assert done.returncode == int(missed), done.stderr
    for heading in ("Without drift", "Weekly seasonality", "Beside other tools", "Live quality"):
        assert f"## {heading}" in page
