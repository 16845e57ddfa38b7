"""A service with API keys answers those who have one, for what it is good for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from service.access.keyring import read_keys
from service.audit.query.acts import logged_acts
from tests.support.api_keys import CLAIM, keys_command, new_key, revoke_key
from tests.support.grpc_calls import reason, refused
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve
from tests.support.waiting import await_true


def test_each_key_is_accepted_for_its_scopes_and_no_key_is_stored(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    robot, auditor = new_key(file, "robot", "predict"), new_key(file, "auditor", "read")
    server = serve(model=iris, TABENTO_API_KEYS_FILE=str(file))

    def ask(method: str, path: str, key: str | None) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        body = SETOSA if method == "POST" else None
        return httpx.request(method, f"{server.url}{path}", json=body, headers=headers, timeout=30)

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
    await_true(lambda: ask("POST", "/predict", robot).status_code == 401, "the revoked key is refused")
    assert ask("GET", "/model/info", auditor).status_code == 200
    assert server.stop() == 0
    kept = server.audit_db.read_bytes() + server.output.read_bytes()
    assert robot.encode() not in kept
    assert b"TABENTO_API_KEYS_FILE" not in server.output.read_bytes()


def test_a_key_expires_while_the_service_runs_over_both_transports(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    file, lasting_s = tmp_path / "keys.json", 12.0
    server = serve(model=iris, with_grpc=True, TABENTO_API_KEYS_FILE=str(with_any_key(file)))
    days = str(lasting_s / 86_400)
    key = keys_command(file, "new", "guest", "--days", days, *CLAIM, db=server.audit_db)
    (until,) = [datetime.fromisoformat(key.expires_utc) for key in read_keys(file) if key.expires_utc]
    url, headers = f"{server.url}/predict", {"x-api-key": key}
    with grpc.insecure_channel(server.grpc) as channel, httpx.Client(headers=headers, timeout=30) as client:
        live: Any = channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")
        metadata = (("x-api-key", key),)
        # The service reads the file four times a second.
        await_true(lambda: client.post(url, json=SETOSA).status_code == 200, "the service knows the key")
        live(b"", timeout=30, metadata=metadata)
        answer = await_true(lambda: refused_since(client, url, until), "the key has expired", step_s=0)
        assert datetime.now(UTC) >= until
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:tabento:key-expired")
        refusal = refused(live, b"", timeout=30, metadata=metadata)
        assert reason(refusal) == "UNAUTHENTICATED key-expired"
        other = client.post(url, json=SETOSA, headers={"x-api-key": key[:-1]})
        assert other.json()["type"] == "urn:tabento:key-invalid"
    assert server.stop() == 0
    acts = [*logged_acts(server.audit_db)]
    assert [act.detail["name"] for act in acts if act.kind == "key" and act.actor == "ada"] == ["guest"]
    (refusals,) = [act.detail["counts"] for act in acts if act.kind == "refused"]
    assert isinstance(refusals, list)
    assert {
        "route": "/predict",
        "status": 401,
        "transport": "http",
        "key_name": "guest",
        "count": 1,
    } in refusals
    assert key.encode() not in server.audit_db.read_bytes()


def refused_since(client: httpx.Client, url: str, until: datetime) -> httpx.Response | None:
    """The refusal of a request, which is not answered if it is sent after that time; none before."""
    sent = datetime.now(UTC)
    answer = client.post(url, json=SETOSA)
    if answer.status_code != 200:
        return answer
    assert sent < until + timedelta(seconds=1)
    return None


def with_any_key(file: Path) -> Path:
    new_key(file, "any", "predict")
    return file


def test_a_service_with_a_file_of_keys_that_cannot_be_read_does_not_start(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"The API keys .*none\.json cannot be used"):
        serve(model=iris, TABENTO_API_KEYS_FILE=str(tmp_path / "none.json"))
