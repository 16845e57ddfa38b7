"""The pages beside the prediction routes."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.servers import metric


def history(client: httpx.Client, **query: str | int) -> list[dict[str, Any]]:
    answer = client.get("/predictions/history", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_browser_gets_a_page_and_a_program_gets_json(client: httpx.Client) -> None:
    page = client.get("/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert 'href="docs"' in page.text
    api = client.get("/", headers={"accept": "application/json"}).json()
    assert api["model"].startswith("iris_classifier:")
    assert {"POST /predict", "POST /predict/batch", "GET /health", "GET /metrics"} <= set(api["routes"])


def test_every_get_route_that_the_service_names_is_there(client: httpx.Client) -> None:
    routes = client.get("/", headers={"accept": "application/json"}).json()["routes"]
    for route in routes:
        method, path = route.split()
        if method == "GET":
            answer = client.get(path.format(model="iris_classifier", version="1", request_id="none"))
            if "{request_id}" in path:
                assert answer.json()["type"] == "urn:tabento:prediction-unknown"
            elif path == "/monitoring" and answer.status_code == 404:  # Before the first assessment.
                assert answer.json()["type"] == "urn:tabento:assessment-missing"
            else:
                assert answer.status_code == 200, route


def test_the_api_page_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert "//" not in re.sub(r"<!--.*?-->", "", page)
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert client.get(f"/{asset}").status_code == 200, asset


def test_health_tells_the_model_the_log_and_the_uptime(client: httpx.Client) -> None:
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["model"].startswith("iris_classifier:")
    assert health["audit_writable"] is True
    assert health["uptime_s"] > 0


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_answered(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_model_info_gives_the_contract_the_class_order_and_the_lineage(client: httpx.Client) -> None:
    info = client.get("/model/info").json()
    assert info["classes"] == ["setosa", "versicolor", "virginica"]
    assert info["model_name"] == "iris_logistic_regression"
    assert [feature["name"] for feature in info["contract"]["features"]] == list(SETOSA)
    assert info["contract"]["features"][0]["unit"] == "cm"
    assert re.fullmatch(r"[0-9a-f]{64}", info["lineage"]["data_sha256"])
    assert re.fullmatch(r"[0-9a-f]{32}", info["lineage"]["run_id"])
    assert info["lineage"]["alias"] == "champion"
    assert info["lineage"]["metrics"]
    assert info["lineage"]["libraries"]["scikit-learn"]
    assert info["has_profile"] is True
    assert "profile.json" in info["card"]["files"]


def test_every_answer_has_a_request_id(client: httpx.Client) -> None:
    assert client.get("/livez", headers={"x-request-id": "probe-1"}).headers["x-request-id"] == "probe-1"


def test_an_answer_is_in_the_history_as_it_was_sent(client: httpx.Client) -> None:
    answer = client.post("/predict", json=SETOSA, headers={"x-request-id": f"history-{uuid4()}"})
    (item,) = history(client, request_id=answer.headers["x-request-id"])
    assert item["request"] == SETOSA
    assert item["response"] == answer.json()
    assert (item["route"], item["status"], item["rows"]) == ("/predict", 200, 1)
    assert (item["transport"], item["client"]) == ("http", "127.0.0.1")
    assert (item["model_name"], item["model_version"]) == ("iris_logistic_regression", "1")
    assert item["duration_ms"] > 0


def test_the_history_is_newest_first_and_goes_on_where_a_page_ended(client: httpx.Client) -> None:
    sent = [client.post("/predict", json=SETOSA).headers["x-request-id"] for _ in range(5)]
    first = client.get("/predictions/history", params={"limit": 2}).json()
    second = client.get("/predictions/history", params={"limit": 3, "before": first["next_before"]}).json()
    got = [item["request_id"] for item in first["items"] + second["items"]]
    assert got == sent[::-1]


def test_the_history_is_filtered(client: httpx.Client) -> None:
    setosa = client.post("/predict", json=SETOSA)
    both = client.post("/predict/batch", json={"instances": [SETOSA, VIRGINICA]})
    moment = datetime.fromisoformat(both.json()["timestamp"])
    ids = [item["request_id"] for item in history(client, label="virginica", limit=1)]
    assert ids == [both.headers["x-request-id"]]
    assert history(client, label="versicolour") == []
    assert history(client, model="another") == []
    assert len(history(client, model="iris_logistic_regression", limit=2)) == 2
    assert history(client, since=(moment + timedelta(hours=1)).isoformat()) == []
    assert [item["request_id"] for item in history(client, until=moment.isoformat(), limit=1)] == [
        setosa.headers["x-request-id"]
    ]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "limit=100000", "since=yesterday", "before=%00", "colour=blue", "limit=1&limit=2"],
)
def test_an_invalid_query_names_its_parameter(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/predictions/history?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["loc"] == [query.partition("=")[0]]


def test_requests_are_counted_by_route_method_and_status(client: httpx.Client) -> None:
    def counted(status: str) -> float:
        return metric(
            client.base_url, "tabento_requests_total", route="/predict", method="POST", status=status
        )

    answered, refused = counted("200"), counted("422")
    client.post("/predict", json=SETOSA)
    client.post("/predict", json={})
    assert (counted("200"), counted("422")) == (answered + 1, refused + 1)


def test_unknown_paths_and_methods_are_one_label(client: httpx.Client) -> None:
    for path in ("/none-1", "/none-2", "/none-3"):
        client.request("PROPFIND", path)
    assert metric(client.base_url, "tabento_requests_total", route="other", method="other", status="404") >= 3
    assert "/none" not in client.get("/metrics").text


def test_predictions_confidence_flags_and_calls_are_counted(client: httpx.Client) -> None:
    names = {
        "tabento_predictions_total": {"label": "virginica"},
        "tabento_confidence_count": {},
        "tabento_flagged_values_total": {"feature": "petal_width", "reason": "above_observed_maximum"},
        "tabento_batch_rows_sum": {},
        "tabento_audit_records_total": {"outcome": "written"},
        "tabento_request_duration_seconds_count": {"route": "/predict/batch"},
    }
    before = {name: metric(client.base_url, name, **labels) for name, labels in names.items()}
    client.post("/predict/batch", json={"instances": [VIRGINICA, {**VIRGINICA, "petal_width": 9}]})
    after = {name: metric(client.base_url, name, **labels) for name, labels in names.items()}
    assert [after[name] - before[name] for name in names] == [2, 2, 1, 2, 1, 1]


def test_the_model_is_a_metric_with_labels(client: httpx.Client) -> None:
    assert (
        metric(
            client.base_url, "tabento_model_info", model_name="iris_logistic_regression", model_version="1"
        )
        == 1
    )


def test_every_class_is_counted_from_the_start(client: httpx.Client) -> None:
    page = client.get("/metrics").text
    for label in ("setosa", "versicolor", "virginica"):
        assert f'tabento_predictions_total{{label="{label}",role="champion"}}' in page
