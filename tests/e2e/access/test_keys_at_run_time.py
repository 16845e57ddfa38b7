"""A service with API keys answers those who have one, for what it is good for."""

import time
from pathlib import Path

import httpx
import pytest

from tests.support.api_keys import new_key, revoke_key
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve


def test_each_key_is_accepted_for_its_scopes_and_no_key_is_stored(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    robot, auditor = new_key(file, "robot", "predict"), new_key(file, "auditor", "read")
    server = serve(model=iris, TABENTO_API_KEYS_FILE=str(file))

    def ask(method: str, path: str, key: str | None) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        body = SETOSA if method == "POST" else None
        return httpx.request(method, f"{server.url}{path}", json=body, headers=headers, timeout=20)

    assert ask("GET", "/livez", None).status_code == 200
    refused = ask("POST", "/predict", None)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.json()["type"] == "urn:tabento:key-invalid"
    assert ask("POST", "/predict", robot).status_code == 200
    forbidden = ask("GET", "/predictions/history", robot)
    assert (forbidden.status_code, forbidden.json()["type"]) == (403, "urn:tabento:scope-missing")
    (entry,) = ask("GET", "/predictions/history", auditor).json()["items"]
    assert entry["key_name"] == "robot"
    page = ask("GET", "/metrics", auditor).text
    assert 'status="401"} 1.0' in page
    revoke_key(file, "robot")
    until = time.monotonic() + 20
    while ask("POST", "/predict", robot).status_code == 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert ask("POST", "/predict", robot).status_code == 401
    assert ask("GET", "/model/info", auditor).status_code == 200
    assert server.stop() == 0
    kept = server.audit_db.read_bytes() + server.output.read_bytes()
    assert robot.encode() not in kept
    assert b"TABENTO_API_KEYS_FILE" not in server.output.read_bytes()


def test_a_service_with_a_file_of_keys_that_cannot_be_read_does_not_start(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"The API keys .*none\.json cannot be used"):
        serve(model=iris, TABENTO_API_KEYS_FILE=str(tmp_path / "none.json"))
