"""The facts that clients of the Open Inference Protocol get of the server."""

import tomllib

from service.oip.served_model import SERVER_VERSION
from tests.support.servers import PROJECT


def test_the_version_of_the_server_is_that_of_the_project() -> None:
    # The image does not contain pyproject.toml, so the version stands in both.
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"] == SERVER_VERSION
