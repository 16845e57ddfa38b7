"""The command checks labels against the model that is served; a prediction that was redacted takes none."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from service.audit.prove.verify import verify
from tests.support.animals import DOG
from tests.support.feedback_calls import counts, outcomes_in, predict, send
from tests.support.servers import PROJECT, Serve, Server
from tests.support.traffic import traffic

CLAIM = ("--by", "ada", "--reason", "labels of July")


@pytest.fixture(scope="module")
def server(serve: Serve, animals: str) -> Iterator[Server]:
    server = serve(model=animals)
    yield server
    server.stop()
    assert verify(server.audit_db).problems == []


def audit(
    server: Server, stores: Mapping[str, str], *command: str | Path
) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "service.audit", "--db", str(server.audit_db), *map(str, command), *CLAIM]
    return subprocess.run(run, cwd=PROJECT, env=stores, capture_output=True, text=True)


def test_a_table_is_checked_against_the_served_model(
    server: Server, stores: Mapping[str, str], tmp_path: Path
) -> None:
    # The ledger has the card of a model from its first record on.
    assert httpx.post(f"{server.url}/predict", json=DOG, timeout=60).status_code == 200
    table = tmp_path / "labels.csv"
    table.write_text("id,is_dog\nr-1,true\nr-2,False\nr-3,cat\n")
    done = audit(server, stores, "feedback", table, "--request-id", "id", "--label", "is_dog")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "3 outcomes: 0 matched, 2 waiting, 0 ambiguous, 0 repeated, 1 refused",
        "refused: line 4, label: Input should be a valid boolean",
    ]
    (outcome,) = outcomes_in(server.audit_db, "r-2")
    assert (outcome["label"], outcome["label_type"]) == ("false", "boolean")


def test_a_table_goes_into_the_log_beside_predictions_and_feedback(
    serve: Serve, iris: str, stores: Mapping[str, str], tmp_path: Path
) -> None:
    server = serve(model=iris)
    table = tmp_path / "labels.csv"
    table.write_text("id,species\n" + "".join(f"n-{number},setosa\n" for number in range(2_000)))
    with traffic(server.url, clients=2) as others:
        others.await_answers(10)
        done = audit(server, stores, "feedback", table, "--request-id", "id", "--label", "species")
        others.await_answers(10)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2000 outcomes: 0 matched, 2000 waiting")
    assert {answer.status_code for answer in others.answers} == {200, 422}
    sent = [{"request_id": f"n-{number}", "label": "setosa"} for number in range(2_000)]
    assert counts(send(server, sent)) == {"outcomes": 2_000, "repeated": 2_000}
    server.stop()
    assert verify(server.audit_db).problems == []


def test_an_outcome_of_a_redacted_prediction_is_refused(
    serve: Serve, iris: str, stores: Mapping[str, str]
) -> None:
    server = serve(model=iris)
    predict(server, "erased")
    predict(server, "kept")
    done = audit(server, stores, "redact", "--request-id", "erased")
    assert done.returncode == 0, done.stderr

    answer = send(server, [{"request_id": name, "label": "setosa"} for name in ("erased", "kept")])
    assert counts(answer) == {"outcomes": 2, "matched": 1, "refused": 1}
    assert answer.json()["errors"] == [{"loc": [0, "request_id"], "msg": "its prediction was redacted"}]
    alone = httpx.post(f"{server.url}/feedback", json={"request_id": "erased", "label": "setosa"}, timeout=60)
    assert (alone.status_code, alone.json()["errors"][0]["loc"]) == (422, ["request_id"])
    assert outcomes_in(server.audit_db, "erased") == []
    server.stop()
