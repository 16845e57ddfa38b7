"""``python -m docs.extension.help_texts PROGRAM``: the help of a program and of its subcommands, as JSON.

One process asks for all of them, because most of the time goes into importing the program.
"""

import json
import re
import runpy
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO

_SUBCOMMANDS = (
    re.compile(r"^positional arguments:\n\s+\{([\w,-]+)\}$", re.MULTILINE),
    re.compile(r"^Commands:\n((?:  .*(?:\n|$))+)", re.MULTILINE),
)
"""Where the help of argparse, or of click, lists the subcommands."""


def main(program: str) -> None:
    """Write a list of (subcommand as a list, help)."""
    general = _help(program)
    texts = [([], general), *(([name], _help(program, name)) for name in subcommands(general))]
    sys.stdout.write(json.dumps(texts))


def _help(program: str, *command: str) -> str:
    sys.argv = ["", *command, "--help"]
    with redirect_stdout(StringIO()) as written, suppress(SystemExit):
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    return written.getvalue().strip()


def subcommands(text: str) -> list[str]:
    """The subcommands that a program's help lists."""
    by_argparse, by_click = (pattern.search(text) for pattern in _SUBCOMMANDS)
    if by_argparse:
        return by_argparse[1].split(",")
    return re.findall(r"^  (\S+)", by_click[1], re.MULTILINE) if by_click else []


if __name__ == "__main__":
    main(sys.argv[1])
