"""One data plane: whatever way a row comes, it gets the same answer, and one record."""

import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.file.database import open_for_reading
from service.model.contract import Contract, Feature, Value
from service.model.contract_view import ContractView
from tests.support import animals
from tests.support.servers import Server, metric
from tests.support.transports import Row, Transports, datatype

ANIMALS = animals.CONTRACT


def values(feature: Feature) -> st.SearchStrategy[Value]:
    lowest, highest = feature.limits
    low, high = max(lowest, -1e6), min(highest, 1e6)
    of_type: dict[str, st.SearchStrategy[Value]] = {
        "float": st.floats(low, high, allow_subnormal=False),
        "integer": st.integers(int(low), int(high)),
        "boolean": st.booleans(),
        "category": st.one_of(
            st.sampled_from(feature.categories or ("a",)), st.text("aä€😀 ", min_size=1).filter(str.strip)
        ),
    }
    return st.one_of(st.none(), of_type[feature.type]) if feature.nullable else of_type[feature.type]


def rows(contract: Contract) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries({feature.name: values(feature) for feature in contract.features})


def recorded(client: httpx.Client, request_id: str) -> list[tuple[str, str, int]]:
    answer = client.get("/predictions/history", params={"request_id": request_id})
    return [(item["transport"], item["route"], item["rows"]) for item in answer.json()["items"]]


@pytest.fixture(scope="module")
def animals_transports(animals_server: Server) -> Iterator[Transports]:
    with closing(Transports(animals_server, ANIMALS, "animals")) as transports:
        yield transports


@pytest.fixture(scope="module")
def iris_transports(iris_server: Server) -> Iterator[Transports]:
    info = httpx.get(f"{iris_server.url}/model/info", timeout=30).json()
    contract = ContractView.model_validate(info["contract"])
    with closing(Transports(iris_server, contract, "iris_classifier")) as transports:
        yield transports


def check_all(transports: Transports, asked: list[Row]) -> None:
    answers = [ask(asked) for ask in transports.all()]
    first, *others = answers
    for other in others:
        assert other.labels == [plain(label) for label in first.labels]
        assert other.probabilities == first.probabilities
    v2 = f"/v2/models/{transports.name}/infer"
    grpc = "/inference.GRPCInferenceService/ModelInfer"
    assert [recorded(transports.client, answer.request_id) for answer in answers] == [
        [(transport, route, len(asked))]
        for transport, route in (
            ("http", "/predict/batch"), ("http", v2), ("http", v2), ("grpc", grpc), ("grpc", grpc),
        )
    ]  # fmt: skip


def test_the_history_shows_what_was_sent_and_answered_whatever_its_form(
    animals_transports: Transports,
) -> None:
    gaps = {**animals.DOG, "weight": None, "teeth": None, "breed": None}
    for ask in animals_transports.all()[1:]:
        answer = ask([animals.DOG, gaps])
        query = {"request_id": answer.request_id}
        (item,) = animals_transports.client.get("/predictions/history", params=query).json()["items"]
        sent = {tensor["name"]: tensor["data"] for tensor in item["request"]["inputs"]}
        assert {name: [data[0], data[1] or None] for name, data in sent.items()} == {
            name: [value, gaps[name]] for name, value in animals.DOG.items()
        }
        label, probabilities = item["response"]["outputs"]
        assert label["data"] == answer.labels
        assert probabilities["data"] == [value for row in answer.probabilities for value in row]


def plain(label: object) -> str:
    return json.dumps(label).strip('"')


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(row=rows(ANIMALS))
def test_a_row_of_every_type_gets_the_same_bits_by_every_way(
    animals_transports: Transports, row: Row
) -> None:
    check_all(animals_transports, [row])


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_rows_get_the_same_bits_by_every_way(iris_transports: Transports, data: st.DataObject) -> None:
    check_all(iris_transports, data.draw(st.lists(rows(iris_transports.contract), min_size=1, max_size=5)))


def test_the_metadata_say_what_each_feature_is_best_sent_as(animals_server: Server) -> None:
    metadata = httpx.get(f"{animals_server.url}/v2/models/animals/versions/1", timeout=30).json()
    assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]} == {
        feature.name: datatype(feature) for feature in ANIMALS.features
    }
    assert {tensor["datatype"] for tensor in metadata["inputs"]} == {"FP64", "INT64", "BOOL", "BYTES"}
    assert metadata["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
    ]
    assert json.loads(metadata["properties"]["classes"]) == [False, True]
    assert metadata["platform"] == "sklearn_skops"


def test_the_metrics_tell_routes_apart_and_no_names_of_models(iris_server: Server) -> None:
    for path in (
        "iris_classifier",
        "iris_classifier/versions/1",
        "none-1",
        "none-2",
        "none-3/ready",
        "none-4/x",
    ):
        httpx.get(f"{iris_server.url}/v2/models/{path}", timeout=30)
    page = httpx.get(f"{iris_server.url}/metrics", timeout=30).text
    assert "none" not in page
    assert "versions" not in page
    routes = {"/v2/models/{model}": "404", "/v2/models/{model}/ready": "404"}
    for route, status in routes.items():
        assert metric(iris_server.url, "tabento_requests_total", route=route, status=status) >= 1


def test_every_record_and_every_answer_names_the_model_of_model_info(
    animals_transports: Transports, animals_server: Server
) -> None:
    client = animals_transports.client
    info = client.get("/model/info").json()
    ids = [ask([animals.DOG]).request_id for ask in animals_transports.all()]
    items = [client.get("/predictions/history", params={"request_id": id_}).json()["items"][0] for id_ in ids]
    assert {item["model_id"] for item in items} == {info["model_id"]}
    native, *v2 = (item["response"] for item in items)
    assert native["model_id"] == info["model_id"] == client.get("/health").json()["model_id"]
    assert info["card"]["tag"] == info["tag"]
    in_json = next(response for response in v2 if "parameters" in response)
    assert in_json["parameters"]["model_id"] == info["model_id"]
    refused = client.post("/predict", json={"colour": 1})
    assert refused.status_code == 422
    with closing(open_for_reading(animals_server.audit_db)) as log:
        assert log.execute("SELECT DISTINCT model_id FROM request").fetchall() == [(info["model_id"],)]
        assert log.execute("SELECT model_id FROM model").fetchall() == [(info["model_id"],)]
