"""The service with two workers, under load, and a Prometheus that watches it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.iris_rows import SETOSA
from tests.support.programs import path_of
from tests.support.prometheus import OF_THE_DAY_BEFORE, Watched, prometheus, rules
from tests.support.servers import Serve
from tests.support.traffic import traffic

UNLIKE_TRAINING = {**SETOSA, "sepal_length": 9.5}


@pytest.fixture(scope="session")
def watched(serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    path_of("prometheus")  # Before a server is started for nothing.
    server = serve(model=iris, TABENTO_WORKERS="2")
    target = server.url.removeprefix("http://")
    with prometheus(tmp_path_factory.mktemp("prometheus"), target) as running:

        def has_flagged() -> object:
            flagged = httpx.post(f"{server.url}/predict", json=UNLIKE_TRAINING, timeout=30)
            assert flagged.status_code == 200
            return running.query("job:tabento_flagged_values:per_row1h > 0")

        # An increase is one between two scrapes, of which a busy machine may miss some.
        with traffic(server.url, clients=4) as clients:
            running.await_that(has_flagged, "values were flagged")
            # The groups of rules are evaluated one by one, each at its own time.
            running.await_that(
                lambda: all(map(running.query, rules("record").keys() - OF_THE_DAY_BEFORE)),
                "all that is recorded has a value",
            )
        assert not clients.broken
        yield Watched(server, running)
