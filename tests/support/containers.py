"""Containers that run as the operator's page says, but on a free port and with a volume of the test's."""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.servers import PROJECT, answers
from tests.support.waiting import await_true

PAGE = (PROJECT / "docs" / "how-to" / "container.md").read_text()
STOP_WITHIN_S = 20

Build = Callable[[dict[str, str]], str]
"""Builds an image from these stores, and gives its name."""


def engine_run(engine: str, *arguments: str) -> str:
    done = subprocess.run([engine, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{engine} {shlex.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def documented_options() -> list[str]:
    """The options of the page's ``podman run``, without those that are of the example."""
    (command,) = re.findall(r"^\$ podman run ((?:.*\\\n)*.*)$", PAGE, re.MULTILINE)
    *options, image = shlex.split(command.replace("\\\n", ""))
    assert image == "tabento/iris_classifier:latest"
    for example in ("--name", "--publish", "--volume"):
        at = options.index(example)
        del options[at : at + 2]
    return options


@dataclass
class Container:
    """A running container of the image."""

    engine: str
    id: str
    url: str

    @classmethod
    def start(cls, engine: str, image: str, volume: str, *options: str) -> "Container":
        # podman's --read-only leaves /run and /var/tmp writable unless it is told otherwise.
        only = ["--read-only-tmpfs=false"] if engine == "podman" else []
        asked = [*documented_options(), *only, "--publish", "127.0.0.1::3000"]
        asked += ["--volume", f"{volume}:/var/lib/tabento", *options]
        started = engine_run(engine, "run", *asked, image)
        return cls(
            engine, started, f"http://{engine_run(engine, 'port', started, '3000/tcp').splitlines()[0]}"
        )

    def inspect(self) -> dict[str, Any]:
        (about,) = json.loads(engine_run(self.engine, "inspect", self.id))
        return dict(about)

    def exec(self, *command: str) -> str:
        return engine_run(self.engine, "exec", self.id, *command)

    def python(self, program: str) -> str:
        """What a Python program prints that runs within the container, as the service's user."""
        return self.exec("python", "-c", program)

    def fails(self, *command: str) -> str:
        """What a command says that must fail within the container."""
        done = subprocess.run(
            [self.engine, "exec", self.id, *command], capture_output=True, text=True, timeout=60
        )
        assert done.returncode != 0, f"{command} went through"
        return done.stderr

    def workers(self) -> set[int]:
        """The worker processes, as they are numbered within."""
        program = """
import pathlib
for entry in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
    try:
        if b'_bentoml_impl.worker.service' in entry.read_bytes().split(b'\\0'):
            print(entry.parent.name)
    except OSError:
        pass
"""
        return {int(number) for number in self.python(program).split()}

    def logs(self) -> str:
        done = subprocess.run([self.engine, "logs", self.id], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def await_ready(self) -> float:
        """Seconds until it is ready."""
        started = time.monotonic()
        await_true(lambda: answers(f"{self.url}/readyz"), "the container is ready", state=self.logs)
        return time.monotonic() - started

    def stop(self) -> int:
        """Have the engine send SIGTERM, and give the exit code."""
        engine_run(self.engine, "stop", "--time", str(STOP_WITHIN_S), self.id)
        code: int = self.inspect()["State"]["ExitCode"]
        return code

    def remove(self) -> None:
        at_once = ["--time", "0"] if self.engine == "podman" else []
        engine_run(self.engine, "rm", "--force", "--volumes", *at_once, self.id)
