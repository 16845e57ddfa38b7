"""The ledger states who read the history and what, and how a worker was started and stopped."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_core import from_json, to_json

from service.audit.prove.verify import verify
from service.audit.query.acts import LoggedAct, logged_acts
from service.audit.query.read_acts import MAX_IDS
from service.settings import Settings
from tests.support.api_keys import new_key
from tests.support.audit.logs import locked
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve, Server


@pytest.fixture
def reader(
    serve: Serve, iris: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Server, httpx.Client]]:
    """A service with the settings of a test, and a client with a key that predicts and reads the history."""
    key = new_key(tmp_path / "keys.json", "auditor", "admin")
    settings = {"TABENTO_API_KEYS_FILE": str(tmp_path / "keys.json"), **getattr(request, "param", {})}
    server = serve(model=iris, **settings)
    with httpx.Client(base_url=server.url, headers={"x-api-key": key}, timeout=60) as client:
        yield server, client


def acts(server: Server, *kinds: str) -> list[LoggedAct]:
    return [act for act in logged_acts(server.audit_db) if act.kind in kinds]


def test_a_page_of_the_history_is_an_act_before_it_is_sent(reader: tuple[Server, httpx.Client]) -> None:
    server, client = reader
    for _ in range(MAX_IDS + 5):
        assert client.post("/predict", json=SETOSA).status_code == 200
    few = client.get("/predictions/history?limit=3&label=setosa", headers={"x-request-id": "few"}).json()
    (act,) = acts(server, "read")
    ids = [item["id"] for item in few["items"]]
    assert (act.actor, act.actor_kind, act.system_user, act.reason) == ("auditor", "key", None, None)
    assert act.detail == {
        "of": "/predictions/history",
        "filters": {"limit": 3, "label": "setosa"},
        "request_id": "few",
        "records": 3,
        "lowest_id": ids[-1],
        "highest_id": ids[0],
        "ids": ids,
    }
    many = client.get("/predictions/history?limit=200").json()
    ids = [item["id"] for item in many["items"]]
    act = acts(server, "read")[-1]
    assert act.detail["records"] == MAX_IDS + 5
    assert act.detail["ids_sha256"] == sha256("".join(f"{id_}\n" for id_ in ids).encode()).hexdigest()
    assert "ids" not in act.detail
    assert client.get("/predictions/history?label=none").json()["items"] == []
    assert acts(server, "read")[-1].detail["records"] == 0
    assert client.get("/predictions/history?wrong=1").status_code == 400
    assert len(acts(server, "read")) == 3


@pytest.mark.parametrize("reader", [{"TABENTO_DEADLINE_MS": "3000"}], indirect=True, ids=["hurried"])
def test_a_page_that_cannot_be_recorded_is_not_sent(reader: tuple[Server, httpx.Client]) -> None:
    server, client = reader
    assert client.post("/predict", json=SETOSA).status_code == 200
    with locked(server.audit_db):
        answer = client.get("/predictions/history")
    assert answer.status_code in (503, 504)
    assert "items" not in answer.json()


def test_each_worker_states_its_start_and_its_stop_with_its_settings(serve: Serve, iris: str) -> None:
    server = serve(model=iris, TABENTO_WORKERS="2", TABENTO_MAX_BATCH_ROWS="77", TABENTO_DRAIN_SECONDS="0")
    assert httpx.get(f"{server.url}/predictions/history", timeout=30).status_code == 200
    (read,) = acts(server, "read")
    assert (read.actor, read.actor_kind) == ("anonymous", "anonymous")
    assert server.stop() == 0
    starts, stops = acts(server, "start"), acts(server, "stop")
    assert {act.detail["pid"] for act in starts} == {act.detail["pid"] for act in stops}
    assert len({act.detail["pid"] for act in starts}) == 2
    for act in (*starts, *stops):
        assert (act.actor, act.actor_kind) == ("service", "service")
        assert str(act.detail["model"]).startswith("iris_classifier:")
        changed: Any = act.detail["settings"]
        assert (changed["workers"], changed["max_batch_rows"]) == (2, 77)
        assert "deadline_ms" not in changed
        settings = {**from_json(Settings.model_construct().model_dump_json()), **changed}
        text = to_json({name: settings[name] for name in sorted(settings)})
        assert act.detail["settings_sha256"] == sha256(text).hexdigest()
    assert verify(server.audit_db).ok
