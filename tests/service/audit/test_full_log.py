"""A service whose log is full of requests that must be kept answers 503 until its limit is raised."""

import json
import os
import signal
from typing import Any

import grpc
import httpx
import psutil
import pytest

from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from tests.support.animals import CONTRACT, DOG
from tests.support.audit.log_files import rows
from tests.support.audit.logs import ADA, command, read
from tests.support.servers import Serve, Server, children, metric
from tests.support.transports import infer_request, method
from tests.support.waiting import await_true

LIMIT = 1024**2


def ask(server: Server, rows: int = 200) -> httpx.Response:
    return httpx.post(f"{server.url}/predict/batch", json={"instances": [DOG] * rows}, timeout=30)


def fill(server: Server) -> None:
    """Ask until the service refuses."""
    await_true(lambda: ask(server).status_code != 200, "the service refuses", state=lambda: server.log)


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_full_log_refuses_with_its_own_sentence_and_is_announced(
    serve: Serve, animals: str, mode: str
) -> None:
    settings: dict[str, Any] = {
        "TABENTO_AUDIT_MAX_BYTES": str(LIMIT), "TABENTO_AUDIT_KEEP_AT_LEAST_DAYS": "1",
        "TABENTO_AUDIT_MODE": mode,
    }  # fmt: skip
    server = serve(model=animals, with_grpc=True, **settings)
    fill(server)

    refused = ask(server)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:tabento:audit-full")
    assert "has reached its size limit" in refused.json()["detail"]
    assert refused.headers["retry-after"] == "60"
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        method(channel, "ModelInfer")(infer_request(CONTRACT, [DOG], "animals"), timeout=30)
    call: Any = caught.value
    assert call.code() is grpc.StatusCode.UNAVAILABLE
    await_true(lambda: metric(server.url, "tabento_audit_full") == 1, "the metrics say that the log is full")
    assert metric(server.url, "tabento_audit_floor_ratio") > 0.9
    assert httpx.get(f"{server.url}/readyz", timeout=30).status_code == 503
    server.await_line("TABENTO_AUDIT_KEEP_AT_LEAST_DAYS keeps all of its requests")
    count = len(read(server.audit_db))
    ask(server)
    assert len(read(server.audit_db)) == count
    assert server.stop() == 0

    settings["TABENTO_AUDIT_MAX_BYTES"] = str(4 * LIMIT)
    again = serve(model=animals, TABENTO_AUDIT_DB=str(server.audit_db), **settings)
    assert ask(again).status_code == 200
    assert again.stop() == 0
    assert verify(server.audit_db).ok


def test_a_hold_stops_retention_and_says_so_and_the_ledger_sums_up(serve: Serve, animals: str) -> None:
    server = serve(model=animals, TABENTO_AUDIT_MAX_BYTES=str(LIMIT))
    first = httpx.post(
        f"{server.url}/predict", json=DOG, headers={"x-request-id": "held", "x-subject-id": "p"}, timeout=30
    )
    assert first.status_code == 200
    hold = command("--db", server.audit_db, "subject", "hold", "p", "--by", "Grace", "--reason", "case 12")
    assert hold.returncode == 0
    while read(server.audit_db)[-1].id < 120:
        assert ask(server).status_code == 200
    await_true(lambda: metric(server.url, "tabento_audit_held") == 1, "the metrics say that a hold stops it")
    assert read(server.audit_db)[0].request_id == "held"
    server.await_line("nothing is removed: Grace holds the person")

    command("--db", server.audit_db, "subject", "release", "p", *ADA)
    await_true(lambda: read(server.audit_db)[0].request_id != "held", "the oldest requests are removed")
    await_true(lambda: metric(server.url, "tabento_audit_held") == 0, "the metrics say that no hold stops it")
    for process in children(psutil.Process(server.process.pid), "writer_process"):
        os.kill(process.pid, signal.SIGKILL)
    await_true(lambda: ask(server).status_code == 200, "the service answers again", state=lambda: server.log)
    assert server.stop() == 0
    acts = list(logged_acts(server.audit_db, kind="prune"))
    (event,) = rows(
        server.audit_db, "SELECT detail_json FROM event WHERE kind = 'prune' ORDER BY id DESC LIMIT 1"
    )
    total = json.loads(event["detail_json"])["total"]
    assert sum(int(str(act.detail["requests"])) for act in acts) == total["size"] > 0
    assert acts[-1].detail["total"] == total
    assert verify(server.audit_db).ok
