"""A service that is killed while it records outcomes loses none that it answered; a repetition is safe."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from threading import Thread

import httpx
import psutil

from service.audit.prove.verify import verify
from tests.support.feedback_calls import UNHURRIED, count_of, counts, numbered_outcomes, predict, send
from tests.support.servers import Serve, Server
from tests.support.waiting import PATIENCE_S, await_true

_COUNT = "SELECT count(*) FROM outcome WHERE request_id = 'large'"


def kill_all(server: Server) -> None:
    """End every process of a service as ``kill -9`` does."""
    parent = psutil.Process(server.process.pid)
    processes = [parent, *parent.children(recursive=True)]
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    server.process.wait()
    # A process that is killed within a commit ends after it.
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    assert alive == []


def test_a_service_killed_in_between_is_sent_everything_again(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    db = tmp_path / "audit.db"
    first = serve(model=iris, TABENTO_AUDIT_DB=str(db), **UNHURRIED)
    predict(first, "large", instances=10_000)
    sent = numbered_outcomes("large", 10_000)
    answered: list[httpx.Response] = []

    def send_all() -> None:
        with suppress(httpx.TransportError):
            answered.append(send(first, sent))

    sending = Thread(target=send_all)
    sending.start()
    await_true(lambda: count_of(db, _COUNT) > 400, "some outcomes are recorded")
    kill_all(first)
    sending.join()
    recorded = count_of(db, _COUNT)
    assert answered == []
    assert 400 < recorded < 10_000

    second = serve(model=iris, TABENTO_AUDIT_DB=str(db), **UNHURRIED)
    assert counts(send(second, sent)) == {
        "outcomes": 10_000,
        "matched": 10_000 - recorded,
        "repeated": recorded,
    }
    assert counts(send(second, sent)) == {"outcomes": 10_000, "repeated": 10_000}
    second.stop()

    assert count_of(db, _COUNT) == 10_000
    assert verify(db).problems == []
