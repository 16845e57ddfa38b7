"""A change of the file of keys by something that writes no act is stated while the service runs."""

import json
from pathlib import Path

import httpx
import pytest

from service.audit.query.acts import LoggedAct, logged_acts
from tests.support.api_keys import new_key, revoke_key
from tests.support.audit.logs import locked
from tests.support.servers import Serve, Server
from tests.support.waiting import await_true


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    new_key(file, "first", "predict")
    return file


@pytest.fixture
def server(serve: Serve, iris: str, file: Path) -> Server:
    return serve(model=iris, TABENTO_API_KEYS_FILE=str(file), TABENTO_WORKERS="2")


def test_what_others_change_is_stated_once_while_two_workers_serve(server: Server, file: Path) -> None:
    new_key(file, "second", "metrics")  # Its act goes to no log.
    assert states(await_found(server, 2)[-1]) == {"second": "valid"}
    revoke_key(file, "first")
    assert states(await_found(server, 3)[-1]) == {"first": "revoked"}
    content = json.loads(file.read_text())
    content["keys"] = [key for key in content["keys"] if key["name"] != "second"]
    file.write_text(json.dumps(content))
    assert states(await_found(server, 4)[-1]) == {"second": "gone"}
    # What is written otherwise and means the same is no change.
    file.write_text(json.dumps(content, indent=4))
    assert httpx.get(f"{server.url}/livez", timeout=30).status_code == 200
    assert server.stop() == 0
    assert len(found(server)) == 4


def test_a_change_while_the_log_is_locked_is_stated_afterwards(server: Server, file: Path) -> None:
    with locked(server.audit_db):
        key = new_key(file, "second", "metrics")
        await_true(lambda: is_accepted(server, key), "the new key is accepted")
        server.await_line("does not state the changed API keys")
    assert states(await_found(server, 2)[-1]) == {"second": "valid"}


def await_found(server: Server, number: int) -> list[LoggedAct]:
    return await_true(
        lambda: acts if len(acts := found(server)) >= number else [],
        f"{number} acts",
        state=lambda: server.log,
    )


def found(server: Server) -> list[LoggedAct]:
    return [act for act in logged_acts(server.audit_db, kind="key") if act.detail["done"] == "found"]


def states(act: LoggedAct) -> dict[str, str]:
    keys = act.detail["keys"]
    assert isinstance(keys, list)
    return {str(key["name"]): str(key["state"]) for key in keys if isinstance(key, dict)}


def is_accepted(server: Server, key: str) -> bool:
    answer = httpx.get(f"{server.url}/metrics", headers={"x-api-key": key}, timeout=30)
    return answer.status_code == 200
