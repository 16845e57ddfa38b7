"""What any transport has served is replayed with the same bits; what it refused is refused again."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.act import model_act
from service.audit.write.logfile import LogFile
from service.model.contract import Contract, Feature, Value
from service.model.contract_view import ContractView
from service.wire.protocol import INFER
from tests.support import animals
from tests.support.changed_requests import bodies, messages
from tests.support.replayed_logs import outcomes_of, verdicts
from tests.support.servers import Serve, Server
from tests.support.stores import opened_store
from tests.support.transports import HEADER, Row, Transports, infer_request
from training.table.dataset import Dataset

UNHURRIED = settings(max_examples=12, suppress_health_check=list(HealthCheck))
CHANGED = settings(UNHURRIED, max_examples=60)


class Served:
    """A served model, its transports, and the replay of its log."""

    def __init__(self, server: Server, contract: Contract, name: str, stores: dict[str, str]) -> None:
        self.transports = Transports(server, contract, name)
        self.db = server.audit_db
        self.stores = stores

    def replayed(self, *options: object) -> dict[str, str]:
        with opened_store(self.stores):
            return verdicts(self.db, *options)

    def check(self, rows: list[Row]) -> None:
        """Send the rows by every transport; each record has the same bits."""
        for ask in self.transports.all():
            answer = ask(rows)
            assert self.replayed("--request-id", answer.request_id) == {answer.request_id: "same bits"}

    def check_no_alarm(self, request_id: str, *, is_answered: bool) -> None:
        """What was answered has the same bits; of what was refused, nothing is said to be different."""
        found = self.replayed("--request-id", request_id)
        if is_answered:
            assert found == {request_id: "same bits"}
        else:
            assert {*found.values()} <= {"refused again", "not replayable", "not performed again"}


@contextmanager
def serving(server: Server, contract: Contract, name: str, stores: dict[str, str]) -> Iterator[Served]:
    served = Served(server, contract, name, stores)
    with closing(served.transports):
        yield served


@pytest.fixture(scope="module")
def of_animals(animals_server: Server, stores: dict[str, str]) -> Iterator[Served]:
    with serving(animals_server, animals.CONTRACT, "animals", stores) as served:
        yield served


@pytest.fixture(scope="module")
def of_iris(iris_server: Server, stores: dict[str, str]) -> Iterator[Served]:
    info = httpx.get(f"{iris_server.url}/model/info", timeout=30).json()
    contract = ContractView.model_validate(info["contract"])
    with serving(iris_server, contract, "iris_classifier", stores) as served:
        yield served


@pytest.fixture(scope="module")
def of_visits(serve: Serve, stores: dict[str, str], visits_dataset: Dataset) -> Iterator[Served]:
    from tests.support.small_models import publish_visits

    with opened_store(stores):
        tag = publish_visits(visits_dataset)
    server = serve(model=tag, with_grpc=True)
    with serving(server, visits_dataset.contract, "visits", stores) as served:
        yield served


def values(feature: Feature) -> st.SearchStrategy[Value]:
    lowest, highest = feature.limits
    low, high = max(lowest, -1e6), min(highest, 1e6)
    texts = st.text("aä€😀 ", min_size=1).filter(str.strip)
    of_type: dict[str, st.SearchStrategy[Value]] = {
        "float": st.floats(low, high, allow_subnormal=False),
        "integer": st.integers(int(low), int(high)),
        "boolean": st.booleans(),
        "category": st.one_of(st.sampled_from(feature.categories or ("a",)), texts),
        "date": st.dates().map(str),
        "datetime": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    }
    return st.one_of(st.none(), of_type[feature.type]) if feature.nullable else of_type[feature.type]


def rows(contract: Contract, most: int = 4) -> st.SearchStrategy[list[Row]]:
    row = st.fixed_dictionaries({feature.name: values(feature) for feature in contract.features})
    return st.lists(row, min_size=1, max_size=most)


@UNHURRIED
@given(sent=rows(animals.CONTRACT))
def test_rows_of_every_type_with_and_without_values_are_replayed(of_animals: Served, sent: list[Row]) -> None:
    of_animals.check(sent)


@UNHURRIED
@given(data=st.data())
def test_rows_of_the_compiled_form_are_replayed(of_iris: Served, data: st.DataObject) -> None:
    of_iris.check(data.draw(rows(of_iris.transports.contract)))


def test_dates_and_missing_dates_are_replayed(of_visits: Served) -> None:
    visit: Row = {
        "booked": "2023-05-01", "arrived": "2023-05-20T20:15:00+02:00", "left": None, "fee": 20.5,
        "ward": "north",
    }  # fmt: skip
    of_visits.check([visit, {**visit, "arrived": None, "left": "2031-01-01"}])


def test_a_big_batch_is_replayed(of_iris: Served) -> None:
    row = {feature.name: 5.0 for feature in of_iris.transports.contract.features}
    of_iris.check([{**row, "sepal_length": 4 + number / 5_000} for number in range(9_000)])


def test_an_answer_that_was_requested_without_probabilities_is_replayed(of_animals: Served) -> None:
    tensors = infer_request(animals.CONTRACT, [animals.DOG], "animals", id="label-only")
    tensors.outputs.add(name="label")
    of_animals.transports.infer(tensors)
    assert of_animals.replayed("--request-id", "label-only") == {"label-only": "same bits"}


def test_refusals_of_every_transport_are_refused_again(of_animals: Served) -> None:
    transports = of_animals.transports
    ids = []
    for number, (path, body, headers) in enumerate(
        [
            ("/predict", b"{", {}),
            ("/predict", b'{"length": "long"}', {}),
            ("/predict/batch", b'{"instances": []}', {}),
            (transports.path, b'{"inputs": []}', {}),
            (transports.path, b'{"inputs": 5}xyz', {HEADER: "13"}),
        ]
    ):
        ids.append(f"refused-{number}")
        sent = {"content-type": "application/json", "x-request-id": ids[-1], **headers}
        assert transports.client.post(path, content=body, headers=sent).status_code in (400, 422)
    message = infer_request(animals.CONTRACT, [animals.DOG], "another", id="refused-by-grpc")
    with pytest.raises(grpc.RpcError):
        transports.infer(message)
    for id_ in [*ids, "refused-by-grpc"]:
        assert of_animals.replayed("--request-id", id_) == {id_: "refused again"}
    transports.client.post(
        transports.path, content=b'{"inputs": []}', headers={HEADER: "x", "x-request-id": "header"}
    )
    assert of_animals.replayed("--request-id", "header") in ({"header": "refused again"},)


@CHANGED
@given(sent=bodies())
def test_a_body_with_anything_changed_is_replayed_without_a_false_alarm(
    of_animals: Served, sent: tuple[bytes, dict[str, str]]
) -> None:
    transports, (content, headers) = of_animals.transports, sent
    request_id = uuid4().hex
    headers = {**headers, "x-request-id": request_id}
    answer = transports.client.post(transports.path, content=content, headers=headers)
    of_animals.check_no_alarm(request_id, is_answered=answer.status_code == 200)


@CHANGED
@given(message=messages())
def test_a_message_with_anything_changed_is_replayed_without_a_false_alarm(
    of_animals: Served, message: bytes
) -> None:
    request_id = uuid4().hex
    infer: Any = of_animals.transports.channel.unary_unary(INFER)
    try:
        infer(message, timeout=30, metadata=(("x-request-id", request_id),))
    except grpc.RpcError:
        of_animals.check_no_alarm(request_id, is_answered=False)
    else:
        of_animals.check_no_alarm(request_id, is_answered=True)


def test_a_whole_log_of_all_transports_is_replayed(of_animals: Served) -> None:
    with opened_store(of_animals.stores):
        for outcome in outcomes_of(of_animals.db):
            if outcome["verdict"] == "not replayable":  # Another test of this server sent it to be refused.
                assert re.search("not kept|not recorded", outcome["reason"])
            else:
                fine = {"same bits", "refused again", "same label and within 1e-9"}
                assert outcome["verdict"] in fine, str(outcome)


def test_the_service_does_not_start_on_a_log_with_another_card_under_its_model_id(
    serve: Serve, animals: str, animals_server: Server, tmp_path: Path
) -> None:
    model_id = httpx.get(f"{animals_server.url}/model/info", timeout=30).json()["model_id"]
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file, file.transaction() as (_, tail):
        tail.add_act(model_act(model_id, {"tag": "another"}))
    sentence = f"The audit log {db} cannot be used: its ledger has another act model:{model_id}"
    with pytest.raises(pytest.fail.Exception, match="the process ended before it answered") as failed:
        serve(model=animals, TABENTO_AUDIT_DB=str(db))
    assert str(failed.value).count(sentence) == 1
