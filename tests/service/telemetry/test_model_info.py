"""The info gauge shows the models that some worker serves, and none that every worker left."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.metrics_worker import start

SERVES = """
import sys
from service.telemetry.metrics import Metrics, use_folder
use_folder()
from tests.support.telling_models import telling_model
metrics = Metrics()
for number in map(int, sys.argv[1:]):
    metrics.models.set_models({"champion": telling_model(number).model})
print("ready", flush=True)
sys.stdin.readline()
print(metrics.page().decode())
"""


def test_a_model_that_every_worker_left_is_shown_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    workers = [start(folder, SERVES, *versions) for versions in (("1", "2", "3"), ("1", "2"))]
    page, _ = workers[0].communicate("\n")
    workers[1].communicate("\n")
    shown = {
        sample.labels["model_version"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "tabento_model_info"
    }
    assert shown == {"2": 1, "3": 1}
