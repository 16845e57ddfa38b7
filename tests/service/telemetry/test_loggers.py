"""A worker's logging, as BentoML configures it and the service puts it right."""

import subprocess
import sys

from tests.support.servers import PROJECT

FAILING_CALLBACK = """
import asyncio
from bentoml._internal.log import configure_server_logging
from service.telemetry.loggers import configure_loggers

async def run():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

configure_server_logging()
configure_loggers()
asyncio.run(run())
"""


def test_an_error_in_a_callback_of_the_event_loop_is_logged() -> None:
    command = [sys.executable, "-c", FAILING_CALLBACK]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)
    assert "[ERROR]" in done.stdout
    assert "ZeroDivisionError" in done.stdout
