"""A server to be loaded that does nothing else."""

from collections.abc import Iterator

import pytest

from load_tests.bench.serving import Service, serving_asgi


@pytest.fixture(scope="session")
def empty() -> Iterator[Service]:
    with serving_asgi("load_tests.baselines.empty:app") as service:
        yield service
