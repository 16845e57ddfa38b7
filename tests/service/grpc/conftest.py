"""A channel to the shared server."""

from collections.abc import Iterator

import grpc
import pytest

from tests.support.servers import Server


@pytest.fixture
def channel(animals_server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(animals_server.grpc) as channel:
        yield channel
