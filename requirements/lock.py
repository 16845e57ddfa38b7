"""Resolve pyproject.toml's dependencies into the locked lists, for every supported Python.

The lists carry hashes and no index address. Three agree with each other: what serving and what training
install is part of what the tests ran with. The fourth is of the environment that the protocol's clients have.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = str(HERE.parent / "pyproject.toml")
COMPILE = [
    *("uv", "pip", "compile", "--quiet"),
    *("--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
]


def lock(name: str, *options: str) -> None:
    """Write one list."""
    output = HERE / f"{name}.txt"
    command = [*COMPILE, *options, "--output-file", str(output)]
    subprocess.run([sys.executable, "-m", *command], check=True)


if __name__ == "__main__":
    lock("dev", PROJECT, "--all-extras", *sys.argv[1:])
    everything = ("--constraint", str(HERE / "dev.txt"))
    lock("training", PROJECT, "--extra", "training", *everything)
    lock("serving", PROJECT, *everything)
    lock("clients", "--group", f"{PROJECT}:clients", *sys.argv[1:])
