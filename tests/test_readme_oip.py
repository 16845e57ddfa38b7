"""The README's programs for the Open Inference Protocol print what it shows."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.servers import PROJECT, Server

README = (PROJECT / "README.md").read_text()
SECTION = README[README.index("## Open Inference Protocol") : README.index("## The audit log")]
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", SECTION, re.DOTALL)
CLIENTS_PYTHON = PROJECT / ".venv-clients" / "bin" / "python"


def test_the_readme_shows_two_programs() -> None:
    assert ["tritonclient" in program for program, _ in PROGRAMS] == [True, False]


@pytest.mark.parametrize(("program", "shown"), PROGRAMS, ids=["tritonclient", "reflection"])
def test_a_program_prints_what_the_readme_shows(iris_server: Server, program: str, shown: str) -> None:
    python = CLIENTS_PYTHON if "tritonclient" in program else Path(sys.executable)
    assert python.exists(), "`make clients` makes the environment that the protocol's clients have"
    text = program.replace("localhost:3001", f"127.0.0.1:{urlsplit('//' + iris_server.grpc).port}")
    done = subprocess.run([python, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.stdout == shown, done.stderr
