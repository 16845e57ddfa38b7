"""``kill -9`` of processes that write the log, at any moment from their start on."""

import json
from pathlib import Path

from service.audit.verify import verify
from tests.servers import run
from tests.service.audit.logs import ANSWERED, PROJECT, read, request_ids, write

KILLER = Path(__file__).with_name("killer.py")
ROUNDS = 50


def test_fifty_kills_of_two_writers_take_no_acknowledged_record(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"

    done = run(KILLER, db, str(ROUNDS), env={"PYTHONPATH": str(PROJECT)})

    # A worker whose writer was killed before it says so; nothing else is to be complained of.
    assert "Traceback" not in done.stderr
    assert "damaged" not in done.stderr
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
