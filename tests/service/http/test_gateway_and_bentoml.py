"""What the gateway answers is what the ``@bentoml.api`` methods that it stands in for would answer."""

import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit.query.reader import AuditReader
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve, Server

HEADERS = {"content-type": "application/json"}
NAMES = list(SETOSA)

numbers = st.one_of(st.floats(0, 30), st.integers(0, 30))
rows = st.fixed_dictionaries(dict.fromkeys(NAMES, numbers))
anything = st.one_of(
    *(st.none(), st.booleans(), st.text(max_size=5), st.floats(), st.integers()),
    st.lists(st.integers(), max_size=2),
)
broken = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=5)), anything, max_size=5)


def batches_of(row: st.SearchStrategy[object], least: int) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries({"instances": st.lists(row, min_size=least, max_size=5)})


bodies = st.one_of(
    st.tuples(st.just("/predict"), rows),
    st.tuples(st.just("/predict"), st.one_of(broken, anything)),
    st.tuples(st.just("/predict/batch"), batches_of(rows, 1)),
    st.tuples(st.just("/predict/batch"), batches_of(st.one_of(rows, broken), 0)),
    st.tuples(st.just("/predict/batch"), st.one_of(rows, anything)),
)


@pytest.fixture(scope="module")
def ungated_server(serve: Serve, iris: str) -> Iterator[Server]:
    server = serve("tests.support.ungated:TabularClassifier", model=iris)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def ungated(ungated_server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=ungated_server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def gated(iris_server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=iris_server.url, timeout=30) as client:
        yield client


@settings(max_examples=80)
@given(bodies)
def test_both_ways_give_the_same_predictions_and_refuse_the_same_bodies(
    ungated: httpx.Client, gated: httpx.Client, asked: tuple[str, object]
) -> None:
    path, body = asked
    text = json.dumps(body)
    ours, theirs = (client.post(path, content=text, headers=HEADERS) for client in (gated, ungated))
    assert ours.status_code // 100 == theirs.status_code // 100, (ours.text, theirs.text)
    assert ours.status_code < 500
    if ours.status_code == 200:
        answer, expected = ours.json(), theirs.json()
        assert list(answer) == [name for name in expected if expected[name] is not None]
        for name in ("predictions", "probabilities", "model_name", "model_version"):
            assert answer[name] == expected[name]
        assert answer.get("flags") == expected.get("flags")


def test_a_prediction_that_bentoml_itself_answers_is_recorded_as_it_was_asked_for_and_answered(
    ungated_server: Server, ungated: httpx.Client
) -> None:
    answers = [
        ungated.post("/predict", json=SETOSA).json(),
        ungated.post("/predict/batch", json={"instances": [SETOSA, SETOSA]}).json(),
    ]
    found = {row.request_id: row for row in AuditReader(ungated_server.audit_db).records()}
    for answer, asked, path in zip(
        answers, (SETOSA, {"instances": [SETOSA, SETOSA]}), ("/predict", "/predict/batch"), strict=True
    ):
        record = found[answer["request_id"]]
        assert (record.transport, record.route, record.status) == ("python", path, 200)
        assert record.request == asked
        assert record.response == {name: value for name, value in answer.items() if value is not None}
        assert record.rows == len(answer["predictions"])


def test_a_prediction_that_cannot_be_recorded_is_not_given_by_bentoml_either(ungated_server: Server) -> None:
    server = ungated_server
    moved = server.audit_db.rename(server.audit_db.with_name("moved.db"))
    server.audit_db.mkdir()
    try:
        answer = httpx.post(f"{server.url}/predict", json=SETOSA, timeout=60)
    finally:
        server.audit_db.rmdir()
        moved.rename(server.audit_db)
    assert answer.status_code == 503
    server.await_ready()
