"""Rows with dates by every transport: the same answers, and the texts that the client sent in the log."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from service.model.contract import Contract
from tests.support.servers import Serve, Server, metric
from tests.support.transports import Row, Transports
from training.table.dataset import Dataset

VISIT: Row = {
    "booked": "2023-05-01",
    "arrived": "2023-05-20T20:15:00+02:00",
    "left": None,
    "fee": 20.5,
    "ward": "north",
}
LATER: Row = {**VISIT, "arrived": None, "left": "2031-01-01"}


@pytest.fixture(scope="module")
def server(serve: Serve, stores: dict[str, str], visits_dataset: Dataset) -> Server:
    from tests.support.small_models import publish_visits
    from tests.support.stores import opened_store

    with opened_store(stores):
        tag = publish_visits(visits_dataset)
    return serve(model=tag, with_grpc=True, is_measured=True)


@pytest.fixture(scope="module")
def contract(visits_dataset: Dataset) -> Contract:
    return visits_dataset.contract


@pytest.fixture(scope="module")
def transports(server: Server, contract: Contract) -> Iterator[Transports]:
    with closing(Transports(server, contract, "visits")) as transports:
        yield transports


def shown(transports: Transports, request_id: str) -> dict[str, object]:
    (item,) = transports.client.get("/predictions/history", params={"request_id": request_id}).json()["items"]
    request: dict[str, object] = item["request"]
    return request


def test_every_transport_gives_the_same_bits_and_records_the_texts(transports: Transports) -> None:
    native, *others = [ask([VISIT, LATER]) for ask in transports.all()]
    assert shown(transports, native.request_id) == {"instances": [VISIT, LATER]}
    for other in others:
        assert (other.labels, other.probabilities) == (native.labels, native.probabilities)
        tensors = {each["name"]: each["data"] for each in shown(transports, other.request_id)["inputs"]}  # type: ignore[attr-defined]
        assert tensors["booked"] == [VISIT["booked"], LATER["booked"]]
        assert [text or None for text in tensors["arrived"]] == [VISIT["arrived"], None]


def test_an_instant_gets_one_answer_whatever_its_zone(transports: Transports) -> None:
    texts = ("2023-05-20T20:15:00+02:00", "2023-05-20T18:15:00Z", "2023-05-20 18:15:00.000")
    answered = transports.native([{**VISIT, "arrived": text} for text in texts])
    assert answered.probabilities[0] == answered.probabilities[1] == answered.probabilities[2]
    assert transports.native([{**VISIT, "arrived": "2023-05-20T11:15:00Z"}]).probabilities != [
        answered.probabilities[0]
    ]


def test_a_date_beyond_the_observed_range_is_flagged_and_counted(
    transports: Transports, server: Server
) -> None:
    answer = transports.client.post("/predict", json=LATER).json()
    assert answer["flags"] == [{"row": 0, "feature": "left", "reason": "above_observed_maximum"}]
    assert metric(server.url, "tabento_flagged_values_total", feature="left") >= 1


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (19_478, "Input should be a day in ISO 8601, for example 2024-03-15"),
        ("2023-02-30", "Input should be a day that exists"),
        (None, "May not be missing"),
    ],
)
def test_a_value_that_is_no_date_is_refused_with_its_place(
    transports: Transports, value: object, sentence: str
) -> None:
    answer = transports.client.post("/predict", json={**VISIT, "booked": value})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["msg"]) == (["booked"], sentence)


def test_the_contract_and_the_metadata_show_dates_as_texts(
    transports: Transports, contract: Contract
) -> None:
    info = transports.client.get("/model/info").json()
    assert info["contract"]["reference_date"] == str(contract.reference_date)
    booked = info["contract"]["features"][0]
    texts = [booked[name] for name in ("observed_minimum", "example", "observed_maximum")]
    assert texts == sorted(texts)
    assert all(len(text) == len("2023-05-01") for text in texts)
    assert info["runtime"].startswith("ONNX Runtime")
    inputs = transports.client.get("/v2/models/visits").json()["inputs"]
    assert [tensor["datatype"] for tensor in inputs] == ["BYTES", "BYTES", "BYTES", "FP64", "BYTES"]


def test_the_example_of_the_document_is_a_row_that_the_service_takes(server: Server) -> None:
    document = httpx.get(f"{server.url}/docs.json", timeout=30).json()
    for path in ("/predict", "/v2/models/visits/infer"):
        example = document["paths"][path.replace("visits", "{model}")]["post"]["requestBody"]["content"]
        answer = httpx.post(f"{server.url}{path}", json=example["application/json"]["example"], timeout=30)
        assert answer.status_code == 200, answer.text


def test_scikit_learn_gives_what_the_compiled_form_gives(
    serve: Serve, server: Server, transports: Transports
) -> None:
    """The published pipeline loads, with the function that computes calendar features."""
    tag = httpx.get(f"{server.url}/model/info", timeout=30).json()["tag"]
    other = serve(model=tag, TABENTO_RUNTIME="sklearn")
    answer = httpx.post(f"{other.url}/predict/batch", json={"instances": [VISIT, LATER]}, timeout=30).json()
    expected = transports.native([VISIT, LATER])
    assert httpx.get(f"{other.url}/model/info", timeout=30).json()["runtime"].startswith("scikit-learn")
    assert answer["predictions"] == expected.labels
    for got, wanted in zip(answer["probabilities"], expected.probabilities, strict=True):
        assert got == pytest.approx(wanted, abs=1e-12)
