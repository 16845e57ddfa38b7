"""Resolve pyproject.toml's dependencies into the three locked lists, for every supported Python.

The lists carry hashes and no index address, and agree with each other: what serving and what training
install is part of what the tests ran with.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
COMPILE = [
    *("uv", "pip", "compile", "--quiet"),
    *("--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
]


def lock(name: str, *options: str) -> None:
    """Write one list."""
    output = HERE / f"{name}.txt"
    command = [*COMPILE, *options, "--output-file", str(output), str(HERE.parent / "pyproject.toml")]
    subprocess.run([sys.executable, "-m", *command], check=True)


if __name__ == "__main__":
    lock("dev", "--all-extras", *sys.argv[1:])
    everything = ("--constraint", str(HERE / "dev.txt"))
    lock("training", "--extra", "training", *everything)
    lock("serving", *everything)
