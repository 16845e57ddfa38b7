"""A running service takes checkpoints by itself, and gives out receipts that are proven without it."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

from service.audit.prove.verify import verify
from service.audit.witness.folder import FolderWitness
from tests.support.audit.documented_check import check
from tests.support.audit.log_files import rows
from tests.support.audit.logs import PROJECT
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve, metric
from tests.support.waiting import await_true


def test_receipts_over_http_and_the_last_checkpoint_at_the_stop(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    folder = tmp_path / "witness"
    folder.mkdir()
    settings = {"TABENTO_AUDIT_CHECKPOINT_SECONDS": "2", "TABENTO_AUDIT_WITNESS": str(folder)}
    server = serve(model=iris, **settings, TABENTO_WORKERS="2")
    with httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.post("/predict", json=SETOSA, headers={"x-request-id": "mine"}).status_code == 200
        early = client.get("/predictions/mine/receipt")
        assert early.status_code in (200, 409)
        if early.status_code == 409:
            assert early.json()["type"] == "urn:tabento:receipt-pending"
        assert client.get("/predictions/other/receipt").json()["type"] == "urn:tabento:prediction-unknown"
        assert client.get("/predictions/mine/receipt?content=perhaps").status_code == 400
        answer = await_true(
            lambda: proven(client, "mine"), "the receipt is given", step_s=0.2, state=lambda: server.log
        )
        assert answer.status_code == 200, answer.text
        receipt = answer.json()
        assert check(receipt) == 2
        assert [entry["entry"] for entry in receipt["entries"]] == ["act", "request"]
        (tmp_path / "receipt.json").write_text(answer.text)
        program = [sys.executable, "service/audit/receipt/verifier.py", str(tmp_path / "receipt.json")]
        assert subprocess.run(program, cwd=PROJECT, capture_output=True, check=False).returncode == 0
        hidden = client.get("/predictions/mine/receipt?content=false").json()
        assert check(hidden) == 2
        assert "content" not in hidden["entries"][1]
        assert metric(server.url, "tabento_audit_checkpoint_age_seconds") < 30
        assert client.post("/predict", json=SETOSA, headers={"x-request-id": "last"}).status_code == 200
    assert server.stop() == 0
    report = verify(server.audit_db, witnesses=[FolderWitness(str(folder), folder)])
    assert report.problems == []
    assert (report.tree.uncovered, report.tree.unwitnessed) == (0, 0), server.log
    assert len(reads_of(server.audit_db, "mine")) >= 2


def proven(client: httpx.Client, request_id: str) -> httpx.Response | None:
    """The answer with its receipt, unless it is pending."""
    answer = client.get(f"/predictions/{request_id}/receipt")
    return answer if answer.status_code != 409 else None


def reads_of(db: Path, request_id: str) -> list[dict[str, object]]:
    """What the ledger states of reads of this request."""
    found = rows(db, "SELECT detail_json FROM ledger WHERE kind = 'read'")
    details = [json.loads(row["detail_json"]) for row in found]
    reads = [detail for detail in details if detail["filters"].get("request_id") == request_id]
    assert all(detail["records"] == 1 for detail in reads)
    return reads
