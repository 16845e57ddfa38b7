"""``kill -9`` of processes that write the log, at any moment from their start on."""

import json
import re
from pathlib import Path

from service.audit.prove.verify import verify
from tests.support.audit.logs import ANSWERED, PROJECT, read, request_ids, write
from tests.support.servers import run

KILLER = PROJECT / "tests" / "support" / "audit" / "killer.py"
ROUNDS = 50
TOLD_BY_ONE_LEFT_ALONE = re.compile(
    r"the audit log .* cannot be written: .* the process that writes it has ended\. .*"
    r"|AuditUnavailable\('.*'\)|AuditUnusable\('.* the process that writes it has ended\. .*'\)"
)
"""By a worker whose writer was killed before it."""


def test_fifty_kills_of_two_writers_take_no_acknowledged_record(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"

    done = run(KILLER, db, str(ROUNDS), env={"PYTHONPATH": str(PROJECT)})

    complaints = [line for line in done.stderr.splitlines() if not TOLD_BY_ONE_LEFT_ALONE.fullmatch(line)]
    assert complaints == [], "a writer had something to complain of at its start"
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rounds) == ROUNDS
    acknowledged = {request_id for round_ in rounds for request_id in round_}
    assert sum(map(bool, rounds)) >= ROUNDS / 2, "they were killed before they had written anything"
    write(db)  # The next start.
    requests = read(db)
    assert set(request_ids(requests)) >= acknowledged
    assert len(requests) == len(set(request_ids(requests)))
    assert all(request.response == json.loads(ANSWERED.response) for request in requests)
    assert all([summary.rows for summary in request.predictions] == [1] for request in requests)
    assert verify(db).ok
