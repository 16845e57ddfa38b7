"""Where keys are required, outcomes need the scope feedback, and their records name the key."""

from pathlib import Path

import httpx
import pytest

from tests.support.api_keys import new_key
from tests.support.audit.log_files import rows
from tests.support.servers import Serve

OUTCOME = {"request_id": "r-1", "label": "setosa"}


@pytest.mark.parametrize(
    ("scope", "status"), [("feedback", 200), ("admin", 200), ("predict", 403), ("read", 403)]
)
def test_outcomes_need_the_scope_feedback(
    keyed_url: tuple[str, dict[str, str]], scope: str, status: int
) -> None:
    url, keys = keyed_url
    answer = httpx.post(f"{url}/feedback", json=OUTCOME, headers={"X-API-Key": keys[scope]}, timeout=60)
    assert answer.status_code == status


@pytest.fixture(scope="module")
def keyed_url(
    serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, str]]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys = {scope: new_key(file, scope, scope) for scope in ("feedback", "admin", "predict", "read")}
    return serve(model=iris, TABENTO_API_KEYS_FILE=str(file)).url, keys


def test_the_record_of_an_outcome_names_its_key(serve: Serve, iris: str, tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys.json", "laboratory", "feedback")
    server = serve(model=iris, TABENTO_API_KEYS_FILE=str(tmp_path / "keys.json"))
    without = httpx.post(f"{server.url}/feedback", json=OUTCOME, timeout=60)
    sent = httpx.post(f"{server.url}/feedback", json=OUTCOME, headers={"X-API-Key": key}, timeout=60)

    assert (without.status_code, sent.status_code) == (401, 200)
    found = rows(server.audit_db, "SELECT key_name FROM feedback")
    assert found == [{"key_name": "laboratory"}]
    server.stop()
