"""The service with two workers, under load, and a Prometheus that watches it."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from tests.e2e.traffic import traffic
from tests.iris import SETOSA
from tests.monitoring.prometheus import Prometheus, program, prometheus, rules
from tests.servers import Serve, Server

OF_THE_DAY_BEFORE = {"job:tabento_rows:increase1d_before", "job:tabento_confidence:mean1d_before"}
"""What a service of a few seconds cannot have."""

UNLIKE_TRAINING = {**SETOSA, "sepal_length": 9.5}


class Watched(NamedTuple):
    server: Server
    prometheus: Prometheus


@pytest.fixture(scope="session")
def watched(serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    program("prometheus")  # Before a server is started for nothing.
    server = serve(model=iris, TABENTO_WORKERS="2")
    target = server.url.removeprefix("http://")
    with prometheus(tmp_path_factory.mktemp("prometheus"), target) as running:
        with traffic(server.url, clients=4) as clients:
            deadline = time.monotonic() + 6
            while time.monotonic() < deadline:
                flagged = httpx.post(f"{server.url}/predict", json=UNLIKE_TRAINING, timeout=20)
                assert flagged.status_code == 200
                time.sleep(0.2)
        assert not clients.broken
        running.await_that(lambda: running.query("job:tabento_flagged_values:per_row1h > 0"))
        # The groups of rules are evaluated one by one, each at its own time.
        running.await_that(lambda: all(map(running.query, rules("record").keys() - OF_THE_DAY_BEFORE)))
        yield Watched(server, running)
