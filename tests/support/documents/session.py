"""Where the blocks of a page are run: a folder, a shell that remembers, Python, and the services of the page.

The folder stands for the project's, as a reader has it after ``make install``. The ports that the page shows,
3000 and 3001, are led to a service of the test's.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

from tests.support.servers import PROJECT, Server
from tests.support.stores import IrisTraining

TIMEOUT_S = 120
CLIENTS = PROJECT / ".venv-clients" / "bin"
_SHELL = """
set -a; cd "$(cat "$STATE/folder")"; [ ! -e "$STATE/variables" ] || . "$STATE/variables"
{command}
status=$?; pwd >"$STATE/folder"; export -p >"$STATE/variables"; exit $status
"""
"""A shell that goes on where the one before ended."""


class Session:
    """One page's."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        """Take an empty folder, and the environment of the test's stores."""
        self.folder = folder / "tabento"
        self._state = folder / "state"
        self.folder.mkdir()
        self._state.mkdir()
        (self._state / "folder").write_text(str(self.folder))
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        bin_folder = Path(sys.executable).parent
        (self.folder / ".venv").symlink_to(bin_folder.parent)
        (self.folder / ".venv-clients").symlink_to(CLIENTS.parent)
        (self.folder / "training").symlink_to(PROJECT / "training")
        left_out = ("TABENTO_", "MLFLOW_TRACKING", "COVERAGE_")
        settings = {name: value for name, value in env.items() if not name.startswith(left_out)}
        self.env = {
            **settings,
            "BENTOML_HOME": str(folder / "bentoml"),
            "PATH": f"{bin_folder}:{env['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "CURL_HOME": str(folder),
            "STATE": str(self._state),
            "COLUMNS": "80",
        }
        self._addresses: dict[str, str] = {}
        self._python: dict[str, subprocess.Popen[str]] = {}

    def bring_model(self, training: IrisTraining) -> None:
        """Have the page's stores be as that training left its own."""
        shutil.copytree(training.home / "models", Path(self.env["BENTOML_HOME"]) / "models")
        shutil.copy(training.folder / "mlflow.db", self.folder)

    def lead_to(self, server: Server) -> None:
        """Have the page's ports be those of the server."""
        grpc_port = urlsplit(f"//{server.grpc}").port
        self._addresses = {"3000": server.url.removeprefix("http://"), "3001": f"127.0.0.1:{grpc_port}"}

    def run_command(self, command: str) -> tuple[int, str]:
        """The exit code of a command, and what it writes, as a terminal shows it."""
        done = subprocess.run(
            ["bash", "-c", _SHELL.replace("{command}", self.with_addresses(command))],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
        )
        return done.returncode, self._as_shown(done.stdout)

    def run_program(self, program: str) -> tuple[str, str]:
        """What a Python block prints, and the traceback if it fails."""
        client = re.search(r"^(?:import|from) (tritonclient|kserve)\b", program, re.MULTILINE)
        process = self._interpreter(client[1] if client else "")
        assert process.stdin is not None
        assert process.stdout is not None
        timer = Timer(TIMEOUT_S, process.kill)
        timer.start()
        process.stdin.write(json.dumps(self.with_addresses(program)) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        timer.cancel()
        assert line, "the Python of the page's blocks ended"
        printed, error = json.loads(line)
        return self._as_shown(printed), error

    def _interpreter(self, client: str) -> "subprocess.Popen[str]":
        """One for the programs of each client: two of them in one process define the same messages twice."""
        if client not in self._python:
            python = CLIENTS / "python" if client else Path(sys.executable)
            assert python.exists(), "`make clients` makes the environment that the protocol's clients have"
            self._python[client] = subprocess.Popen(
                [python, Path(__file__).with_name("interpreter.py")],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._python[client]

    def with_addresses(self, text: str) -> str:
        """A block's text with the addresses of the test's services in place of those that it shows."""
        return re.sub(
            r"\b(?:localhost|127\.0\.0\.1):(3000|3001)\b",
            lambda shown: self._addresses.get(shown[1], shown[0]),
            text,
        )

    def _as_shown(self, text: str) -> str:
        for port, address in self._addresses.items():
            text = text.replace(address, f"localhost:{port}")
        return text

    def close(self) -> None:
        """End what was started."""
        for process in self._python.values():
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            process.wait(TIMEOUT_S)
