"""What is tested here is tested over each of the two classes that keep a connection.

Both hand a request to the same application: all else is tested over the one that is the default.
What they do themselves is in this folder: they read heads and bodies, time them, and write answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.servers import Serve, Server


@pytest.fixture(scope="session", params=["on", "off"], ids=["fast", "uvicorn"])
def fast_connection(request: pytest.FixtureRequest) -> str:
    """The value of the setting."""
    setting: str = request.param
    return setting


@pytest.fixture(scope="session")
def iris_server(iris_server: Server, serve: Serve, iris: str, fast_connection: str) -> Server:
    """The shared Iris service, and one that keeps its connections by uvicorn's class."""
    if fast_connection == "on":
        return iris_server
    return serve(model=iris, TABENTO_FAST_CONNECTION=fast_connection, is_measured=True)
