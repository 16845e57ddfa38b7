"""The command lines: what each command, and each of its subcommands, writes for ``--help``."""

import json
import os
import subprocess
import sys

from docs.extension.project import PROJECT

PROGRAMS = (
    "training",
    "lifecycle",
    "service.audit",
    "service.access",
    "service.monitoring",
    "service.releases",
)
"""The packages that are run with ``python -m``."""


def command_lines() -> str:
    """Write a section for each program, with the help of the program and of its subcommands."""
    return "\n".join(
        f"{'###' if command else '##'} `{' '.join([program, *command])}`\n\n```text\n{text}\n```\n"
        for program in PROGRAMS
        for command, text in help_texts(program)
    )


def help_texts(program: str) -> list[tuple[list[str], str]]:
    """Each subcommand of a program, none for the program itself, with its help.

    The program runs in a process of its own: it may set signal handlers.
    """
    done = subprocess.run(
        [sys.executable, "-m", "docs.extension.help_texts", program],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program} --help cannot be read: {done.stderr}")
    return [(command, text) for command, text in json.loads(done.stdout)]
