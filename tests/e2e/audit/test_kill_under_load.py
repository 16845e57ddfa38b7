"""``kill -9`` of a worker, or of the whole service, while clients are being answered.

``TABENTO_KILL_ROUNDS`` says how often; ``make kill-test`` does it 50 times. Every fifth round, and the
last, ends the whole service and starts it again on the same log.
"""

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from service.audit.prove.verify import verify
from service.audit.query.reader import AuditReader, LoggedRequest
from tests.support.servers import Serve, Server, workers
from tests.support.traffic import Traffic, traffic
from tests.support.waiting import PATIENCE_S

ROUNDS = int(os.environ.get("TABENTO_KILL_ROUNDS", "3"))


def kill_a_worker(server: Server) -> None:
    with suppress(psutil.NoSuchProcess):
        random.choice(workers(server)).kill()


def kill_the_service(server: Server) -> None:
    """Kill all of its processes, the one that would start others anew being held meanwhile."""
    server.process.send_signal(signal.SIGSTOP)
    children = psutil.Process(server.process.pid).children(recursive=True)
    for process in [*children, psutil.Process(server.process.pid)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    server.process.wait()
    psutil.wait_procs(children, timeout=PATIENCE_S)


def serve_until_killed(server: Server, rounds: int) -> Traffic:
    """Under load, kill a worker in each round but the last, and everything in the last."""
    with traffic(server.url) as clients:
        for _ in range(rounds - 1):
            clients.await_answers(20)
            time.sleep(random.uniform(0, 1))
            kill_a_worker(server)
        clients.await_answers(20)
        time.sleep(random.uniform(0, 1))
        kill_the_service(server)
    return clients


def complaints(server: Server) -> list[str]:
    told = re.findall(r"^.*(?:ERROR|CRITICAL|Traceback|audit).*$", server.log, re.MULTILINE)
    return [line for line in told if " Serving " not in line]  # That line names the log.


def assert_whole(record: LoggedRequest) -> None:
    assert isinstance(record.response, dict)
    assert isinstance(record.request, dict)
    labels = {summary.label: summary.rows for summary in record.predictions}
    if record.status == 200:
        assert record.response["request_id"] == record.request_id
        predicted = record.response["predictions"]
        assert isinstance(predicted, list)
        assert labels == Counter(map(str, predicted))
        assert record.rows == len(predicted)
    else:
        assert (record.status, record.rows, labels) == (422, 0, {})


def assert_all_recorded(db: Path, served: Iterable[Traffic]) -> None:
    """Whatever a client received whole is in the log, which holds nothing that nobody asked."""
    log = {record.request_id: record for record in AuditReader(db).records()}
    for record in log.values():
        assert_whole(record)
    answers = [answer for clients in served for answer in clients.answers]
    assert {answer.status_code for answer in answers} == {200, 422}
    for answer in answers:
        recorded = log[answer.headers["x-request-id"]]
        assert recorded.status == answer.status_code
        assert recorded.response == answer.json()
        assert recorded.request == json.loads(answer.request.content)
    broken = sum(len(clients.broken) for clients in served)
    assert len(log) - len(answers) <= broken


def test_every_answer_that_left_before_a_kill_is_in_the_log(iris: str, serve: Serve, tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    served: list[Traffic] = []
    rounds_left = ROUNDS
    while rounds_left:
        # What is killed cannot clean up after itself: its temporary files are to lie among the test's.
        server = serve(model=iris, TABENTO_WORKERS="2", TABENTO_AUDIT_DB=str(db), TMPDIR=str(tmp_path))
        assert complaints(server) == []
        rounds = min(5, rounds_left)
        served.append(serve_until_killed(server, rounds))
        rounds_left -= rounds
    last = serve(model=iris, TABENTO_WORKERS="2", TABENTO_AUDIT_DB=str(db))
    assert complaints(last) == []
    assert last.stop() == 0
    assert_all_recorded(db, served)
    assert verify(db).ok
    answered = sum(clients.answered() for clients in served)
    print(f"{ROUNDS} kills, {answered} predictions answered, all recorded")  # noqa: T201 - for `make kill-test`
