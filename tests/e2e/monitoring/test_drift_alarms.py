"""A feature that is sent in another unit raises an alarm in its second window, wherever the verdict shows."""

from pathlib import Path

import httpx

from service.monitoring.__main__ import main as monitoring_command
from tests.support.monitored_traffic import (
    assessment_at,
    await_next_slot,
    await_windows,
    complete_windows,
    iris_rows,
    send_batch,
)
from tests.support.prometheus import prometheus
from tests.support.run_here import run_here
from tests.support.servers import Serve

SLOT_S = 3
ROWS = 500
SETTINGS = {"TABENTO_MONITORING_WINDOW_SECONDS": str(SLOT_S), "TABENTO_MONITORING_WINDOW_ROWS": str(ROWS)}
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def test_a_feature_in_inches_alarms_in_the_second_window_and_everywhere_alike(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    server = serve(model=iris, **SETTINGS)
    with prometheus(tmp_path, server.url.removeprefix("http://")) as running:
        for seed in range(3):
            await_next_slot(SLOT_S)
            send_batch(server, iris_rows(ROWS, seed)[FEATURES])
        before = await_windows(server.url, 3)
        assert before["status"] == "ok", before["alarms"]
        for place in range(2):
            await_next_slot(SLOT_S)
            sent = iris_rows(ROWS, 10 + place)[FEATURES]
            sent["petal_length"] = (sent["petal_length"] / 2.54).round(3)
            send_batch(server, sent)
            found = await_windows(server.url, 4 + place)
            assert found["status"] == ("ok", "alarm")[place], found["alarms"]
            assert "petal_length" in complete_windows(found)[-1]["deviating"]
        found = assessment_at(server.url)
        drifting = {column["column"] for column in found["drift"] if column["verdict"] == "drifting"}
        assert "petal_length" in drifting
        assert not drifting & {"sepal_length", "sepal_width", "petal_width"}
        assert any(alarm.startswith("petal_length") for alarm in found["alarms"])
        running.await_that(lambda: "TabentoFeatureDrifts" in running.firing(), "the alert of drift fires")
        (fired,) = running.query('ALERTS{alertname="TabentoFeatureDrifts", feature="petal_length"}')
        assert fired["metric"]["severity"] == "ticket"
    report = tmp_path / "report.html"
    database = server.audit_db.with_name("tabento-monitoring.db")
    shown = run_here(monitoring_command, "report", "--db", database, "--html", report)
    assert shown.returncode == 1, "an alarm has an exit code of its own"
    assert "petal_length" in report.read_text()
    first = found["windows"][0]["end_utc"]
    earlier = run_here(monitoring_command, "report", "--db", database, "--until", first)
    assert earlier.returncode == 0, earlier.stdout
    assert httpx.get(f"{server.url}/health", timeout=30).json()["monitoring"] == "on"
